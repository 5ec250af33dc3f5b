"""What a classifier of spans is fed with: batches of token rows as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from relx.data.batches import Arrays, Batch, padded
from relx.data.tokenizing.pooling import Pooling
from relx.data.tokenizing.token_rows import TokenRow, TokenRows


class SpanArrays:
    """Turns batches of token rows into the arrays that a classifier takes.

    Args:
        rows: The token rows.
        pooling: Which tokens the classifier reads.
        pad_id: The tokenizer's padding id.
        segments: Whether the encoder takes segment ids.
        targets: What the decision trains for, such as class indices, (rows,) int32 or
            (rows, labels) float32; None for prediction.
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
        self.spans = pooling.places(self.rows)  # (rows, places, 2)

    def inputs(self, batch: Batch) -> dict[str, np.ndarray]:
        """Returns a batch's inputs.

        Args:
            batch: The rows and the length to pad them to.

        Returns:
            token_ids, padding_mask and perhaps segment_ids (batch, length), spans (batch, places,
            2); all int32.
        """
        inside = np.arange(batch.length) < self.lengths[batch.rows][:, None]  # (batch, length)
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
        """Returns inputs, the batch's targets, and weights (batch,) float32 that sum to 1."""
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
