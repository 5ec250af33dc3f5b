"""Rows that weigh in training what their class weighs, from an epoch on.

The weights are the rows' own, beside those by which a batch's losses are summed: a row costs its
class's weight times its loss, whichever loss that is. What a batch is divided by stays the number
of its rows. Divided by the sum of its weights instead, a rare class would weigh little in just the
batches that hold it; so the loss of an epoch is that of all its rows, however they are batched. The
mean weight of the rows to train on is 1: a learning rate means what it means without weights.

A batch knows its epoch, and the weights are a function of both: a run that is stopped and goes on
has the weights that it would have had.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from relx.data.batches import Arrays, Batch, TrainingRows

Floats = npt.NDArray[np.float64]
BETA = 0.9999  # of the effective numbers, the value that their paper takes for most data


def class_weights(
    classes: npt.NDArray[np.integer[Any]], kind: Literal["balanced", "effective"]
) -> Floats:
    """Weighs classes by how many rows they have, with a mean of 1 over the rows.

    Args:
        classes: The class of each row, `(rows,)`.
        kind: `balanced`: the inverse of the class's rows, so that all classes weigh the same
            together. `effective`: the inverse of the effective number of its rows,
            (1 - beta^rows) / (1 - beta) (Cui et al. 2019, https://arxiv.org/abs/1901.05555).

    Returns:
        `(classes,)`, up to the last class that has rows; 1 for one that has none.
    """
    counts = np.bincount(classes)
    numbers = np.maximum(counts, 1).astype(np.float64)
    if kind == "effective":
        # 1 - beta^n without the rounding of a difference of near numbers
        numbers = np.expm1(numbers * np.log(BETA)) / np.expm1(np.log(BETA))
    inverse = 1 / numbers
    mean = (counts * inverse).sum() / counts.sum()
    return np.where(counts > 0, inverse / mean, 1.0)


class WeightedRows:
    """Rows to train on whose losses weigh what their classes do.

    Args:
        rows: The rows.
        classes: The class of each row, `(rows,)`.
        weights: What each class weighs, `(classes,)`.
        first: The first epoch in which the weights count, from 0; before it every row weighs 1.
            Later than the first one it is the deferred re-weighting of Cao et al. 2019,
            https://arxiv.org/abs/1906.07413.
    """

    def __init__(
        self,
        rows: TrainingRows,
        classes: npt.NDArray[np.integer[Any]],
        weights: Floats,
        first: int = 0,
    ) -> None:
        self.rows, self.first = rows, first
        self.lengths = rows.lengths
        self.weights = weights[classes].astype(np.float32)  # (rows,)

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns inputs, targets and weights, (batch,) float32: the rows' own, over their number.

        Args:
            batch: The rows, the length to pad them to, and the epoch.
            rng: See `TrainingRows.training`.
        """
        inputs, targets, weights = self.rows.training(batch, rng)
        if batch.epoch >= self.first:
            weights = weights * self.weights[batch.rows]
        return inputs, targets, weights
