"""How far scores would move on other rows of the same kind: a bootstrap over rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from relx.scoring.curves import ranking, rates

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.decisions.decision import LabelFigures, Scores

# Those of one label in a row; `Scores.titles` says which a decision has.
SCORES = ("micro_f1", "auprc", "precision", "recall", "accuracy")
CLASS_SCORES = ("precision", "recall", "f1", "auprc")
LEVEL = 95.0  # percent of the draws that an interval holds
CHUNK = 2**19  # weights held at a time: they fit a cache, and memory does not grow with the draws

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.int32]


class Scored(Protocol):
    """What was predicted for some rows, beside their gold labels, as any decision has it."""

    @property
    def labels(self) -> LabelList:
        """The label list."""
        ...

    @property
    def gold_cells(self) -> Bools:
        """Which labels each row has, `(rows, labels)`."""
        ...

    @property
    def predicted_cells(self) -> Bools:
        """Which labels were predicted for each row, `(rows, labels)`."""
        ...

    @property
    def probabilities(self) -> Floats | None:
        """`(rows, labels)`; None where nobody knows them."""
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
        scores: By the names of `Scores.titles`, but for those that the rows do not have.
        classes: By label, then by the names of `CLASS_SCORES`, but for those that it does not have.
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
    """The scores of each draw: `(draws,)` by score, and `(draws, labels)` by score of a label."""

    scores: dict[str, Floats]
    classes: dict[str, Floats]


def bootstrap(rows: Scored, draws: int = 1000, seed: int = 0) -> Intervals:
    """Computes a 95 % interval of every score by drawing rows with replacement.

    Percentile intervals (Efron 1979, "Bootstrap methods: another look at the jackknife"; Efron and
    Tibshirani 1993, chapter 13). Each draw takes as many rows as there are and scores them as
    their decision would; a row that is drawn several times has a weight, and is not copied.

    Args:
        rows: The rows and what was predicted for them.
        draws: How many times rows are drawn.
        seed: Of the draws; the same seed and number of rows give the same draws.

    Returns:
        The intervals. A draw that happens to lack a label has no AUPRC of that label. Where
        labels are rare, AUPRC's interval may not contain its value: repeated rows flatter a curve.
    """
    scorer = _Scorer(rows)
    (drawn,) = _resampled([scorer], draws, seed)
    values = scorer.values
    scores = {
        name: Interval(value, *_ends(drawn.scores[name]))
        for name, value in _known(values, values.titles).items()
    }
    classes = {
        label: {
            name: Interval(value, *_ends(drawn.classes[name][:, index]))
            for name, value in _known(figures, CLASS_SCORES).items()
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
        The differences by the names of `Scores.titles`, and by label and the names of
        `CLASS_SCORES`; of what both have.

    Raises:
        ValueError: Their gold labels or label lists differ.
    """
    if a.labels != b.labels or not np.array_equal(a.gold_cells, b.gold_cells):
        raise ValueError("both must have the same label list, and the same gold label for each row")
    scorers = (_Scorer(a), _Scorer(b))
    drawn_a, drawn_b = _resampled(scorers, draws, seed)
    of_a, of_b = (scorer.values for scorer in scorers)
    scores = {
        name: _difference(value, drawn_b.scores[name] - drawn_a.scores[name])
        for name, value in _moved(of_a, of_b, of_a.titles).items()
    }
    classes = {}
    for index, label in enumerate(a.labels.names):
        moved = _moved(of_a.classes[label], of_b.classes[label], CLASS_SCORES)
        classes[label] = {
            name: _difference(value, (drawn_b.classes[name] - drawn_a.classes[name])[:, index])
            for name, value in moved.items()
        }
    return scores, classes


def drawn_differences(a: Scored, b: Scored, draws: int, seed: int) -> dict[str, Floats]:
    """Computes b's scores minus a's on each of the draws of their common rows.

    Args:
        a: Rows and what was predicted for them.
        b: The same rows in the same order, with other predictions.
        draws: How many times rows are drawn.
        seed: Of the draws; the same seed and number of rows give the same draws.

    Returns:
        `(draws,)` in percentage points by the names of `Scores.titles`, of what both have.
    """
    scorers = (_Scorer(a), _Scorer(b))
    drawn_a, drawn_b = _resampled(scorers, draws, seed)
    names = _moved(scorers[0].values, scorers[1].values, scorers[0].values.titles)
    return {name: drawn_b.scores[name] - drawn_a.scores[name] for name in names}


def ends_of(drawn: Floats) -> tuple[float, float]:
    """Returns the ends of the interval that holds `LEVEL` percent of draws; nan is no draw.

    Args:
        drawn: `(draws,)`.
    """
    return _ends(drawn)


