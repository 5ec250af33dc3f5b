"""Prediction: a finished run's classifier, and the probabilities that it gives to rows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx import progress
from relx.answers import AnswerOptions, AnswerReader, chosen_decision
from relx.data.rows.row import Row
from relx.data.tokenizing.coverage import require_covered
from relx.dataset import Judge
from relx.dev_rows import DevRows, read_dev_rows
from relx.faults import Fault, InputError
from relx.fold_model import FoldModel
from relx.out_of_fold import kept_cutoffs
from relx.recipe import DataSection, Recipe
from relx.runs.folds import FoundRun, find_trained
from relx.tasks.task import Task, task_of

if TYPE_CHECKING:
    from relx.engines.engine import EngineName
    from relx.family.family import Trained
    from relx.scoring.decisions.decision import Decision

Floats = npt.NDArray[np.float64]


class Run:
    """A finished run, opened for prediction; of several folds the mean of their probabilities.

    Args:
        found: Its finished folds.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.
    """

    def __init__(
        self, found: FoundRun, backend: str | None = None, engine: EngineName | None = None
    ) -> None:
        self.found = found
        self.manifest = found.manifest
        self.recipe: Recipe = found.recipe
        self.types: tuple[str, ...] = tuple(self.manifest.data.get("types", ()))
        # Of rows to predict none may be left out.
        self.data: DataSection = self.recipe.data.model_copy(update={"skip_bad_rows": None})
        self.task: Task[Any] = task_of(self.recipe, self.data)
        self.folds = tuple(FoldModel(fold, self.task, backend, engine) for fold in found.folds)
        self.labels = self.folds[0].labels
        self._computes = backend is not None or engine is not None

    @property
    def name(self) -> str:
        """The name that commands find the run by."""
        return self.found.name

    @property
    def trained(self) -> Trained:
        """The model as its family reads rows for it, which is the same for all folds."""
        return self.folds[0].trained

    @functools.cached_property
    def decision(self) -> Decision:
        """How labels are chosen; cut-offs of several folds are searched on their dev rows together.

        Raises:
            InputError: There are cut-offs to search, and the rows cannot be read.
        """
        first = self.folds[0].decision
        cutoffs = first.cutoffs
        if len(self.folds) == 1 or cutoffs is None or cutoffs.source == "given":
            return first
        kept = kept_cutoffs(self.found, self.labels)
        if kept is not None:
            return first.with_thresholds(kept)
        return self._searched()

    def _searched(self) -> Decision:
        """Searches cut-offs on the dev rows of all folds."""
        try:
            rows = self.dev_rows()
        except InputError as error:
            step = "bring them back, or name cut-offs: --thresholds FILE"
            what = "the cut-offs of several folds are searched on their rows, which cannot be read"
            raise InputError(*error.faults, Fault(what, self.name, next_step=step)) from error
        gold = self.task.decision.right(rows, self.labels)
        sentences = [row.sentence for row in rows]
        shares = self.dev_probabilities(rows)
        return self.task.decision.fitted(gold, shares, sentences, self.labels)

    def predict(
        self,
        rows: Sequence[Any],
        batch_size: int | None = None,
        *,
        known: bool = False,
        cache: Path | None = None,
    ) -> Floats:
        """Computes the probabilities of rows: the mean of the folds'.

        Args:
            rows: The rows; their labels are not looked at.
            batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.
            known: Whether all that is doubtful about the rows has been said; more rows will
                follow, and each fold's engine stays in memory for them.
            cache: Where tokens are kept, as `token_folder` says; None keeps none.

        Returns:
            (rows, labels) float64, in the rows' order.

        Raises:
            InputError: The spans of some rows cannot be found or do not fit the window.
        """
        if not known:
            self.question_types(rows)
        judge: Judge = _say_nothing if known else require_covered
        total = self.folds[0].probabilities(rows, batch_size, judge, cache)
        for before, fold in itertools.pairwise(self.folds):
            if not known:
                before.close()
            total += fold.probabilities(rows, batch_size, _say_nothing, cache)
        if len(self.folds) > 1:
            total /= len(self.folds)
        return total

    def question_types(self, rows: Sequence[Any]) -> None:
        """Warns of types that the markers show, and that the run's data did not have.

        Args:
            rows: Rows to predict.
        """
        if unknown := self.task.unknown(rows, self.types):
            progress.warn(unknown)

    def decision_by(self, thresholds: Path | None) -> Decision:
        """Returns how labels are chosen: by a file of cut-offs, else by the run's own.

        Args:
            thresholds: The file, or None.

        Raises:
            InputError: The cut-offs cannot be read, or not be searched.
        """
        own = self.decision if thresholds is None else self.folds[0].decision
        return chosen_decision(own, thresholds, self.labels)

    def reader(self, options: AnswerOptions) -> AnswerReader:
        """Returns how rows and answer files are read for the run.

        Args:
            options: What the command line says besides.

        Raises:
            InputError: The cut-offs cannot be read.
        """
        data = options.as_written(self.data)
        decision = self.decision_by(options.thresholds)
        task, name = task_of(self.recipe, data), self.recipe.task
        return AnswerReader(
            task,
            data,
            self.labels,
            decision,
            options.percent,
            name,
            order=options.order,
            encoding=options.encoding or "auto",
        )

    @functools.cached_property
    def _dev(self) -> DevRows[Any]:
        then = {fold.found.fold: fold.found.manifest.data.get("dev") or {} for fold in self.folds}
        return read_dev_rows(self.recipe, task_of(self.recipe), self.labels, then)

    def dev_rows(self) -> list[Any]:
        """Reads the labelled rows that the run chose its epochs by.

        Returns:
            The rows of `data.dev`, else of the run's folds of `data.train`, in the file's order.

        Raises:
            InputError: They cannot be read, or are not the ones they were.
        """
        return self._dev.rows

    def dev_folds(self) -> npt.NDArray[np.int64] | None:
        """Returns the fold that each of `dev_rows` is in, `(rows,)`; None of a single fold."""
        return self._dev.folds if len(self.folds) > 1 else None

    def dev_probabilities(self, rows: Sequence[Row]) -> Floats:
        """Returns the probabilities of the dev rows, each by the fold that never trained on it.

        Kept ones are taken where there are any, unless a device or an engine was asked for.

        Args:
            rows: What `dev_rows` returned.

        Returns:
            (rows, labels) float64.

        Raises:
            InputError: Rows have to be predicted again and cannot be.
        """
        found = np.empty((len(rows), len(self.labels)))
        for fold in self.folds:
            places = np.flatnonzero(self._dev.folds == fold.found.fold)
            own = [rows[i] for i in places.tolist()]
            kept = None if self._computes else fold.kept(own)
            if kept is None:
                kept = fold.probabilities(own, None, require_covered, None)
                fold.close()
            found[places] = kept
        return found

    def kept_predictions(self, rows: Sequence[Row]) -> Floats | None:
        """Returns the probabilities that the best epoch gave to the run's own dev rows.

        Args:
            rows: Labelled rows.

        Returns:
            (rows, labels) float64; None where the rows are not the run's dev rows, the run has
            several folds or kept none, the file is not the one that the run left, or another device
            or engine was asked for.

        Raises:
            InputError: The labels beside the model are not those that it was trained with.
        """
        if self._computes or len(self.folds) > 1:
            return None
        return self.folds[0].kept(rows)

    def require_types(self, given: dict[str, str | None]) -> None:
        """Checks that types are given where the run's markers show them.

        Args:
            given: The type by the name of its option; None where it was not given.

        Raises:
            InputError: A type is needed and missing.
        """
        missing = [option for option, type_ in given.items() if type_ is None]
        if missing and self.task.shows_types:
            what = f"the run's markers ({self.recipe.markers.style}) show the words' types"
            allowed = ", ".join(self.types)
            raise InputError(*(Fault(what, option, "no type", allowed) for option in missing))


def _say_nothing(*of_rows: object) -> None:
    """Stands for a judge of rows that have been judged."""


def open_run(
    runs_dir: Path,
    name: str | None,
    backend: str | None = None,
    engine: EngineName | None = None,
) -> Run:
    """Opens a run for prediction and says which one it is.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name, with `/fold-K` for one of its folds; None for the latest finished.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.

    Returns:
        The run, with all of its finished folds.

    Raises:
        InputError: There is no such run, or none is finished.
    """
    found = find_trained(runs_dir, name)
    progress.say(f"predicting with {found.folder}{f': {found.words}' if found.words else ''}")
    return Run(found, backend, engine)
