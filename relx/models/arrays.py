"""What the relation model is fed with: a task's rows as text, as tokens, and as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.data.batches import Arrays, Batch, padded
from relx.data.token_cache import CHUNK, Content, cached, token_key
from relx.data.token_rows import TokenRow, TokenRows, tokenize
from relx.recipe import MarkersSection, Pooling
from relx.tasks.relation.markers import mark
from relx.tasks.relation.rows import Example

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

# Of the token rows; to be raised whenever other ones are made of the same examples.
FORMAT = "examples 1"


def tokenize_examples(
    examples: Sequence[Example],
    markers: MarkersSection,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    file: str = "",
    cache: Path | None = None,
) -> TokenRows:
    """Marks and tokenises rows, or takes their tokens from an earlier run.

    Args:
        examples: The rows.
        markers: The recipe's `markers`.
        tokenizer: The encoder's tokenizer, with the marker tokens.
        max_length: The window in tokens.
        file: Where the rows come from, for messages.
        cache: Where tokens are kept, as `token_folder` says; None keeps none.

    Returns:
        One row an example, in order.

    Raises:
        InputError: The entities of some rows cannot be found or do not fit.
    """
    place = f" of {file}" if file else ""

    def key() -> str:
        settings = [markers.model_dump_json(), str(max_length)]
        return token_key(tokenizer, FORMAT, settings, _contents(examples))

    def make() -> TokenRows:
        texts = (mark(example, markers, tokenizer.sep_token) for example in examples)
        return tokenize(texts, tokenizer, max_length, (f"{row.id}{place}" for row in examples))

    return cached(cache, key, TokenRows, make)


def _contents(examples: Sequence[Example]) -> Iterator[Content]:
    for start in range(0, len(examples), CHUNK):
        rows = examples[start : start + CHUNK]
        entities = [entity for row in rows for entity in (row.subject, row.object)]
        texts = [row.sentence for row in rows]
        texts += [text for entity in entities for text in (entity.word, entity.type)]
        yield texts, [place for entity in entities for place in entity.span]


def pooled_spans(rows: TokenRows, pooling: Pooling) -> np.ndarray:
    """Names the token spans that a pooling reads.

    `entity_starts` is the state of each entity's opening marker (Soares et al. 2019, arXiv
    1906.03158); `cls_entity_starts` puts the first token before them.

    Args:
        rows: Tokenised examples.
        pooling: The recipe's `train.pooling`.

    Returns:
        First token and one past the last, (rows, one to three spans, 2) int32.
    """
    starts = np.stack([rows.places[:, 4:], rows.places[:, 4:] + 1], axis=2)
    first = np.broadcast_to(np.array([[[0, 1]]], np.int32), (len(rows), 1, 2))
    kinds = {
        "entity_starts": starts,
        "cls_entity_starts": np.concatenate([first, starts], axis=1),
        "cls": first,
        "entity_means": rows.places[:, :4].reshape(-1, 2, 2),
    }
    return kinds[pooling]


class RelationArrays:
    """Turns batches of token rows into the arrays that a relation model takes.

    Args:
        rows: The token rows.
        pooling: The recipe's `train.pooling`.
        pad_id: The tokenizer's padding id.
        segments: Whether the encoder takes segment ids.
        targets: Class indices, (rows,) int32; None for prediction.
    """

    def __init__(
        self,
        rows: Iterable[TokenRow],
        pooling: Pooling,
        pad_id: int,
        segments: bool,
        targets: np.ndarray | None = None,
    ) -> None:
        self.rows = TokenRows.of(rows)
        self.pad_id = pad_id
        self.segments = segments
        self.targets = targets
        self.lengths = self.rows.lengths
        self.spans = pooled_spans(self.rows, pooling)

    def inputs(self, batch: Batch) -> dict[str, np.ndarray]:
        """Returns a batch's inputs.

        Args:
            batch: The rows and the length to pad them to.

        Returns:
            token_ids, padding_mask and perhaps segment_ids (batch, length), spans (batch, spans,
            2); all int32.
        """
        inside = np.arange(batch.length) < self.lengths[batch.rows][:, None]
        inputs = {
            "token_ids": self._padded(self.rows.token_ids, batch, self.pad_id),
            "padding_mask": inside.astype(np.int32),
            "spans": self.spans[batch.rows],
        }
        if self.segments:
            inputs["segment_ids"] = self._padded(self.rows.segment_ids, batch, 0)
        return inputs

    def _padded(self, tokens: np.ndarray, batch: Batch, value: int) -> np.ndarray:
        return padded(tokens, self.rows.offsets, batch.rows, batch.length, value)

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns inputs, targets (batch,) int32 and weights (batch,) float32 that sum to 1."""
        assert self.targets is not None
        weights = batch.weights() / np.float32(batch.real)
        return self.inputs(batch), self.targets[batch.rows], weights

    def stream(self, batches: Sequence[Batch]) -> Iterator[dict[str, np.ndarray]]:
        """Yields the inputs of one batch after the other."""
        return (self.inputs(batch) for batch in batches)

    def signature(self, size: int) -> dict[str, Any]:
        """Returns (shape, dtype) by input, for batches of `size` rows of any length."""
        names = ["token_ids", "padding_mask", *(["segment_ids"] if self.segments else [])]
        shapes: dict[str, Any] = {name: ((size, None), np.dtype(np.int32)) for name in names}
        return shapes | {"spans": ((size, *self.spans.shape[1:]), np.dtype(np.int32))}
