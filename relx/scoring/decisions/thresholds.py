"""Cut-offs of probabilities: the best ones of given rows, exactly, over all cut points.

A label is given where its probability is at or above the cut-off. Only cuts between two different
neighbouring probabilities matter, so that one sort gives the counts of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Method = Literal["shared", "per_label", "joint"]
Measure = Literal["micro_f1", "macro_f1", "accuracy"]
METHODS: tuple[Method, ...] = ("shared", "per_label", "joint")

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Two values are equal that differ by less: sums of a few labels' F1 differ in their last digits.
EQUAL = 1e-12
_NOBODY = 2.0  # the probability above all of which nobody is: beyond 1, so that a cut-off can be


class Cuts(NamedTuple):
    """All cuts of some scores, from the one that passes nobody to the one that passes all.

    Args:
        high: The lowest score that passes, `(cuts,)`; above every score where nobody passes.
        low: The highest score that does not; below every score where all pass.
        given: How many pass.
        hits: How many of them have the label.
    """

    high: Floats
    low: Floats
    given: Ints
    hits: Ints

    @property
    def support(self) -> int:
        """How many rows have the label."""
        return int(self.hits[-1])


@dataclass(frozen=True, slots=True)
class SortedCells:
    """The probabilities of each label, and of all together, in falling order, sorted once.

    Args:
        labels: Each label's probabilities, whether they are of rows that have it, and the rows.
        every: The same of all cells.
        label: The label of each of all cells, in their order.
    """

    labels: tuple[_Sorted, ...]
    every: _Sorted
    label: Ints

    @classmethod
    def of(cls, gold: Bools, probabilities: Floats) -> SortedCells:
        """Sorts.

        Args:
            gold: Which labels are right, `(rows, labels)`.
            probabilities: `(rows, labels)`.

        Raises:
            ValueError: A probability is not between 0 and 1.
        """
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise ValueError("probabilities are numbers from 0 to 1")
        rows, count = gold.shape
        columns = zip(probabilities.T, gold.T, strict=True)
        labels = tuple(_Sorted.of(score, own, np.arange(rows)) for score, own in columns)
        every = _Sorted.of(probabilities.ravel(), gold.ravel(), np.arange(rows * count))
        cell = every.row
        return cls(labels, every._replace(row=cell // count), cell % count)

    def search(self, measure: Measure, rows: Bools | None = None) -> dict[Method, Floats]:
        """Finds the best cut-offs by every method; see `search`.

        Args:
            measure: What is to be high.
            rows: Which rows to look at, `(rows,)`; None for all.
        """
        cuts = [label.cuts(rows) for label in self.labels]
        own = np.array([place(cut, _value(cut, measure)) for cut in cuts])
        joint = own
        if measure == "micro_f1":
            values = _dinkelbach(cuts)
            joint = np.array([place(cut, v, 1e-9) for cut, v in zip(cuts, values, strict=True)])
        shared = np.full(len(cuts), self._shared(measure, rows))
        return {"shared": shared, "per_label": own, "joint": joint}

    def _shared(self, measure: Measure, rows: Bools | None) -> float:
        """Finds the one cut-off of all labels."""
        every = self.every.cuts(rows)
        if measure != "macro_f1" or not every.support:
            return place(every, _value(every, measure))
        kept = slice(None) if rows is None else rows[self.every.row]
        label, positive = self.label[kept], self.every.positive[kept]
        last = every.given[1:] - 1  # the last cell that passes at each cut but the first
        total = np.zeros(len(every.high))
        for number in range(len(self.labels)):
            own = label == number
            given, hits = np.cumsum(own)[last], np.cumsum(own & positive)[last]
            total[1:] += 2 * hits / np.maximum(given + hits[-1], 1)
        return place(every, total)


class _Sorted(NamedTuple):
    """Falling scores, which of them are of rows with the label, and of which row each is."""

    score: Floats
    positive: Bools
    row: Ints

    @classmethod
    def of(cls, score: Floats, positive: Bools, row: Ints) -> _Sorted:
        order = np.argsort(-score, kind="stable")
        return cls(score[order], positive[order], row[order])

    def cuts(self, rows: Bools | None = None) -> Cuts:
        """Counts what passes at every cut, of these rows; equal scores fall on one side."""
        score, positive = self.score, self.positive
        if rows is not None:
            kept = rows[self.row]
            score, positive = score[kept], positive[kept]
        last = np.flatnonzero(np.append(score[1:] != score[:-1], [True] * bool(len(score))))
        high = np.append(_NOBODY, score[last])
        hits = np.append(0, np.cumsum(positive)[last])
        return Cuts(high, np.append(high[1:], -1.0), np.append(0, last + 1), hits)


def cuts_of(score: Floats, positive: Bools) -> Cuts:
    """Counts what passes at every cut.

    Args:
        score: `(rows,)`.
        positive: Which rows have the label, `(rows,)`.

    Returns:
        The cuts.
    """
    return _Sorted.of(score, positive, np.arange(len(score))).cuts()


def search(gold: Bools, probabilities: Floats, method: Method, measure: Measure) -> Floats:
    """Finds the cut-offs of the highest measure on these rows.

    `shared` is one cut-off for all labels; `per_label` is each label's own best, of its F1, or of
    its accuracy where that is the measure; `joint` is the best combination of all. For macro-F1 and
    accuracy, which are means over the labels, that is the same as `per_label`; for micro-F1, a
    ratio of sums over the labels, it is found by Dinkelbach's method (1967, "On nonlinear
    fractional programming", Management Science 13), a search a label in each of a few rounds. Of
    neighbouring cuts that are equally good, the middle is taken; of several such runs, the widest.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        probabilities: `(rows, labels)`, from 0 to 1.
        method: How many cut-offs there are, and what each is chosen for.
        measure: What is to be high.

    Returns:
        A cut-off for each label, `(labels,)`; from 0 to 1, or just above 1 where nobody may pass
        and a probability is 1.

    Raises:
        ValueError: A probability is not between 0 and 1.
    """
    return SortedCells.of(gold, probabilities).search(measure)[method]


def label_f1(cuts: Cuts) -> Floats:
    """Computes a label's F1 at each of its cuts, `(cuts,)`, from 0 to 1."""
    return 2 * cuts.hits / np.maximum(cuts.given + cuts.support, 1)


