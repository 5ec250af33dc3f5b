"""Which run a name means, and which stages it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from relx.faults import Fault, InputError, nearest
from relx.progress import warn
from relx.recipe import DeviceSection, Recipe
from relx.recipe_file import recipe_from_tree
from relx.runs.manifest import MANIFEST, Manifest, read_manifest
from relx.runs.place import TAPT, StagePlace
from relx.runs.stage import RECIPE


@dataclass(frozen=True)
class FoundStage:
    """A finished stage, found once and its manifest read once, to be handed on.

    Args:
        place: Where it lies.
        manifest: Its manifest.
    """

    place: StagePlace
    manifest: Manifest

    @property
    def run(self) -> str:
        """The run's name."""
        return self.place.run

    @property
    def folder(self) -> Path:
        """The stage's folder."""
        return self.place.folder

    @property
    def fold(self) -> int:
        """The number of the fold, of a stage `train/fold-K`."""
        return int(self.place.stage.rpartition("-")[2])

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that it was made with."""
        return recipe_from_tree(self.manifest.recipe)

    def device(self, backend: str | None) -> DeviceSection:
        """Returns what the stage's result is to be computed with.

        Args:
            backend: Another backend than the run's, or None.

        Returns:
            The recipe's section; with another backend, that one and the run's precision, and
            whatever devices there are.
        """
        own = self.recipe.device
        if backend is None:
            return own
        return DeviceSection.model_validate({"backend": backend, "precision": own.precision})


def find_run(runs_dir: Path, name: str | None, stage: str = "train") -> FoundStage:
    """Finds the finished stage of the named run, or of the run that finished last.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name, None for the latest.
        stage: `train`, `tapt`, or one fold: `train/fold-K`.

    Returns:
        The stage; of several folds, the one that finished last.

    Raises:
        InputError: There is no such run, or none has finished; says what to type.
    """
    places = [place for place in stage_places(runs_dir, name) if _is_of(place, stage)]
    found = _finished(places, stage, skip_broken=name is None)
    if not found:
        raise InputError(_unfinished(runs_dir, name, stage, places))
    return max(found, key=lambda one: (one.manifest.finished or "", one.folder))


def finished_stages(runs_dir: Path, name: str, stage: str = "train") -> list[FoundStage]:
    """Lists the finished stages of a run.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name.
        stage: `train`, `tapt`, or one fold: `train/fold-K`.

    Returns:
        The stages by their folds; one whose manifest is broken is left out, which is said.

    Raises:
        InputError: There is no such run.
    """
    return _finished(stage_places(runs_dir, name), stage, skip_broken=True)


def _finished(places: Sequence[StagePlace], stage: str, *, skip_broken: bool) -> list[FoundStage]:
    return [
        FoundStage(place, manifest)
        for place in places
        if _is_of(place, stage)
        and (manifest := _readable(place.folder, skip_broken))
        and manifest.finished
    ]


def _is_of(place: StagePlace, stage: str) -> bool:
    return f"{place.stage}/".startswith(f"{stage}/")


def stage_places(runs_dir: Path, name: str | None = None) -> list[StagePlace]:
    """Lists the stages that have a manifest, of every run or of the one named.

    Args:
        runs_dir: The folder of all runs.
        name: The one run, None for all.

    Returns:
        The places by run, TAPT first, then the folds; what `--fresh` set aside is left out.

    Raises:
        InputError: There is no runs folder, or no run of this name.
    """
    if not runs_dir.is_dir():
        step = "relx train --recipe PATH makes the first; --runs-dir names another folder"
        raise InputError(Fault("there are no runs here", str(runs_dir), next_step=step))
    folders = (path for path in sorted(runs_dir.iterdir()) if path.is_dir())
    runs = {folder.name: places for folder in folders if (places := _stages(runs_dir, folder.name))}
    if name is None:
        return [place for places in runs.values() for place in places]
    if name not in runs:
        guess = nearest(name, list(runs))
        step = f"did you mean {guess}?" if guess else f"relx runs list{_in(runs_dir)} shows all"
        raise InputError(Fault("there is no run of this name", str(runs_dir), name, "", step))
    return runs[name]


def _stages(runs_dir: Path, run: str) -> list[StagePlace]:
    train = StagePlace(runs_dir, run, "train").folder
    folds = [fold.name for fold in train.glob("fold-*") if re.fullmatch(r"fold-\d+", fold.name)]
    folds.sort(key=lambda fold: int(fold.removeprefix("fold-")))
    places = [StagePlace(runs_dir, run, s) for s in (TAPT, *(f"train/{fold}" for fold in folds))]
    return [place for place in places if (place.folder / MANIFEST).is_file()]


def _readable(stage_folder: Path, skip_broken: bool) -> Manifest | None:
    """Reads a manifest; of all runs, a broken one is left out with a warning."""
    try:
        return read_manifest(stage_folder)
    except InputError as error:
        if not skip_broken:
            raise
        warn(f"{stage_folder} is left out: {error.faults[0].what}")
        return None


def _unfinished(runs_dir: Path, name: str | None, stage: str, places: list[StagePlace]) -> Fault:
    command = "relx tapt" if stage == TAPT else "relx train"
    recipe = next((place.folder / RECIPE for place in places), "PATH")
    what = f"no {stage} stage has finished" + (" in this run" if name else "")
    step = f"{command} --recipe {recipe}{_in(runs_dir)}"
    return Fault(what, str(runs_dir / (name or "")), next_step=step)


def _in(runs_dir: Path) -> str:
    """The option that a command needs to look into this runs folder."""
    return "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"
