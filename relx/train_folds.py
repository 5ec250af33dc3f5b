"""Stage 2 of several folds: one after the other, and what they are worth together."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx import progress
from relx.answers import AnswerOptions
from relx.faults import Fault, InputError
from relx.out_of_fold import keep_out_of_fold
from relx.predict import Run
from relx.recipe import Recipe
from relx.runs.folds import find_trained
from relx.score import ScoredRows, run_rows
from relx.scoring.printed import percent
from relx.train import finetune

if TYPE_CHECKING:
    from relx.dataset import Dataset
    from relx.family.family import Origin

ALL = "all"


def chosen_folds(words: str, recipe: Recipe) -> tuple[int, ...]:
    """Reads which folds are to be trained.

    Args:
        words: `all`, or numbers from 0 with commas between them.
        recipe: The recipe.

    Returns:
        The folds, ascending.

    Raises:
        InputError: The words are neither, name a fold twice, or one that the recipe has not; or
            its dev rows are a file, so that there are no folds.
    """
    if recipe.data.dev is not None:
        what = "there are no folds where data.dev names the rows to choose epochs by"
        step = "--set data.dev=null cuts data.train into folds; or leave --folds out"
        raise InputError(Fault(what, "--folds", words, next_step=step))
    count = recipe.data.folds
    if words.strip() == ALL:
        return tuple(range(count))
    parts = [part.strip() for part in words.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(numbers) < len(parts) or len(set(numbers)) < len(numbers) or max(numbers) >= count:
        allowed = f"all, or different numbers from 0 to {count - 1}, such as 0,2"
        step = "--set data.folds=N makes another number of them"
        raise InputError(Fault("these are no folds", "--folds", words, allowed, step))
    return tuple(sorted(numbers))


def finetune_folds(
    dataset: Dataset[Any],
    runs_dir: Path,
    origin: Origin,
    folds: Sequence[int],
    fresh: bool = False,
) -> dict[str, Any]:
    """Trains folds of a recipe one after the other, or carries on where they were stopped.

    Args:
        dataset: The recipe and its rows.
        runs_dir: The folder of all runs.
        origin: The encoder to start from.
        folds: Which folds.
        fresh: Set earlier results of these folds aside and start anew.

    Returns:
        The figures of the run's folds together, and of each.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    began, trained = time.monotonic(), 0
    for place, fold in enumerate(folds, 1):
        progress.say(f"fold {fold}, {place} of {len(folds)}")
        started = time.monotonic()
        finetune(dataset.at_fold(fold), runs_dir, origin, fresh)
        trained += time.monotonic() - started > _AT_ONCE
        left = len(folds) - place
        if trained and left:
            minutes = (time.monotonic() - began) / trained * left / 60
            progress.say(f"{place} of {len(folds)} folds are done; about {minutes:.0f} min to go")
    return _together(runs_dir, dataset.recipe.name)


_AT_ONCE = 1.0  # seconds; a fold that takes less was finished before


def _together(runs_dir: Path, name: str) -> dict[str, Any]:
    """Scores the rows of all folds, each by the fold that never trained on it, and keeps it."""
    run = Run(find_trained(runs_dir, name))
    rows = run_rows(run, None, run.reader(AnswerOptions()))
    figures = out_of_fold_figures(rows)
    keep_out_of_fold(run.found, figures, run.decision)
    progress.say(out_of_fold_words(figures))
    return figures


def out_of_fold_figures(rows: ScoredRows) -> dict[str, Any]:
    """Returns what a run's folds are worth, together and each, as JSON takes it.

    Args:
        rows: The rows of all folds, each predicted by the fold that never trained on it.
    """
    each = {str(fold): scores.figures() for fold, scores in rows.fold_scores().items()}
    return {"rows": len(rows.gold), "scores": rows.scores().figures(), "fold_scores": each}


def out_of_fold_words(figures: Mapping[str, Any]) -> str:
    """Says what a run's folds are worth together, and how far they are apart.

    Args:
        figures: What `out_of_fold_figures` returned.
    """
    scores, each = figures["scores"], figures["fold_scores"].values()
    said = f"{percent(scores['micro_f1'])}"
    if each:
        found = [fold["micro_f1"] for fold in each]
        said += f" ({min(found):.2f} to {max(found):.2f} by fold)"
    return (
        f"out of fold, {figures['rows']:,} rows: micro-F1 {said}, AUPRC {percent(scores['auprc'])}"
    )
