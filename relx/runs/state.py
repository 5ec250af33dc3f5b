"""The state of every stage of every run: finished, running, stopped or broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relx.faults import InputError
from relx.runs.find import chosen_runs, stage_folders
from relx.runs.lock import is_locked
from relx.runs.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of one run, as `relx runs list` shows it.

    Args:
        name: The run's name.
        stage: `tapt` or `train/fold-K`.
        folder: The stage's folder.
        state: `finished`, `running` (a process is at it), `stopped`, or `broken`.
        manifest: The manifest, None where it is broken.
    """

    name: str
    stage: str
    folder: Path
    state: str
    manifest: Manifest | None


def list_runs(runs_dir: Path, name: str | None = None) -> list[StageRow]:
    """Lists the stages of every run, or of one.

    Args:
        runs_dir: The folder of all runs.
        name: The one run to list, None for all.

    Returns:
        A row a stage, by run, TAPT first; a broken manifest is a row, not an error.

    Raises:
        InputError: There is no runs folder, or no run of this name.
    """
    return [row for run in chosen_runs(runs_dir, name) for row in _rows(run)]


def _rows(run_folder: Path) -> list[StageRow]:
    rows = []
    for folder in stage_folders(run_folder):
        try:
            manifest = read_manifest(folder)
        except InputError:
            manifest = None
        stage = folder.relative_to(run_folder).as_posix()
        state = _state(manifest, run_folder)
        rows.append(StageRow(run_folder.name, stage, folder, state, manifest))
    return rows


def _state(manifest: Manifest | None, run_folder: Path) -> str:
    if manifest is None:
        return "broken"
    if manifest.status == "running" and not is_locked(run_folder):
        return "stopped"
    return manifest.status
