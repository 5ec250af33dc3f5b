"""The state of every stage of every run: finished, running, stopped or broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relx.faults import InputError
from relx.runs.find import stage_places
from relx.runs.lock import is_locked
from relx.runs.manifest import Manifest, read_manifest
from relx.runs.place import StagePlace


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage of one run, as `relx runs list` shows it.

    Args:
        place: Where it lies.
        state: `finished`, `running` (a process is at it), `stopped`, or `broken`.
        manifest: The manifest, None where it is broken.
    """

    place: StagePlace
    state: str
    manifest: Manifest | None

    @property
    def name(self) -> str:
        """The run's name."""
        return self.place.run

    @property
    def stage(self) -> str:
        """The stage's name, `tapt` or `train/fold-K`."""
        return self.place.stage

    @property
    def folder(self) -> Path:
        """The stage's folder."""
        return self.place.folder


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
    return [_row(place) for place in stage_places(runs_dir, name)]


def _row(place: StagePlace) -> StageRow:
    try:
        manifest = read_manifest(place.folder)
    except InputError:
        manifest = None
    return StageRow(place, _state(manifest, place.run_folder), manifest)


def _state(manifest: Manifest | None, run_folder: Path) -> str:
    if manifest is None:
        return "broken"
    if manifest.status == "running" and not is_locked(run_folder):
        return "stopped"
    return manifest.status
