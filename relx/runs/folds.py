"""A trained run as commands find it: its finished folds, which belong together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError
from relx.progress import warn
from relx.recipe import Recipe
from relx.runs.differences import input_differences
from relx.runs.find import FoundStage, find_run, finished_stages
from relx.runs.manifest import Manifest
from relx.runs.place import fold_stage

_ONE_FOLD = re.compile(r"(?P<run>[^/]+)/(?:train/)?fold-(?P<fold>\d+)")


@dataclass(frozen=True)
class FoundRun:
    """A trained run, found once, to be handed on.

    Args:
        name: What commands find it by: the run's name, or `NAME/fold-K` where one fold is meant.
        folds: Its finished folds, ascending; they were made of the same recipe and rows.
    """

    name: str
    folds: tuple[FoundStage, ...]

    @property
    def first(self) -> FoundStage:
        """The first fold, which says what is the same of all."""
        return self.folds[0]

    @property
    def manifest(self) -> Manifest:
        """The first fold's manifest."""
        return self.first.manifest

    @property
    def recipe(self) -> Recipe:
        """The recipe, as the first fold was made with."""
        return self.first.recipe

    @property
    def folder(self) -> Path:
        """The folder of its one fold, or of all."""
        return self.first.folder if len(self.folds) == 1 else self.first.folder.parent

    @property
    def words(self) -> str:
        """Its folds in words, such as `folds 0, 1 and 4 of 5`; empty where there is one."""
        if len(self.folds) == 1:
            return ""
        *most, last = (str(stage.fold) for stage in self.folds)
        return f"folds {', '.join(most)} and {last} of {self.recipe.data.folds}"


def find_trained(runs_dir: Path, name: str | None) -> FoundRun:
    """Finds the trained run of a name, with all of its finished folds, or the latest one.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; `NAME/fold-K` for one of its folds; None for the run that finished
            last.

    Returns:
        The run; folds that were made with other settings than the latest are left out, which is
        said.

    Raises:
        InputError: There is no such run, or none has finished; says what to type.
    """
    one = _ONE_FOLD.fullmatch(name) if name is not None else None
    if one is not None:
        stage = find_run(runs_dir, one["run"], fold_stage(int(one["fold"])))
        return FoundRun(f"{stage.run}/fold-{stage.fold}", (stage,))
    latest = find_run(runs_dir, name)
    if "fold" not in (latest.manifest.data.get("dev") or {}):  # data.dev chose the epoch
        return FoundRun(latest.run, (latest,))
    stages = finished_stages(runs_dir, latest.run)
    return FoundRun(latest.run, tuple(_belonging(latest, stages)))


def require_one_fold(found: FoundRun, what_for: str) -> FoundStage:
    """Returns the only fold of a run.

    Args:
        found: The run.
        what_for: What needs a single model, in words.

    Raises:
        InputError: There are several; says how one is named.
    """
    if len(found.folds) == 1:
        return found.first
    allowed = ", ".join(f"{found.name}/fold-{stage.fold}" for stage in found.folds)
    what = f"this run has several folds, and {what_for} one"
    raise InputError(Fault(what, found.name, found.words, allowed, "name one of its folds"))


def _belonging(latest: FoundStage, stages: Sequence[FoundStage]) -> list[FoundStage]:
    """Leaves out the folds that were made with other settings, or of other rows."""
    kept = []
    for stage in stages:
        differing = input_differences(_shared(latest.manifest), _shared(stage.manifest))
        if differing:
            some = "; ".join(str(difference) for difference in differing[:3])
            other = f"fold {stage.fold} was made with other settings than fold {latest.fold}"
            warn(f"{latest.run}: {other}, and is left out: {some}")
        else:
            kept.append(stage)
    return kept


def _shared(manifest: Manifest) -> dict[str, Any]:
    """Returns what decides a fold's result and is the same for all folds of a run."""
    data, files = manifest.recipe["data"], manifest.data
    section = manifest.inputs.get("train", {})
    train = {key: value for key, value in section.items() if key != "fold"}
    inputs = {key: value for key, value in manifest.inputs.items() if key != "data"}
    split = {name: data.get(name) for name in ("folds", "group")}
    rows = sum(files.get(role, {}).get("rows", 0) for role in ("train", "dev"))
    return inputs | {"train": train, "split": split, "rows": rows}
