"""How far scores would move on other rows of the same kind: a bootstrap over rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from relx.scoring.curves import ranking, rates

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.one_of import ClassScores, Scores

SCORES = ("micro_f1", "auprc", "precision", "recall", "accuracy")
CLASS_SCORES = ("precision", "recall", "f1", "auprc")
LEVEL = 95.0  # percent of the draws that an interval holds
CHUNK = 2**19  # weights held at a time: they fit a cache, and memory does not grow with the draws

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Weights = npt.NDArray[np.int32]


class Scored(Protocol):
    """What was predicted for some rows, beside their gold labels."""

    @property
    def labels(self) -> LabelList:
        """The label list, in the order of the classes."""
        ...

    @property
    def gold(self) -> npt.NDArray[np.int64]:
        """The class of each row, `(rows,)`."""
        ...

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The class predicted for each row, `(rows,)`."""
        ...

    @property
    def probabilities(self) -> Floats:
        """`(rows, classes)`."""
        ...

    def scores(self) -> Scores:
        """The scores of the rows themselves."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """A score and the ends of its interval.

    Args:
        value: The score on the rows themselves, in percent.
        low: The lower end, in percent.
        high: The upper end, in percent.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals of every score of some predictions.

    Args:
        scores: By the names of `SCORES`.
        classes: By label, then by the names of `CLASS_SCORES`.
    """

    scores: dict[str, Interval]
    classes: dict[str, dict[str, Interval]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one set of predictions is than another.

    Args:
        value: On the rows themselves, in percentage points.
        low: The lower end of the interval.
        high: The upper end of the interval.
        p: Two-sided: the smallest level at which the interval excludes 0.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class _Draws:
    """The scores of each draw: `(draws,)` by score, and `(draws, classes)` by score of a class."""

    scores: dict[str, Floats]
    classes: dict[str, Floats]


def bootstrap(rows: Scored, draws: int = 1000, seed: int = 0) -> Intervals:
    """Computes a 95 % interval of every score by drawing rows with replacement.

    Percentile intervals (Efron 1979, "Bootstrap methods: another look at the jackknife"; Efron and
    Tibshirani 1993, chapter 13). Each draw takes as many rows as there are and scores them as
    `scoring.one_of` would; a row that is drawn several times has a weight, and is not copied.

    Args:
        rows: The rows and what was predicted for them.
        draws: How many times rows are drawn.
        seed: Of the draws; the same seed and number of rows give the same draws.

    Returns:
        The intervals. A draw that happens to lack a class has no AUPRC of that class. Where
        classes are rare, AUPRC's interval may not contain its value: repeated rows flatter a curve.
    """
    (drawn,) = _resampled([rows], draws, seed)
    values = rows.scores()
    scores = {name: Interval(getattr(values, name), *_ends(drawn.scores[name])) for name in SCORES}
    classes = {
        label: {
            name: Interval(getattr(figures, name), *_ends(drawn.classes[name][:, index]))
            for name in CLASS_SCORES
        }
        for index, (label, figures) in enumerate(values.classes.items())
    }
    return Intervals(scores, classes)


def paired_bootstrap(
    a: Scored, b: Scored, draws: int = 1000, seed: int = 0
) -> tuple[dict[str, Difference], dict[str, dict[str, Difference]]]:
    """Computes 95 % intervals of b's scores minus a's, on the same draws of rows.

    Percentile intervals, as in `bootstrap`. The p-value inverts them: twice the smaller share of
    draws on one side of 0, the rows themselves counted as one more draw on either side (Efron and
    Tibshirani 1993, chapter 15; Davison and Hinkley 1997, section 4.2).

    Args:
        a: Rows and what was predicted for them.
        b: The same rows in the same order, with other predictions.
        draws: How many times rows are drawn.
        seed: Of the draws.

    Returns:
        The differences by the names of `SCORES`, and by label and the names of `CLASS_SCORES`.

    Raises:
        ValueError: Their gold classes or labels differ.
    """
    if a.labels != b.labels or not np.array_equal(a.gold, b.gold):
        raise ValueError("both must have the same label list, and the same gold label for each row")
    drawn_a, drawn_b = _resampled([a, b], draws, seed)
    of_a, of_b = a.scores(), b.scores()
    scores = {
        name: _difference(of_a, of_b, name, drawn_b.scores[name] - drawn_a.scores[name])
        for name in SCORES
    }
    moved = {name: drawn_b.classes[name] - drawn_a.classes[name] for name in CLASS_SCORES}
    classes = {
        label: {
            name: _difference(of_a.classes[label], of_b.classes[label], name, moved[name][:, index])
            for name in CLASS_SCORES
        }
        for index, label in enumerate(a.labels.names)
    }
    return scores, classes


def _ends(drawn: Floats) -> tuple[float, float]:
    """Returns the percentiles that enclose `LEVEL` percent of the draws; nan is no draw."""
    outside = (100 - LEVEL) / 2
    low, high = np.nanpercentile(drawn, [outside, 100 - outside])
    return float(low), float(high)


def _difference(
    a: Scores | ClassScores, b: Scores | ClassScores, name: str, drawn: Floats
) -> Difference:
    one_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (one_side + 1) / (int(np.isfinite(drawn).sum()) + 1))
    return Difference(getattr(b, name) - getattr(a, name), *_ends(drawn), p)


def _resampled(predictions: Sequence[Scored], draws: int, seed: int) -> list[_Draws]:
    """Scores each set of predictions on the same draws of their common rows."""
    scorers = [_Scorer(rows) for rows in predictions]
    chunks: list[list[_Draws]] = [[] for _ in predictions]
    for weights in _drawn_weights(len(predictions[0].gold), draws, seed):
        for scorer, done in zip(scorers, chunks, strict=True):
            done.append(scorer.score(weights))
    return [_Draws(_joined([d.scores for d in c]), _joined([d.classes for d in c])) for c in chunks]


def _joined(chunks: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _drawn_weights(rows: int, draws: int, seed: int) -> Iterator[Weights]:
    """Draws rows with replacement, and counts how many times each was drawn.

    Args:
        rows: How many rows there are, and how many are drawn each time.
        draws: How many times they are drawn.
        seed: Of the draws.

    Yields:
        Multinomial weights `(rows, some draws)`; each column sums to `rows`.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // rows)
    for start in range(0, draws, at_once):
        columns = min(at_once, draws - start)
        drawn = rng.integers(rows, size=(columns, rows))  # (draws, rows)
        cells = drawn * columns + np.arange(columns)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * columns)  # (rows * draws,)
        yield counts.astype(np.int32).reshape(rows, columns)