def _value(cuts: Cuts, measure: Measure) -> Floats:
    """What each cut is worth to its label: its F1, or how many rows it has right."""
    if measure == "accuracy" or not cuts.support:  # what nobody has, nobody is to be given
        return np.asarray(2 * cuts.hits - cuts.given, np.float64)
    return label_f1(cuts)


def _dinkelbach(cuts: Sequence[Cuts]) -> list[Floats]:
    """What each cut is worth to the largest 2 TP / (given + support) of all labels together."""
    support = sum(cut.support for cut in cuts)
    if not support:
        return [_value(cut, "micro_f1") for cut in cuts]
    ratio = 0.0
    while True:
        values = [2 * cut.hits - ratio * cut.given for cut in cuts]
        best = [int(value.argmax()) for value in values]
        hits = sum(int(cut.hits[i]) for cut, i in zip(cuts, best, strict=True))
        given = sum(int(cut.given[i]) for cut, i in zip(cuts, best, strict=True))
        reached = 2 * hits / (given + support)
        if reached <= ratio + 1e-15:  # it climbs through finitely many ratios
            return values
        ratio = reached


def place(cuts: Cuts, value: Floats, equal: float = EQUAL) -> float:
    """Chooses a cut-off: the middle of the widest run of neighbouring best cuts.

    Args:
        cuts: The cuts.
        value: What each is worth, `(cuts,)`.
        equal: How far apart values may be that count as equal.

    Returns:
        The cut-off, from 0 to 1. Where nobody is to pass and a score is 1, no such cut-off makes
        that cut: the next float above 1 is returned.
    """
    runs = best_runs(value, equal)
    highs, lows = np.minimum(cuts.high, 1.0), np.maximum(cuts.low, 0.0)
    first, last = max(runs, key=lambda run: highs[run[0]] - lows[run[1]])
    if first == last == 0 and cuts.low[0] >= 1:
        return float(np.nextafter(1.0, 2.0))
    high, low = float(highs[first]), float(lows[last])
    middle = low + (high - low) / 2
    # Between two neighbouring floats there is no middle: the upper one makes the cut.
    return middle if middle > low or cuts.low[last] < 0 else high


def best_runs(value: Floats, equal: float = EQUAL) -> list[tuple[int, int]]:
    """Lists the runs of neighbouring cuts of the highest value, by their first and last index."""
    best = value >= value.max() - equal
    edges = np.flatnonzero(np.diff(np.concatenate([[0], best.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def measured(gold: Bools, chosen: Bools, measure: Measure) -> float:
    """Computes a measure of chosen labels.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        chosen: Which labels were chosen, `(rows, labels)`.
        measure: The measure.

    Returns:
        From 0 to 1; an F1 of nothing is 0, as in scikit-learn with `zero_division=0`.
    """
    return float(of_counts(label_counts(gold, chosen), len(gold), measure))


def filled(chosen: Bools, probabilities: npt.NDArray[Any]) -> Bools:
    """Gives each row without a label its most probable one, of equals the first.

    Args:
        chosen: Which labels were chosen, `(rows, labels)`.
        probabilities: `(rows, labels)`.

    Returns:
        `(rows, labels)`.
    """
    full = chosen.copy()
    without = np.flatnonzero(~chosen.any(axis=1))
    full[without, probabilities[without].argmax(axis=1)] = True
    return full


def label_counts(gold: Bools, chosen: Bools) -> Ints:
    """Counts true positives, chosen and gold rows of each label, `(3, labels)`."""
    counted = [(gold & chosen).sum(axis=0), chosen.sum(axis=0), gold.sum(axis=0)]
    return np.stack(counted).astype(np.int64)


def of_counts(counts: npt.NDArray[Any], rows: int | npt.NDArray[Any], measure: Measure) -> Floats:
    """Computes a measure from counts.

    Args:
        counts: True positives, chosen and gold rows, `(…, 3, labels)`.
        rows: How many rows were counted, of the shape `(…)`.
        measure: The measure.

    Returns:
        `(…)`, from 0 to 1.
    """
    hits, given, support = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
    if measure == "accuracy":
        wrong = (given + support - 2 * hits).sum(axis=-1)
        return np.asarray(1 - wrong / (rows * counts.shape[-1]))
    if measure == "micro_f1":
        hits, given, support = (part.sum(axis=-1, keepdims=True) for part in (hits, given, support))
    return np.asarray((2 * hits / np.maximum(given + support, 1)).mean(axis=-1))
