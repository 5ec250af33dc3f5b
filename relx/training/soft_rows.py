"""Rows that bring soft labels to the loss, beside what is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.batches import Arrays, Batch, TrainingRows


class SoftRows:
    """Rows to train on whose targets are what is right and then what another model says.

    They are one array, so that both go through batches, parts of batches and devices together.

    Args:
        rows: The rows; their targets are classes, (rows,), or cells, (rows, labels).
        soft: The soft labels at the temperature of the loss, `(rows, labels)`.
    """

    def __init__(self, rows: TrainingRows, soft: npt.NDArray[np.floating[Any]]) -> None:
        self.rows, self.lengths = rows, rows.lengths
        self.soft = soft.astype(np.float32)

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns inputs, targets and weights.

        Args:
            batch: The rows and the length to pad them to.
            rng: See `TrainingRows.training`.

        Returns:
            The targets are `(batch, 1 + labels)` or `(batch, 2 · labels)` float32, as `Distilled`
            takes them; a class is exact in float32 up to 16 million.
        """
        inputs, targets, weights = self.rows.training(batch, rng)
        right = targets.reshape(len(targets), -1).astype(np.float32)
        return inputs, np.concatenate([right, self.soft[batch.rows]], axis=1), weights