class _Scorer:
    """Computes the scores of weighted rows: a weight of 2 counts as two equal rows."""

    def __init__(self, rows: Scored) -> None:
        classes = len(rows.labels)
        right = np.flatnonzero(rows.gold == rows.predicted)
        self._hits = _Tally(rows.gold[right], classes, right)
        self._given = _Tally(rows.predicted, classes)
        self._support = _Tally(rows.gold, classes)
        columns = enumerate(rows.probabilities.T)
        self._curves = [_Curve(rows.gold == index, column) for index, column in columns]
        self._positive = np.arange(classes) != rows.labels.negative_index
        self._rows = len(rows.gold)

    def score(self, weights: Weights) -> _Draws:
        """Scores weights `(rows, draws)`."""
        tallies = (self._hits, self._given, self._support)
        hits, given, support = (tally.counts(weights) for tally in tallies)  # (draws, classes)
        areas = np.stack([curve.areas(weights) for curve in self._curves], axis=1)
        by_class = dict(zip(CLASS_SCORES, (*rates(hits, given, support), areas), strict=True))
        totals = (count[:, self._positive].sum(axis=1) for count in (hits, given, support))
        precision, recall, f1 = rates(*totals)  # (draws,)
        overall = {"precision": precision, "recall": recall, "micro_f1": f1}
        overall["auprc"] = np.nanmean(areas, axis=1)
        overall["accuracy"] = 100 * hits.sum(axis=1) / self._rows
        return _Draws(overall, by_class)


class _Tally:
    """Counts weighted rows by class.

    Args:
        classes_of: The class of each row that is counted, `(counted,)`.
        classes: How many classes there are.
        rows: The indices of those rows, `(counted,)`; all rows in order unless given.
    """

    def __init__(self, classes_of: Ints, classes: int, rows: Ints | None = None) -> None:
        order = np.argsort(classes_of, kind="stable")
        self._bounds = np.searchsorted(classes_of[order], np.arange(classes + 1))
        self._order = order if rows is None else rows[order]

    def counts(self, weights: Weights) -> Floats:
        """Counts, `(draws, classes)`, from weights `(rows, draws)`."""
        up_to = _running(weights, self._order)[self._bounds]  # (classes + 1, draws)
        return np.diff(up_to, axis=0).T.astype(np.float64)


class _Curve:
    """One class's precision-recall curve: the positions in the ranking at which recall grows.

    Args:
        positive: Which rows have the class, `(rows,)`.
        score: The class's probabilities, `(rows,)`.
    """

    def __init__(self, positive: npt.NDArray[np.bool_], score: Floats) -> None:
        order, ends = ranking(score)
        found = np.append(0, np.cumsum(positive[order]))  # hits among the first 0, 1, … rows
        starts = np.append(0, ends[:-1])
        grows = found[ends] > found[starts]
        self._starts, self._ends = starts[grows], ends[grows]
        self._found_before, self._found_after = found[self._starts], found[self._ends]
        # Rows that are ranked below the last row of the class do not change the area.
        self._order = order[: self._ends[-1]] if grows.any() else order[:0]
        self._positives = self._order[positive[self._order]]

    def areas(self, weights: Weights) -> Floats:
        """Computes the areas in percent, `(draws,)`, from weights `(rows, draws)`.

        A draw that happens to lack the class has none, nan: the 50 of `curves.class_auprc` is for
        gold files without the class, and would pull the draws away from the value.
        """
        given, hits = _running(weights, self._order), _running(weights, self._positives)
        # Above the highest threshold nothing is found, and precision is 1 by definition.
        above = given[self._starts]
        before = np.where(above > 0, hits[self._found_before] / np.maximum(above, 1), 1.0)
        after = hits[self._found_after] / np.maximum(given[self._ends], 1)
        steps = hits[self._found_after] - hits[self._found_before]
        area = (steps * (before + after)).sum(axis=0) / 2
        support = hits[-1]
        without = np.nan if len(self._positives) else 0.5
        return np.asarray(100 * np.where(support > 0, area / np.maximum(support, 1), without))


def _running(weights: Weights, order: Ints) -> Weights:
    """Sums the weights of the first 0, 1, … rows of an order: `(rows + 1, draws)`."""
    sums = np.zeros((len(order) + 1, weights.shape[1]), np.int32)
    np.cumsum(weights[order], axis=0, dtype=np.int32, out=sums[1:])
    return sums
