"""What lies behind the scores: rates, precision-recall curves, calibration, confusion matrices."""

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

    @property
    def area(self) -> float:
        """The area under the curve, a share from 0 to 1, by the trapezoidal rule."""
        widths, sides = np.diff(self.recall), self.precision[1:] + self.precision[:-1]
        return float(np.sum(widths * sides / 2))

    def corners(self) -> PrecisionRecall:
        """Leaves out the points at which the curve does not bend: recall is that of both sides."""
        moved = np.diff(self.recall) > 0
        kept = np.append(True, moved) | np.append(moved, True)
        return PrecisionRecall(self.precision[kept], self.recall[kept], self.thresholds[kept])


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often predictions of a given confidence are right, in bins; empty bins are left out.

    Args:
        low: The lower edges, `(bins,)`, which are outside the bins.
        high: The upper edges, `(bins,)`, which are inside.
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


def rates(
    hits: npt.NDArray[Any], given: npt.NDArray[Any], support: npt.NDArray[Any]
) -> tuple[Floats, Floats, Floats]:
    """Turns counts into precision, recall and F1.

    Args:
        hits: Rows given to a class that have it, of any shape.
        given: All rows given to it, of the same shape.
        support: All rows that have it, of the same shape.

    Returns:
        Precision, recall and F1 in percent, each of the shape of the counts; 0 where a count that
        one divides by is 0.
    """
    pairs = ((hits, given), (hits, support), (2 * hits, given + support))
    precision, recall, f1 = (100 * part / np.maximum(whole, 1) for part, whole in pairs)
    return precision, recall, f1


def ranking(score: npt.NDArray[np.floating[Any]]) -> tuple[Ints, Ints]:
    """Ranks rows by their score; equal scores share a threshold.

    Args:
        score: `(rows,)`, at least one row.

    Returns:
        The rows from the highest score down, `(rows,)`, and for each distinct score how many rows
        have it or a higher one, `(thresholds,)`.
    """
    order = np.argsort(-score, kind="stable")
    changes = np.flatnonzero(np.diff(score[order])) + 1
    return order, np.append(changes, len(score))


def precision_recall(positive: Bools, score: npt.NDArray[np.floating[Any]]) -> PrecisionRecall:
    """Computes a class's precision-recall curve.

    The points of scikit-learn's `precision_recall_curve`, in the opposite order. Where no row has
    the class, recall is 1 at every threshold, as it is there.

    Args:
        positive: Which rows have the class, `(rows,)`, at least one row.
        score: What the rows are ranked by, `(rows,)`.

    Returns:
        A point for each distinct score, after the one where nothing is found.
    """
    order, found = ranking(score)  # (rows,), (thresholds,)
    hits = np.cumsum(positive[order])[found - 1]  # (thresholds,)
    recall = hits / hits[-1] if hits[-1] else np.ones(len(found))
    # The curve begins above the highest threshold: nothing found, precision 1 by definition.
    return PrecisionRecall(
        precision=np.append(1.0, hits / found),
        recall=np.append(0.0, recall),
        thresholds=np.append(np.inf, score[order][found - 1]),
    )


def class_auprc(
    gold: npt.NDArray[np.integer[Any]], probabilities: npt.NDArray[np.floating[Any]]
) -> Floats:
    """Computes the area under each class's precision-recall curve.

    It is scikit-learn's `auc(recall, precision)` of `precision_recall_curve`, with the class's
    one-hot gold and its probabilities. A class that no gold row has counts 50 %: there
    scikit-learn sets recall to 1 and precision to 0 at every threshold and draws the straight
    line to (0, 1). Small gold files that lack classes therefore score nearer to 50.

    Args:
        gold: The class of each row, `(rows,)`, at least one row.
        probabilities: `(rows, classes)`.

    Returns:
        The areas in percent, `(classes,)`.
    """
    columns = enumerate(probabilities.T)
    areas = [precision_recall(gold == index, column).area for index, column in columns]
    return 100 * np.array(areas, dtype=np.float64)


def reliability(
    confidence: Floats, right: Bools, bins: int = BINS, *, equal_mass: bool = False
) -> Reliability:
    """Sorts predictions into bins by their confidence.

    Args:
        confidence: The probability of the predicted class, a share, `(rows,)`, at least one row.
        right: Whether the prediction is right, `(rows,)`.
        bins: How many bins.
        equal_mass: Whether bins hold equally many rows, instead of being equally wide.

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
        `(classes, classes)`: a row is a gold class, a column a predicted one.
    """
    cells = np.bincount(gold * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)
