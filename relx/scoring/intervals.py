"""How far scores would move on other rows of the same kind: the bootstrap over rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from relx.score import ScoredRows

SCORES = ("micro_f1", "auprc", "precision", "recall", "accuracy")
CLASS_SCORES = ("precision", "recall", "f1", "auprc")
LEVEL = 95.0  # percent of the draws that an interval holds
CHUNK = 2**19  # weights held at a time: memory does not grow with the draws, and caches hold them

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Weights = npt.NDArray[np.int32]


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
    """The intervals of a set of predictions.

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
        p: Two-sided: the smallest level at which the interval leaves out 0.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class _Draws:
    """What each draw scored: `(draws,)` by score, and `(draws, classes)` by score of a class."""

    scores: dict[str, Floats]
    classes: dict[str, Floats]


def bootstrap(rows: ScoredRows, draws: int = 1000, seed: int = 0) -> Intervals:
    """Computes the 95 % intervals of every score by drawing rows with replacement.

    Percentile intervals (Efron 1979, "Bootstrap methods: another look at the jackknife"; Efron and
    Tibshirani 1993, chapter 13). Each draw takes as many rows as there are and scores them as
    `scoring.one_of` would; that a row may stand in a draw several times is counted, not copied.

    Args:
        rows: The rows and what was predicted for them.
        draws: How often rows are drawn.
        seed: Of the draws; the same seed and number of rows give the same draws.

    Returns:
        The intervals. A class that a draw happens to lack is left out of its AUPRC. Where classes
        are rare, AUPRC's interval may lie beside its value: repeated rows flatter a curve.
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
    a: ScoredRows, b: ScoredRows, draws: int = 1000, seed: int = 0
) -> tuple[dict[str, Difference], dict[str, dict[str, Difference]]]:
    """Computes the 95 % intervals of b's scores less a's on the same draws of rows.

    Percentile intervals as of `bootstrap`. The p-value inverts them: twice the smaller share of
    draws on one side of 0, the rows themselves counted as one more draw on either side (Efron and
    Tibshirani 1993, chapter 15; Davison and Hinkley 1997, section 4.2).

    Args:
        a: Rows and what was predicted for them.
        b: The same rows, predicted otherwise.
        draws: How often rows are drawn.
        seed: Of the draws.

    Returns:
        The differences by the names of `SCORES`, and by label and the names of `CLASS_SCORES`.

    Raises:
        ValueError: The rows, their gold classes or the labels differ.
    """
    _require_same_rows(a, b)
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


def _require_same_rows(a: ScoredRows, b: ScoredRows) -> None:
    if [row.id for row in a.examples] != [row.id for row in b.examples]:
        raise ValueError("the two must have predicted the same ids in the same order")
    if a.labels != b.labels or not np.array_equal(a.gold, b.gold):
        raise ValueError("the two must have the same labels, and the same gold labels of the rows")


def _ends(drawn: Floats) -> tuple[float, float]:
    """Returns the percentiles between which `LEVEL` percent of the draws lie that have a figure."""
    outside = (100 - LEVEL) / 2
    low, high = np.nanpercentile(drawn, [outside, 100 - outside])
    return float(low), float(high)


def _difference(a: Any, b: Any, name: str, drawn: Floats) -> Difference:
    one_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (one_side + 1) / (int(np.isfinite(drawn).sum()) + 1))
    return Difference(getattr(b, name) - getattr(a, name), *_ends(drawn), p)


def _resampled(predictions: Sequence[ScoredRows], draws: int, seed: int) -> list[_Draws]:
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
    """Draws rows with replacement, and counts how often each was drawn.

    Args:
        rows: How many rows there are, and how many are drawn each time.
        draws: How often they are drawn.
        seed: Of the draws.

    Yields:
        Multinomial weights `(rows, some draws)`; each column sums to `rows`.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, CHUNK // rows)
    for start in range(0, draws, at_once):
        columns = min(at_once, draws - start)
        drawn = rng.integers(rows, size=(columns, rows))
        cells = drawn * columns + np.arange(columns)[:, None]
        counts = np.bincount(cells.ravel(), minlength=rows * columns)
        yield counts.astype(np.int32).reshape(rows, columns)


class _Scorer:
    """Computes the scores of weighted rows; a weight of 2 is a row that stands there twice."""

    def __init__(self, rows: ScoredRows) -> None:
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
        hits, given, support = (tally.counts(weights) for tally in tallies)
        areas = np.stack([curve.areas(weights) for curve in self._curves], axis=1)
        by_class = dict(zip(CLASS_SCORES, (*_rates(hits, given, support), areas), strict=True))
        totals = (count[:, self._positive].sum(axis=1) for count in (hits, given, support))
        precision, recall, f1 = _rates(*totals)
        overall = {"precision": precision, "recall": recall, "micro_f1": f1}
        overall["auprc"] = np.nanmean(areas, axis=1)
        overall["accuracy"] = 100 * hits.sum(axis=1) / self._rows
        return _Draws(overall, by_class)


class _Tally:
    """Counts weighted rows by class.

    Args:
        classes_of: The class of each row that is counted, `(counted,)`.
        classes: How many classes there are.
        rows: Where those rows stand, `(counted,)`; all rows in order unless given.
    """

    def __init__(self, classes_of: Ints, classes: int, rows: Ints | None = None) -> None:
        order = np.argsort(classes_of, kind="stable")
        self._bounds = np.searchsorted(classes_of[order], np.arange(classes + 1))
        self._order = order if rows is None else rows[order]

    def counts(self, weights: Weights) -> Floats:
        """Counts, `(draws, classes)`, from weights `(rows, draws)`."""
        up_to = _running(weights, self._order)[self._bounds]
        return np.diff(up_to, axis=0).T.astype(np.float64)


class _Curve:
    """One class's precision-recall curve: the places in the ranking where its recall grows.

    Args:
        positive: Which rows have the class, `(rows,)`.
        score: The class's probabilities, `(rows,)`.
    """

    def __init__(self, positive: npt.NDArray[np.bool_], score: Floats) -> None:
        order = np.argsort(-score, kind="stable")
        found = np.append(0, np.cumsum(positive[order]))  # by how many rows are above a threshold
        ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1) + 1
        starts = np.append(0, ends[:-1])
        grows = found[ends] > found[starts]
        self._starts, self._ends = starts[grows], ends[grows]
        self._found_before, self._found_after = found[self._starts], found[self._ends]
        # What is ranked below the last row of the class does not change the area.
        self._order = order[: self._ends[-1]] if grows.any() else order[:0]
        self._positives = self._order[positive[self._order]]

    def areas(self, weights: Weights) -> Floats:
        """Computes the areas in percent, `(draws,)`, from weights `(rows, draws)`.

        A draw that happens to lack the class has none, nan: the 50 of `scoring.one_of.auprc` is for
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
    """Sums the weights of ever more rows: `(rows in order + 1, draws)`, from no row on."""
    sums = np.zeros((len(order) + 1, weights.shape[1]), np.int32)
    np.cumsum(weights[order], axis=0, dtype=np.int32, out=sums[1:])
    return sums


def _rates(hits: Floats, given: Floats, support: Floats) -> tuple[Floats, Floats, Floats]:
    """Turns counts into precision, recall and F1 in percent; 0 where nothing was counted."""
    pairs = ((hits, given), (hits, support), (2 * hits, given + support))
    precision, recall, f1 = (100 * part / np.maximum(whole, 1) for part, whole in pairs)
    return precision, recall, f1
