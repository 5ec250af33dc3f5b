"""What a family of models does for training and prediction, whatever it computes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from relx.data.batches import Arrays, Batch, ReadingRows
from relx.data.labels import LabelList
from relx.data.tokenizing.coverage import require_covered
from relx.model_sections import DecoderSource, EncoderSource
from relx.recipe import Recipe
from relx.tasks.task import Task

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras

    from relx.dataset import Dataset, Judge

FAMILIES = {
    "encoder": "relx.family.encoder:EncoderFamily",
    "decoder": "relx.family.decoder:DecoderFamily",
}


@dataclass(frozen=True)
class Origin:
    """The model that stage 2 starts from.

    Args:
        source: What `encoder.from` or `decoder.from` may say.
        words: The same for people: where it comes from and why.
        digest: What tells one TAPT result from another; empty for a model from elsewhere.
        revision: The branch, tag or commit, where the source is a hub id.
        allow_pickle: Whether weights that are there as a pickle only are read.
    """

    source: EncoderSource | DecoderSource
    words: str
    digest: str = ""
    revision: str | None = None
    allow_pickle: bool = False


class LabelledRows(ReadingRows, Protocol):
    """Rows that a model is trained on or chosen by.

    Attributes:
        targets: What the decision trains for: (rows,) int32, or (rows, labels) float32.
    """

    targets: np.ndarray | None

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns inputs, the batch's targets, and weights (batch,) float32 that sum to 1."""


class Opened(Protocol):
    """A model that is ready to be trained, and what belongs to it."""

    @property
    def model(self) -> keras.Model:
        """From the family's inputs to logits (batch, labels)."""

    @property
    def source(self) -> str:
        """What was named."""

    @property
    def revision(self) -> str | None:
        """The hub commit that was loaded; None for a source that is not on the hub."""

    @property
    def notes(self) -> list[str]:
        """Sentences that the caller says aloud and puts in the manifest."""

    def depths(self, model: keras.Model) -> list[int] | None:
        """Counts the layers from the head down to each trainable variable, in their order.

        Args:
            model: The model, or one of another step with the same layers.

        Returns:
            The depths, 0 for the head's; None for a decoder, whose adapters have one rate.

        Raises:
            InputError: The place of a variable is not known.
        """

    def arrays(self, rows: list[Any], file: str) -> LabelledRows:
        """Tokenises labelled rows.

        Args:
            rows: The dataset's rows to train on, or those to choose by.
            file: Where they come from, for messages.

        Raises:
            InputError: Some rows do not fit the window, or their words cannot be found.
        """

    def write(self, folder: Path, card: str) -> None:
        """Writes what prediction needs into a folder that exists.

        Args:
            folder: The folder.
            card: The model card, the content of README.md.
        """


class Trained(Protocol):
    """A trained model in a run's folder, of which nothing has been loaded."""

    def rows(
        self, rows: Sequence[Any], judge: Judge = require_covered, cache: Path | None = None
    ) -> Callable[[bool], ReadingRows]:
        """Tokenises rows to predict.

        Args:
            rows: The rows.
            judge: Says, and perhaps refuses, what the tokenizer does not know of them.
            cache: Where tokens are kept, as `token_folder` says; None keeps none.

        Returns:
            What gives them as arrays, told whether the model takes segment ids.

        Raises:
            InputError: Some rows do not fit the window, or their words cannot be found.
        """

    def files(self) -> list[Path]:
        """Lists the files that decide what the model computes.

        Raises:
            InputError: One of them is gone.
        """

    def choices(self) -> list[str]:
        """Lists what else decides it, for the name of a graph that is kept."""

    def build(self) -> keras.Model:
        """Builds the model with its weights, under the global precision policy.

        Raises:
            InputError: A file is gone, or is not of this run.
        """

    def build_for_export(self) -> keras.Model:
        """Builds the same of float32 alone, for another engine to be converted to.

        Raises:
            InputError: A file is gone, or is not of this run.
        """


class Family(Protocol):
    """A family of models."""

    def inputs(self, dataset: Dataset[Any], origin: Origin) -> dict[str, Any]:
        """Returns what of the model and its texts decides what a training computes."""

    def open(
        self, dataset: Dataset[Any], origin: Origin, revision: str | None, cache: Path | None
    ) -> Opened:
        """Loads the model that training starts from; call it inside the device's scope.

        Args:
            dataset: The recipe and its rows.
            origin: What to load.
            revision: The commit to load, where a run has begun with one.
            cache: Where tokens are kept; None keeps none.

        Raises:
            InputError: It cannot be loaded, or does not suit the recipe.
        """

    def trained(self, folder: Path, recipe: Recipe, task: Task[Any], labels: LabelList) -> Trained:
        """Opens a trained model.

        Args:
            folder: The model's folder in its run.
            recipe: The run's recipe.
            task: The run's task.
            labels: The run's labels.
        """

    def card(self, name: str, task: str) -> tuple[str, str]:
        """Returns what a model card calls the model, and what it says of the files."""


def family_of(recipe: Recipe) -> Family:
    """Imports the family of a recipe's model.

    Args:
        recipe: The recipe.

    Returns:
        The family.
    """
    module, _, kind = FAMILIES[recipe.family].partition(":")
    family: Family = getattr(importlib.import_module(module), kind)()
    return family
