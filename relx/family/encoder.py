"""Encoders: marked text, states at the spans, and a small head."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.data.batches import ReadingRows
from relx.data.labels import LabelList
from relx.data.tokenizing.coverage import require_covered
from relx.dataset import Dataset, Judge, token_rows
from relx.family.family import Origin
from relx.family.sizes import require_positions
from relx.faults import Fault, InputError
from relx.files import digest
from relx.model_sections import FreshDecoder, FreshSource
from relx.models.arrays import SpanArrays
from relx.models.saved import HEAD_FILE, LABELS_FILE, load_model, model_files, write_model
from relx.recipe import Recipe
from relx.tasks.task import Task

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras
    from transformers import PreTrainedTokenizerFast

    from relx.models.encoder.load import LoadedEncoder


class EncoderFamily:
    """The family of encoders; see `relx.family.family.Family`."""

    def inputs(self, dataset: Dataset[Any], origin: Origin) -> dict[str, Any]:
        """Returns the encoder, the marker tokens and, for a fresh vocabulary, the sentences."""
        recipe = dataset.recipe
        inputs: dict[str, Any] = {
            "encoder": recipe.started_from.inputs() | {"tapt": origin.digest},
            # Marker tokens and a fresh vocabulary depend on the test file too.
            "marker_tokens": list(dataset.marker_tokens),
        }
        if not isinstance(recipe.source, str):
            inputs["sentences"] = digest(dataset.sentences)
        return inputs

    def open(
        self, dataset: Dataset[Any], origin: Origin, revision: str | None, cache: Path | None
    ) -> OpenedEncoder:
        """Loads the encoder and puts the head on it."""
        from relx.models.classifier import span_classifier
        from relx.models.encoder.load import load_encoder
        from relx.models.encoder.redraw import redraw_last_layers

        recipe = dataset.recipe
        assert not isinstance(origin.source, FreshDecoder)
        loaded = load_encoder(
            origin.source,
            sentences=lambda: dataset.sentences,
            marker_tokens=dataset.marker_tokens,
            revision=revision,
            allow_pickle=origin.allow_pickle,
            seed=recipe.seed,
        )
        require_positions(loaded.backbone.max_sequence_length, recipe)
        if count := recipe.train.reinit_layers:
            _require_pretrained(origin)
            loaded.notes.append(redraw_last_layers(loaded.encoder, count, recipe.seed))
        model = span_classifier(
            loaded.backbone,
            classes=len(dataset.labels),
            pooling=dataset.task.pooling,
            dropout=recipe.train.dropout,
            seed=recipe.seed,
            dropout_samples=recipe.train.dropout_samples,
        )
        return OpenedEncoder(dataset, model, loaded, cache)

    def trained(
        self, folder: Path, recipe: Recipe, task: Task[Any], labels: LabelList
    ) -> TrainedEncoder:
        """Opens a trained classifier of spans."""
        return TrainedEncoder(folder, recipe, task, labels)

    def card(self, name: str, task: str) -> tuple[str, str]:
        """Returns the title and what is said of the head's file."""
        files = f"The head's weights are in `{HEAD_FILE}`, the labels in `{LABELS_FILE}`."
        return f"{name}: encoder of a {task} model", files


def _require_pretrained(origin: Origin) -> None:
    """Refuses to start layers anew that have not learnt anything yet."""
    if isinstance(origin.source, FreshSource):
        what = "the layers of a fresh encoder are fresh already"
        step = "leave it out, or let relx tapt read the sentences first"
        raise InputError(Fault(what, "train.reinit_layers", next_step=step, kind="reinit"))


class OpenedEncoder:
    """An encoder with a head; see `relx.family.family.Opened`.

    Args:
        dataset: The recipe and its rows.
        model: The classifier.
        loaded: The encoder.
        cache: Where tokens are kept; None keeps none.
    """

    def __init__(
        self, dataset: Dataset[Any], model: keras.Model, loaded: LoadedEncoder, cache: Path | None
    ) -> None:
        self.dataset, self.model, self.loaded, self.cache = dataset, model, loaded, cache
        self.source, self.revision, self.notes = loaded.source, loaded.revision, loaded.notes

    def depths(self, model: keras.Model) -> list[int]:
        """Counts the layers from the head down to each trainable variable."""
        from relx.models.encoder.depths import layer_depths

        return layer_depths(self.loaded.encoder, model)

    def arrays(self, rows: list[Any], file: str) -> SpanArrays:
        """Marks and tokenises labelled rows."""
        task, tokenizer = self.dataset.task, self.loaded.tokenizer
        window, segments = self.dataset.recipe.tokens.max_length, "segment_ids" in self.model.input
        tokens = token_rows(rows, task, tokenizer, window, file, self.cache)
        targets = task.decision.targets(rows, self.dataset.labels)
        return SpanArrays(tokens, task.pooling, tokenizer.pad_token_id, segments, targets)

    def write(self, folder: Path, card: str) -> None:
        """Writes a Hugging Face folder with the head and the labels beside it."""
        write_model(folder, self.model, self.loaded, self.dataset.labels, card)


class TrainedEncoder:
    """A trained classifier of spans; see `relx.family.family.Trained`.

    Args:
        folder: Its folder.
        recipe: The run's recipe.
        task: The run's task.
        labels: The run's labels.
    """

    def __init__(self, folder: Path, recipe: Recipe, task: Task[Any], labels: LabelList) -> None:
        self.folder, self.recipe, self.task, self.labels = folder, recipe, task, labels

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer."""
        from relx.models.stored.tokenizers.tokenizer import read_tokenizer

        return read_tokenizer(self.folder)

    def rows(
        self, rows: Sequence[Any], judge: Judge = require_covered, cache: Path | None = None
    ) -> Callable[[bool], ReadingRows]:
        """Marks and tokenises rows to predict."""
        tokenizer, window = self.tokenizer, self.recipe.tokens.max_length
        tokens = token_rows(rows, self.task, tokenizer, window, "", cache, judge)
        pooling, pad = self.task.pooling, tokenizer.pad_token_id
        return lambda segments: SpanArrays(tokens, pooling, pad, segments)

    def files(self) -> list[Path]:
        """Lists the encoder's files, the head's and the labels'."""
        return model_files(self.folder)

    def choices(self) -> list[str]:
        """Returns the pooling, under the name that recipes use."""
        return [self.recipe.train.pooling]

    def build(self) -> keras.Model:
        """Builds the classifier."""
        dropout, seed = self.recipe.train.dropout, self.recipe.seed
        return load_model(self.folder, self.labels, self.task.pooling, dropout, seed)

    def build_for_export(self) -> keras.Model:
        """Builds the classifier, which is of float32 alone under that policy."""
        return self.build()
