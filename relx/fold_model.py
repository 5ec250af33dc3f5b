"""The model that one fold of a run left: its labels, its engine, and what it gives to rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx import progress
from relx.data.rows.row import ROWS_FORMAT, Row, rows_digest
from relx.dataset import Judge
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
from relx.recipe import DeviceSection
from relx.runs.find import FoundStage
from relx.runs.verified import require_own_parts
from relx.scoring.predictions import Predictions
from relx.tasks.task import Task

Floats = npt.NDArray[np.float64]
_OF_TRAINING = ("mirrored", "multi_worker")  # a prediction takes the devices that it finds


class FoldModel:
    """The model of a finished `train/fold-K`, opened for prediction.

    Args:
        found: The stage.
        task: The run's task.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.

    Raises:
        InputError: A part of the model is gone, broken, or of another run.
    """

    def __init__(
        self,
        found: FoundStage,
        task: Task[Any],
        backend: str | None = None,
        engine: EngineName | None = None,
    ) -> None:
        self.found = found
        self.recipe = found.recipe
        self.task = task
        self.files = found.folder / MODEL_FOLDER
        require_own_parts(found.folder, found.manifest, MODEL_FOLDER)
        self.labels = read_label_list(self.files)
        self.decision = read_decision(self.files, task.decision, self.labels)
        self.trained = family_of(self.recipe).trained(self.files, self.recipe, task, self.labels)
        self._section = _for_prediction(found.device(backend))
        self._wanted: EngineName = engine or self.recipe.predict.engine
        self._engine: Engine | None = None
        self._choices: list[str] = []  # what the model was built with

    def probabilities(
        self, rows: Sequence[Any], batch_size: int | None, judge: Judge, cache: Path | None
    ) -> Floats:
        """Computes the probabilities of rows.

        Args:
            rows: The rows; their labels are not looked at.
            batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.
            judge: Says, and perhaps refuses, what the tokenizer does not know of the rows.
            cache: Where tokens are kept; None keeps none.

        Returns:
            (rows, labels) float64, in the rows' order.

        Raises:
            InputError: The spans of some rows cannot be found or do not fit the window.
        """
        arrays = self.trained.rows(rows, judge, cache)
        engine = self._open()
        size = batch_size or self.recipe.predict.batch_size
        return self.task.decision.probabilities(engine.logits(arrays(engine.segments), size))

    def kept(self, rows: Sequence[Row]) -> Floats | None:
        """Returns the probabilities that the best epoch gave to the fold's own dev rows.

        Args:
            rows: Labelled rows.

        Returns:
            (rows, labels) float64; None where the rows are not the fold's dev rows, none were kept,
            or the file is not the one that the stage left.

        Raises:
            InputError: The labels beside the model are not those that it was trained with.
        """
        manifest, file = self.found.manifest, self.found.folder / DEV_FILE
        left, then = manifest.kept.get(DEV_FILE), manifest.data.get("dev") or {}
        if left is None:
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
            raise InputError(Fault(what, str(self.files / LABELS_FILE), next_step=step))
        progress.say(f"the {len(rows):,} rows are the run's own dev rows: probabilities of {file}")
        return kept.probabilities

    def close(self) -> None:
        """Lets go of the engine, and of the memory that it holds."""
        self._engine = None

    def _open(self) -> Engine:
        """Opens the engine on first use, and says which one it is."""
        model = self.trained
        if self._engine is None or self._choices != model.choices():
            self._choices = model.choices()
            trained = Trained(
                self.found.folder,
                functools.cache(lambda: graph_name(model.files(), model.choices())),
                model.build,
                model.build_for_export,
                self._section,
                self.recipe.seed,
            )
            self._engine = open_engine(trained, self._wanted)
            progress.say(f"computing with {self._engine}")
        return self._engine


def _for_prediction(section: DeviceSection) -> DeviceSection:
    """Takes whatever devices there are, however many have trained."""
    if section.strategy in _OF_TRAINING:
        return section.model_copy(update={"strategy": "auto"})
    return section
