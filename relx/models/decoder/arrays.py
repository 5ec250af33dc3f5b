"""What a classifier of prompts is fed with: batches of prompts as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from relx.data.batches import Arrays, Batch, padded
from relx.data.prompts.prompt_rows import PromptRows


class PromptArrays:
    """Turns batches of prompts into the arrays that a classifier takes.

    Args:
        rows: The prompts as tokens; all of them begin with the prefix.
        prefix: How many tokens the classifier computes once for all of them.
        pad_id: What rows are padded with; what stands there is never read.
        targets: What the decision trains for, (rows,) int32 or (rows, labels) float32; None for
            prediction.
    """

    def __init__(
        self, rows: PromptRows, prefix: int, pad_id: int, targets: np.ndarray | None = None
    ) -> None:
        self.rows, self.prefix, self.pad_id, self.targets = rows, prefix, pad_id, targets
        self.lengths = rows.lengths - np.int32(prefix)

    def inputs(self, batch: Batch) -> dict[str, np.ndarray]:
        """Returns a batch's inputs.

        Args:
            batch: The rows and the length to pad them to.

        Returns:
            token_ids (batch, length) and last (batch,), both int32.
        """
        length = batch.length + self.prefix
        whole = padded(self.rows.token_ids, self.rows.offsets, batch.rows, length, self.pad_id)
        tokens = np.ascontiguousarray(whole[:, self.prefix :])
        return {"token_ids": tokens, "last": self.lengths[batch.rows] - np.int32(1)}

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
        kind = np.dtype(np.int32)
        return {"token_ids": ((size, None), kind), "last": ((size,), kind)}
