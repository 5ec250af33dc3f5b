"""What lies behind the scores: precision-recall curves, calibration, and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 15  # of the reliability diagram, as in Guo et al. 2017


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """A class's precision-recall curve, from the highest threshold down.

    Args:
        precision: A share from 0 to 1, `(points,)`; the first is 1, where nothing is found.
        recall: A share from 0 to 1, `(points,)`, never falling; the first is 0.
        thresholds: The least score of what counts as found, `(points,)`; the first is infinite.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats

    def corners(self) -> PrecisionRecall:
        """Leaves out points that bend no line: those between two of the same recall."""
        moved = np.diff(self.recall) > 0
        kept = np.append(True, moved) | np.append(moved, True)
        return PrecisionRecall(self.precision[kept], self.recall[kept], self.thresholds[kept])


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often predictions of some confidence are right, in bins; empty bins are left out.

    Args:
        low: The lower edges, `(bins,)`, which the bins do not hold.
        high: The upper edges, `(bins,)`, which they hold.
        confidence: The mean confidence, a share, `(bins,)`.
        accuracy: The share that is right, `(bins,)`.
        count: How many predictions, `(bins,)`.
    """

    low: Floats
    high: Floats
    confidence: Floats
    accuracy: Floats
    count: Ints

    @property
    def ece(self) -> float:
        """The expected calibration error in percent: the mean gap of a bin, by its rows.

        Naeini, Cooper and Hauskrecht 2015; for the predicted class alone as in Guo et al. 2017.
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float(100 * np.average(gaps, weights=self.count))

    @property
    def largest_gap(self) -> float:
        """The maximum calibration error in percent: the gap of the worst bin."""
        return float(100 * np.abs(self.accuracy - self.confidence).max())


def precision_recall(positive: Bools, score: npt.NDArray[np.floating[Any]]) -> PrecisionRecall:
    """Computes a class's precision-recall curve.

    The points of scikit-learn's `precision_recall_curve`, in the opposite order; where no row has
    the class, recall is 1 at every threshold, as there.

    Args:
        positive: Which rows have the class, `(rows,)`, at least one row.
        score: What the rows are ranked by, `(rows,)`.

    Returns:
        A point for each distinct score, after the one where nothing is found.
    """
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores are one point
    hits = np.cumsum(positive[order])[ends]
    recall = hits / hits[-1] if hits[-1] else np.ones(len(ends))
    return PrecisionRecall(
        precision=np.append(1.0, hits / (ends + 1)),
        recall=np.append(0.0, recall),
        thresholds=np.append(np.inf, ranked[ends]),
    )


def reliability(
    confidence: Floats, right: Bools, bins: int = BINS, *, equal_mass: bool = False
) -> Reliability:
    """Puts predictions into bins by their confidence.

    Args:
        confidence: The probability of the predicted class, a share, `(rows,)`, at least one row.
        right: Whether the prediction is right, `(rows,)`.
        bins: How many bins.
        equal_mass: Bins of as many rows each, in place of bins as wide as each other.

    Returns:
        The bins that hold rows: those of scikit-learn's `calibration_curve`, strategy `quantile`
        or `uniform`.
    """
    edges = np.linspace(0, 1, bins + 1)
    if equal_mass:
        edges = np.percentile(confidence, 100 * edges)
    at = np.searchsorted(edges[1:-1], confidence)
    count = np.bincount(at, minlength=bins)
    held = count > 0
    total, hits = (np.bincount(at, values, minlength=bins)[held] for values in (confidence, right))
    return Reliability(
        low=edges[:-1][held],
        high=edges[1:][held],
        confidence=total / count[held],
        accuracy=hits / count[held],
        count=count[held],
    )


def confusion(gold: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts the rows of each pair of classes.

    Args:
        gold: The class of each row, `(rows,)`.
        predicted: The class predicted for each row, `(rows,)`.
        classes: How many classes there are.

    Returns:
        `(classes, classes)`: a line is a gold class, a column a predicted one.
    """
    cells = np.bincount(gold * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)
