"""Which run a name means, and which stages it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from relx.faults import Fault, InputError, nearest
from relx.progress import warn
from relx.runs.manifest import MANIFEST, Manifest, read_manifest
from relx.runs.stage import RECIPE


def find_run(runs_dir: Path, name: str | None, stage: str = "train") -> Path:
    """Finds the finished stage of the named run, or of the run that finished last.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name, None for the latest.
        stage: `train`, `tapt`, or one fold: `train/fold-K`.

    Returns:
        The stage's folder; of several folds, the one that finished last.

    Raises:
        InputError: There is no such run, or none has finished; says what to type.
    """
    folders = [
        folder
        for run in chosen_runs(runs_dir, name)
        for folder in stage_folders(run)
        if f"{folder.relative_to(run).as_posix()}/".startswith(f"{stage}/")
    ]
    manifests = [(manifest, f) for f in folders if (manifest := _readable(f, name is None))]
    finished = [(manifest.finished, folder) for manifest, folder in manifests if manifest.finished]
    if finished:
        return max(finished)[1]
    raise InputError(_unfinished(runs_dir, name, stage, folders))


def _readable(stage_folder: Path, skip_broken: bool) -> Manifest | None:
    """Reads a manifest; of all runs, a broken one is left out with a warning."""
    try:
        return read_manifest(stage_folder)
    except InputError as error:
        if not skip_broken:
            raise
        warn(f"{stage_folder} is left out: {error.faults[0].what}")
        return None


def _unfinished(runs_dir: Path, name: str | None, stage: str, folders: list[Path]) -> Fault:
    command = "relx tapt" if stage == "tapt" else "relx train"
    recipe = next((folder / RECIPE for folder in folders), "PATH")
    what = f"no {stage} stage has finished" + (" in this run" if name else "")
    step = f"{command} --recipe {recipe}{_in(runs_dir)}"
    return Fault(what, str(runs_dir / (name or "")), next_step=step)


def _in(runs_dir: Path) -> str:
    """The option that a command needs to look into this runs folder."""
    return "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"


def chosen_runs(runs_dir: Path, name: str | None) -> list[Path]:
    """Lists the folders of every run, or of the one named."""
    if not runs_dir.is_dir():
        step = "relx train --recipe PATH makes the first; --runs-dir names another folder"
        raise InputError(Fault("there are no runs here", str(runs_dir), next_step=step))
    runs = sorted(folder for folder in runs_dir.iterdir() if stage_folders(folder))
    if name is None:
        return runs
    names = [run.name for run in runs]
    if name not in names:
        guess = nearest(name, names)
        step = f"did you mean {guess}?" if guess else f"relx runs list{_in(runs_dir)} shows all"
        raise InputError(Fault("there is no run of this name", str(runs_dir), name, "", step))
    return [runs_dir / name]


def stage_folders(run_folder: Path) -> list[Path]:
    """Lists a run's stages that have a manifest; what `--fresh` set aside is left out."""
    train = run_folder / "train"
    folds = [fold for fold in train.glob("fold-*") if re.fullmatch(r"fold-\d+", fold.name)]
    folds.sort(key=lambda fold: int(fold.name.removeprefix("fold-")))
    return [stage for stage in [run_folder / "tapt", *folds] if (stage / MANIFEST).is_file()]
