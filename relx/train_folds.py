"""Stage 2 of several folds: one after the other, and what they are worth together."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx import progress
from relx.answers import AnswerOptions
from relx.deadline import Deadline, in_words
from relx.faults import Fault, InputError
from relx.files import require_place
from relx.out_of_fold import keep_out_of_fold
from relx.predict import Run
from relx.predict_file import predict_file
from relx.recipe import Recipe
from relx.runs.find import finished_stages
from relx.runs.folds import find_trained
from relx.score import ScoredRows, run_rows
from relx.scoring.printed import percent
from relx.train import finetune

if TYPE_CHECKING:
    from relx.dataset import Dataset
    from relx.family.family import Origin

ALL = "all"
RESERVE = 0.1  # of all time, for the first answer file


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


def require_answers(recipe: Recipe, out: Path) -> None:
    """Checks that answers can be written, before the work that leads to them.

    Args:
        recipe: The recipe.
        out: The answer file.

    Raises:
        InputError: The recipe names no test rows, or the file cannot be written there.
    """
    data = recipe.data
    if data.test is None:
        what, step = "the recipe names no test file", "name it with --set data.test=FILE"
        raise InputError(Fault(what, "--out", str(out), next_step=step))
    files = [Path(file) for file in (data.train, data.test, data.dev) if file is not None]
    require_place(out, "--out", files)


def finetune_folds(
    dataset: Dataset[Any],
    runs_dir: Path,
    origin: Origin,
    folds: Sequence[int],
    fresh: bool = False,
    deadline: Deadline | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Trains folds of a recipe one after the other, or carries on where they were stopped.

    Args:
        dataset: The recipe and its rows.
        runs_dir: The folder of all runs.
        origin: The encoder to start from.
        folds: Which folds.
        fresh: Set earlier results of these folds aside and start anew.
        deadline: When all has to be done: a fold that would not end in time is not begun, and that
            is said. The first one is, and ends with the epoch that still fits.
        out: The answer file of the recipe's test rows, written anew after each fold.

    Returns:
        The figures of the run's folds together, and of each.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    plan = _Plan(runs_dir, dataset.recipe.name, deadline, out)
    for place, fold in enumerate(folds):
        if not plan.has_time():
            _say_left_out(folds[place:], plan)
            break
        progress.say(f"fold {fold}, {place + 1} of {len(folds)}")
        finetune(dataset.at_fold(fold), runs_dir, origin, fresh, plan.of_training())
        plan.answer()
        if left := len(folds) - place - 1:
            words = in_words(left * plan.longest())
            progress.say(f"{place + 1} of {len(folds)} folds are done; about {words} to go")
    return _together(runs_dir, dataset.recipe.name)


def _say_left_out(folds: Sequence[int], plan: _Plan) -> None:
    assert plan.deadline is not None
    numbers = ", ".join(map(str, folds))
    progress.warn(
        f"fold{'s' * (len(folds) > 1)} {numbers} left out: one takes {in_words(plan.longest())}, "
        f"and {in_words(max(plan.deadline.left, 0))} are left; the same command trains them later"
    )


class _Plan:
    """What fits before a deadline, by what the folds took so far.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name.
        deadline: When all has to be done; None where nobody waits.
        out: The answer file to keep up to date, or None.
    """

    def __init__(
        self, runs_dir: Path, name: str, deadline: Deadline | None, out: Path | None
    ) -> None:
        self.runs_dir, self.name, self.deadline, self.out = runs_dir, name, deadline, out
        self._all = 0.0 if deadline is None else deadline.left
        self._answering: float | None = None  # seconds that the last answer file took

    def longest(self) -> float:
        """Returns the working time of the longest finished fold, in seconds; 0 of none."""
        with contextlib.suppress(InputError):  # there is no run yet
            stages = finished_stages(self.runs_dir, self.name)
            return max((stage.manifest.seconds for stage in stages), default=0.0)
        return 0.0

    def has_time(self) -> bool:
        """Says whether another fold, and the answers after it, end in time."""
        return self.deadline is None or self.deadline.fits(self.longest() + self._reserve())

    def of_training(self) -> Deadline | None:
        """Returns when a training has to be done, so that its answers are in time."""
        return None if self.deadline is None else self.deadline.earlier(self._reserve())

    def answer(self) -> None:
        """Writes the answers of the folds that are done."""
        if self.out is None:
            return
        began = time.monotonic()
        predict_file(self.runs_dir, self.name, None, self.out)
        self._answering = time.monotonic() - began

    def _reserve(self) -> float:
        """The seconds to keep for the answers: of one fold more, or a guess before the first."""
        if self.out is None:
            return 0.0
        if self._answering is None:
            return RESERVE * self._all
        count = len(finished_stages(self.runs_dir, self.name))
        return self._answering * (count + 1) / count


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
