"""Prediction: a finished run's classifier, and the probabilities that it gives to rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relx import progress
from relx.answers import AnswerOptions, AnswerReader, chosen_decision
from relx.data.rows.row import ROWS_FORMAT, Row, rows_digest
from relx.data.tokenizing.coverage import require_covered
from relx.dataset import read_dev_rows
from relx.engines.engine import Engine, EngineName, Trained, open_engine
from relx.engines.openvino import graph_name
from relx.family.family import family_of
from relx.faults import Fault, InputError
from relx.files import file_digest
from relx.models.saved import (
    DEV_FILE,
    LABELS_FILE,
    MODEL_FOLDER,
    read_decision,
    read_label_list,
)
from relx.recipe import DataSection, Recipe
from relx.runs.find import FoundStage, find_run
from relx.runs.verified import require_own_parts
from relx.scoring.predictions import Predictions
from relx.tasks.task import Task, task_of


class Run:
    """A finished run, opened for prediction.

    Args:
        found: Its `train/fold-K` stage.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.
    """

    def __init__(
        self, found: FoundStage, backend: str | None = None, engine: EngineName | None = None
    ) -> None:
        self.found = found
        self.folder = folder = found.folder
        self.manifest = found.manifest
        self.recipe: Recipe = found.recipe
        self.types: tuple[str, ...] = tuple(self.manifest.data.get("types", ()))
        require_own_parts(folder, self.manifest, MODEL_FOLDER)
        self.labels = read_label_list(folder / MODEL_FOLDER)
        # Of rows to predict none may be left out.
        self.data: DataSection = self.recipe.data.model_copy(update={"skip_bad_rows": None})
        self.task: Task[Any] = task_of(self.recipe, self.data)
        self.decision = read_decision(folder / MODEL_FOLDER, self.task.decision, self.labels)
        family = family_of(self.recipe)
        self.trained = family.trained(folder / MODEL_FOLDER, self.recipe, self.task, self.labels)
        section = found.device(backend)
        if section.strategy == "multi_worker":  # one process predicts, however many have trained
            section = section.model_copy(update={"strategy": "auto"})
        self._section = section
        self._wanted: EngineName = engine or self.recipe.predict.engine
        self._computes = backend is not None or engine is not None
        self._engine: Engine | None = None
        self._choices: list[str] = []  # what the model was built with

    @property
    def name(self) -> str:
        """The name that commands find the run by."""
        return self.found.run

    def predict(
        self,
        rows: Sequence[Any],
        batch_size: int | None = None,
        *,
        known: bool = False,
        cache: Path | None = None,
    ) -> np.ndarray:
        """Computes the probabilities of rows.

        Args:
            rows: The rows; their labels are not looked at.
            batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.
            known: Whether all that is doubtful about the rows has been said.
            cache: Where tokens are kept, as `token_folder` says; None keeps none.

        Returns:
            (rows, labels) float64, in the rows' order.

        Raises:
            InputError: The spans of some rows cannot be found or do not fit the window.
        """
        if not known:
            self.question_types(rows)
        arrays = self.trained.rows(rows, _say_nothing if known else require_covered, cache)
        engine = self._open()
        logits = engine.logits(
            arrays(engine.segments), batch_size or self.recipe.predict.batch_size
        )
        return self.task.decision.probabilities(logits)

    def question_types(self, rows: Sequence[Any]) -> None:
        """Warns of types that the markers show, and that the run's data did not have.

        Args:
            rows: Rows to predict.
        """
        if unknown := self.task.unknown(rows, self.types):
            progress.warn(unknown)

    def reader(self, options: AnswerOptions) -> AnswerReader:
        """Returns how rows and answer files are read for the run.

        Args:
            options: What the command line says besides.

        Raises:
            InputError: The cut-offs cannot be read.
        """
        data = options.as_written(self.data)
        decision = chosen_decision(self.decision, options.thresholds, self.labels)
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

    def dev_rows(self) -> list[Any]:
        """Reads the labelled rows that the run chose its epoch by, and never trained on.

        Returns:
            The rows of `data.dev`, else of the run's fold of `data.train`.

        Raises:
            InputError: They cannot be read, or are not the ones they were.
        """
        task = task_of(self.recipe)
        then = self.manifest.data.get("dev") or {}
        return read_dev_rows(self.recipe, task, self.labels, then)

    def kept_predictions(self, rows: Sequence[Row]) -> np.ndarray | None:
        """Returns the probabilities that the best epoch gave to the run's own dev rows.

        Args:
            rows: Labelled rows.

        Returns:
            (rows, labels) float64; None where the rows are not the run's dev rows, the run kept
            none, the file is not the one that the run left, or another device or engine was asked
            for.

        Raises:
            InputError: The labels beside the model are not those that it was trained with.
        """
        file, then = self.folder / DEV_FILE, self.manifest.data.get("dev") or {}
        left = self.manifest.kept.get(DEV_FILE)
        if self._computes or left is None:
            return None
        if (then.get("format"), then.get("digest")) != (ROWS_FORMAT, rows_digest(rows)):
            return None
        if not file.is_file() or file_digest(file) != left:
            gone = "is gone" if not file.exists() else "is not the file that this run left"
            progress.warn(f"{file} {gone}: its dev rows are predicted again")
            return None
        kept = Predictions.load(file)
        if kept.labels != self.labels.names:
            what = "these are not the labels that the run was trained with, or not in their order"
            step = (
                "bring the file back; relx train --fresh with the run's recipe.yaml makes it again"
            )
            where = str(self.folder / MODEL_FOLDER / LABELS_FILE)
            raise InputError(Fault(what, where, next_step=step))
        progress.say(f"the {len(rows):,} rows are the run's own dev rows: probabilities of {file}")
        return kept.probabilities

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

    def _open(self) -> Engine:
        """Opens the engine on first use, and says which one it is."""
        model = self.trained
        if self._engine is None or self._choices != model.choices():
            self._choices = model.choices()
            trained = Trained(
                self.folder,
                functools.cache(lambda: graph_name(model.files(), model.choices())),
                model.build,
                model.build_for_export,
                self._section,
                self.recipe.seed,
            )
            self._engine = open_engine(trained, self._wanted)
            progress.say(f"computing with {self._engine}")
        return self._engine


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
        name: The run's name; None for the latest finished one.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.

    Returns:
        The run.

    Raises:
        InputError: There is no such run, or none is finished.
    """
    found = find_run(runs_dir, name)
    progress.say(f"predicting with {found.folder}")
    return Run(found, backend, engine)