def _known(of: Scores | LabelFigures, names: Iterable[str]) -> dict[str, float]:
    """Returns the scores that there are: AUPRC needs probabilities."""
    values = {name: getattr(of, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _moved(
    a: Scores | LabelFigures, b: Scores | LabelFigures, names: Iterable[str]
) -> dict[str, float]:
    """Returns how much higher b's scores are than a's, of those that both have."""
    before, after = _known(a, names), _known(b, names)
    return {name: after[name] - value for name, value in before.items() if name in after}


def _ends(drawn: Floats) -> tuple[float, float]:
    """Returns the percentiles that enclose `LEVEL` percent of the draws; nan is no draw."""
    outside = (100 - LEVEL) / 2
    low, high = np.nanpercentile(drawn, [outside, 100 - outside])
    return float(low), float(high)


def _difference(value: float, drawn: Floats) -> Difference:
    one_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (one_side + 1) / (int(np.isfinite(drawn).sum()) + 1))
    return Difference(value, *_ends(drawn), p)


def _resampled(scorers: Sequence[_Scorer], draws: int, seed: int) -> list[_Draws]:
    """Scores each set of predictions on the same draws of their common rows."""
    chunks: list[list[_Draws]] = [[] for _ in scorers]
    for weights in _drawn_weights(scorers[0].values.rows, draws, seed):
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
    """Computes the scores of weighted rows: a weight of 2 counts as two equal rows.

    Args:
        rows: The rows and what was predicted for them.
    """

    def __init__(self, rows: Scored) -> None:
        self.values = rows.scores()
        gold, predicted = rows.gold_cells, rows.predicted_cells
        self._hits, self._given, self._support = map(_Tally, (gold & predicted, predicted, gold))
        self._right = np.flatnonzero((gold == predicted).all(axis=1))
        self._curves = _curves(gold, rows.probabilities, self.values)
        self._positive = np.arange(gold.shape[1]) != rows.labels.negative_index

    def score(self, weights: Weights) -> _Draws:
        """Scores weights `(rows, draws)`."""
        tallies = (self._hits, self._given, self._support)
        hits, given, support = (tally.counts(weights) for tally in tallies)  # (draws, labels)
        by_label = dict(zip(CLASS_SCORES, rates(hits, given, support), strict=False))
        totals = (count[:, self._positive].sum(axis=1) for count in (hits, given, support))
        precision, recall, f1 = rates(*totals)  # (draws,)
        overall = {"precision": precision, "recall": recall, "micro_f1": f1}
        overall["macro_f1"] = by_label["f1"][:, self._positive].mean(axis=1)
        overall["accuracy"] = 100 * weights[self._right].sum(axis=0) / self.values.rows
        if self._curves:
            areas = np.stack([curve.areas(weights) for curve in self._curves], axis=1)
            by_label["auprc"], overall["auprc"] = areas, _known_mean(areas)
        return _Draws(overall, by_label)


class _Tally:
    """Counts weighted rows by label.

    Args:
        cells: Which labels each row counts for, `(rows, labels)`.
    """

    def __init__(self, cells: Bools) -> None:
        _, self._order = np.nonzero(cells.T)  # the rows of the first label, of the second, …
        self._bounds = np.append(0, np.cumsum(cells.sum(axis=0)))

    def counts(self, weights: Weights) -> Floats:
        """Counts, `(draws, labels)`, from weights `(rows, draws)`."""
        up_to = _running(weights, self._order)[self._bounds]  # (labels + 1, draws)
        return np.asarray(np.diff(up_to, axis=0).T, np.float64)


def _curves(gold: Bools, probabilities: Floats | None, values: Scores) -> list[_Curve]:
    """Ranks the rows for each label; for none without probabilities."""
    if probabilities is None:
        return []
    # The area where the rows themselves lack the label, as their scores have it: 50 or none.
    absent = [
        np.nan if figures.auprc is None else figures.auprc for figures in values.classes.values()
    ]
    return [_Curve(*of_label) for of_label in zip(gold.T, probabilities.T, absent, strict=True)]


def _known_mean(areas: Floats) -> Floats:
    """Returns the mean of the labels that have an area, `(draws,)`; nan where none has."""
    known = np.isfinite(areas)  # (draws, labels)
    total, count = np.where(known, areas, 0).sum(axis=1), known.sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


class _Curve:
    """One label's precision-recall curve: the positions in the ranking at which recall grows.

    Args:
        positive: Which rows have the label, `(rows,)`.
        score: The label's probabilities, `(rows,)`.
        absent: The area in percent where none has, nan for none.
    """

    def __init__(self, positive: Bools, score: Floats, absent: float) -> None:
        self._absent = np.nan if positive.any() else absent
        order, ends = ranking(score)
        found = np.append(0, np.cumsum(positive[order]))  # hits among the first 0, 1, … rows
        starts = np.append(0, ends[:-1])
        grows = found[ends] > found[starts]
        self._starts, self._ends = starts[grows], ends[grows]
        self._found_before, self._found_after = found[self._starts], found[self._ends]
        # Rows that are ranked below the last row of the label do not change the area.
        self._order = order[: self._ends[-1]] if grows.any() else order[:0]
        self._positives = self._order[positive[self._order]]

    def areas(self, weights: Weights) -> Floats:
        """Computes the areas in percent, `(draws,)`, from weights `(rows, draws)`.

        A draw that happens to lack the label has none, nan: the 50 of `curves.class_auprc` is for
        gold files without the label, and would pull the draws away from the value.
        """
        given, hits = _running(weights, self._order), _running(weights, self._positives)
        # Above the highest threshold nothing is found, and precision is 1 by definition.
        above = given[self._starts]
        before = np.where(above > 0, hits[self._found_before] / np.maximum(above, 1), 1.0)
        after = hits[self._found_after] / np.maximum(given[self._ends], 1)
        steps = hits[self._found_after] - hits[self._found_before]
        area = (steps * (before + after)).sum(axis=0) / 2
        support = hits[-1]
        areas = 100 * (area / np.maximum(support, 1))
        return np.asarray(np.where(support > 0, areas, self._absent))


def _running(weights: Weights, order: Ints) -> Weights:
    """Sums the weights of the first 0, 1, … rows of an order: `(rows + 1, draws)`."""
    sums = np.zeros((len(order) + 1, weights.shape[1]), np.int32)
    np.cumsum(weights[order], axis=0, dtype=np.int32, out=sums[1:])
    return sums
