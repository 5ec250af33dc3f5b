"""What the relation model is fed with: a task's rows as text, as tokens, and as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from relx.batches import Arrays, Batch, padded
from relx.examples import Example
from relx.markers import mark
from relx.recipe import MarkersSection, Pooling
from relx.relation_model import pooled_spans
from relx.tokens import TokenRow, tokenize


def tokenize_examples(
    examples: Sequence[Example],
    markers: MarkersSection,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    file: str = "",
) -> list[TokenRow]:
    """Marks and tokenises rows.

    Args:
        examples: The rows.
        markers: The recipe's `markers`.
        tokenizer: The encoder's tokenizer, with the marker tokens.
        max_length: The window in tokens.
        file: Where the rows come from, for messages.

    Returns:
        One TokenRow a row.

    Raises:
        InputError: The entities of some rows cannot be found or do not fit.
    """
    texts = [mark(example, markers, tokenizer.sep_token) for example in examples]
    place = f" of {file}" if file else ""
    return tokenize(texts, tokenizer, max_length, [f"{row.id}{place}" for row in examples])


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
        rows: Sequence[TokenRow],
        pooling: Pooling,
        pad_id: int,
        segments: bool,
        targets: np.ndarray | None = None,
    ) -> None:
        self.rows = rows
        self.pad_id = pad_id
        self.segments = segments
        self.targets = targets
        self.lengths = np.array([len(row.token_ids) for row in rows])
        self.spans = np.array([pooled_spans(row, pooling) for row in rows], np.int32)

    def inputs(self, batch: Batch) -> dict[str, np.ndarray]:
        """Returns a batch's inputs.

        Args:
            batch: The rows and the length to pad them to.

        Returns:
            token_ids, padding_mask and perhaps segment_ids (batch, length), spans (batch, spans,
            2); all int32.
        """
        rows = [self.rows[i] for i in batch.rows]
        mask = np.arange(batch.length)[None] < self.lengths[batch.rows][:, None]
        inputs = {
            "token_ids": padded([row.token_ids for row in rows], batch.length, self.pad_id),
            "padding_mask": mask.astype(np.int32),
            "spans": self.spans[batch.rows],
        }
        if self.segments:
            inputs["segment_ids"] = padded([row.segment_ids for row in rows], batch.length, 0)
        return inputs

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
