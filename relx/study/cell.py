"""One cell of a study, from its recipe to its scores, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relx import progress
from relx.answers import AnswerOptions
from relx.dataset import Dataset, read_dataset
from relx.family.family import Origin
from relx.predict import open_run
from relx.recipe import Recipe
from relx.score import run_rows
from relx.study.plan import Cell, Study
from relx.study.results import keep_result, kept_result
from relx.train import finetune
from relx.train_folds import chosen_folds, finetune_folds

Adapt = Callable[[Recipe, Path], object]  # stage 1 of a recipe in a folder of runs
Begin = Callable[[Dataset[Any], Path], Origin]  # what stage 2 starts from


def run_cell(study: Study, cell: Cell, runs_dir: Path, adapt: Adapt, begin: Begin) -> None:
    """Computes a cell, or carries on where it was stopped; one that is done stays as it is.

    Args:
        study: The study.
        cell: The cell.
        runs_dir: The folder of all runs.
        adapt: Runs stage 1.
        begin: Says what stage 2 starts from.

    Raises:
        InputError: The cell's recipe, rows or run cannot be used.
    """
    folder = study.folder(runs_dir)
    if kept_result(folder, cell) is not None:
        progress.say(f"{cell.name} is done already")
        return
    progress.say(f"{study.name}: {cell.name}")
    if cell.tapt:
        adapt(cell.recipe, runs_dir)
    dataset = read_dataset(cell.recipe)
    origin = begin(dataset, runs_dir)
    if cell.folds is None:
        finetune(dataset, runs_dir, origin)
    else:
        finetune_folds(dataset, runs_dir, origin, chosen_folds(cell.folds, cell.recipe))
    began = time.monotonic()
    run = open_run(runs_dir, cell.recipe.name)
    rows = run_rows(run, cell.gold, run.reader(AnswerOptions()))
    seconds = {
        "tapt": _tapt_seconds(cell, runs_dir),
        "train": sum(stage.manifest.seconds for stage in run.found.folds),
        "predict": time.monotonic() - began,
    }
    keep_result(folder, cell, rows, seconds)
    figures = rows.scores().figures()
    progress.say(f"{cell.name}: micro-F1 {figures['micro_f1']:.2f}, {rows.gold_file}")


def _tapt_seconds(cell: Cell, runs_dir: Path) -> float:
    if not cell.tapt:
        return 0.0
    from relx.runs.find import find_run
    from relx.runs.place import TAPT

    return find_run(runs_dir, cell.recipe.name, TAPT).manifest.seconds
