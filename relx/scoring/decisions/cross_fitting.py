"""What searched cut-offs are worth on rows that they were not searched on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.scoring.decisions.thresholds import (
    METHODS,
    Bools,
    Floats,
    Ints,
    Measure,
    Method,
    SortedCells,
    filled,
    measured,
    of_counts,
)

DRAWS = 1000
AT_ONCE = 100  # draws that are in memory at a time
FEW = 2000  # kinds of sentences
OUTSIDE = (2.5, 97.5)  # percent of the draws on either side of a 95 % interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval, in percent or percentage points.

    Args:
        value: On the rows themselves.
        low: The lower end.
        high: The upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a method found, and what that is worth.

    Args:
        cutoffs: A cut-off for each label, searched on all rows.
        in_sample: The measure on these same rows, in percent: too high, the more cut-offs the more.
        cross_fitted: The measure where each row is cut by what was searched on the other folds;
            None where there are fewer than two sentences.
        gain: How much higher that is than with one shared cut-off, in percentage points.
    """

    cutoffs: tuple[float, ...]
    in_sample: float
    cross_fitted: Estimate | None
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class Search:
    """What was found when cut-offs were searched by every method.

    Args:
        measure: What they were searched for.
        rows: On how many rows.
        folds: In how many folds they were tried.
        preferred: The method whose cross-fitted measure is the highest; of equals, the simpler.
        methods: What each method found.
        unseen: Which labels each row is given by what was searched on the other folds,
            `(rows, labels)` by method; empty where there are no folds.
    """

    measure: Measure
    rows: int
    folds: int
    preferred: Method
    methods: dict[Method, MethodResult]
    unseen: Mapping[str, Bools] = field(default_factory=dict, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Returns what was found, but for the rows, as `json.dumps` takes it."""
        methods = {method: asdict(result) for method, result in self.methods.items()}
        own = {"measure": self.measure, "rows": self.rows, "folds": self.folds}
        return own | {"preferred": self.preferred, "methods": methods}


def search_all(
    gold: Bools,
    probabilities: Floats,
    sentences: Sequence[str],
    measure: Measure,
    folds: int = 10,
    seed: int = 0,
    *,
    at_least_one: bool = False,
) -> Search:
    """Searches cut-offs by every method, and estimates by cross-fitting what they are worth.

    The sentences are dealt to folds; each row is cut by what was searched on the other folds, and
    the measure is that of all rows so cut. Intervals are from a bootstrap over sentences (Efron
    1979), percentiles of 1,000 draws.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        probabilities: `(rows, labels)`.
        sentences: The rows' sentences, `(rows,)`: equal ones are in one fold.
        measure: What cut-offs are searched for.
        folds: How many folds; fewer where there are fewer sentences.
        seed: Deals the sentences, and draws them.
        at_least_one: Whether a row that no label passes is given its most probable one: all figures
            are of rows so filled, though the search of a fold does not foresee it.

    Returns:
        What was found.
    """
    fill = filled if at_least_one else _as_it_is
    cells = SortedCells.of(gold, probabilities)
    number_of = {text: i for i, text in enumerate(dict.fromkeys(sentences))}
    sentence = np.array([number_of[text] for text in sentences])
    folds = min(folds, len(number_of))
    found = cells.search(measure)
    cut = {m: fill(probabilities >= c, probabilities) for m, c in found.items()}
    inside = {m: 100 * measured(gold, cells_, measure) for m, cells_ in cut.items()}
    if folds < 2:
        results = {m: MethodResult(_as_tuple(c), inside[m], None, None) for m, c in found.items()}
        return Search(measure, len(gold), folds, "shared", results)
    rng = np.random.default_rng(seed)
    fold = (rng.permutation(len(number_of)) % folds)[sentence]
    unfilled = _cross_fitted(cells, probabilities, fold, measure)
    chosen = {m: fill(cells_, probabilities) for m, cells_ in unfilled.items()}
    draws = _drawn(gold, list(chosen.values()), sentence, measure, rng)
    values = {m: 100 * measured(gold, chosen[m], measure) for m in METHODS}
    results = {
        method: MethodResult(
            _as_tuple(found[method]),
            inside[method],
            _estimate(values[method], draws[i]),
            _estimate(values[method] - values["shared"], draws[i] - draws[0]),
        )
        for i, method in enumerate(METHODS)
    }
    preferred = max(METHODS, key=lambda method: values[method])  # the first of equals
    unseen = {str(method): cells for method, cells in chosen.items()}
    return Search(measure, len(gold), folds, preferred, results, unseen)


def _as_it_is(chosen: Bools, probabilities: Floats) -> Bools:
    return chosen


def _as_tuple(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _cross_fitted(
    cells: SortedCells, probabilities: Floats, fold: Ints, measure: Measure
) -> dict[Method, Bools]:
    """Cuts each row by what was searched on the rows of the other folds, by every method."""
    chosen = {method: np.zeros(probabilities.shape, bool) for method in METHODS}
    for number in range(int(fold.max()) + 1):
        own = fold == number
        for method, cutoffs in cells.search(measure, ~own).items():
            chosen[method][own] = probabilities[own] >= cutoffs
    return chosen


def _estimate(value: float, drawn: Floats) -> Estimate:
    low, high = np.percentile(drawn, OUTSIDE)
    return Estimate(value, float(low), float(high))


def _drawn(
    gold: Bools, chosen: Sequence[Bools], sentence: Ints, measure: Measure, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Draws sentences with replacement, and computes the measure of each way of cutting.

    Sentences of equal counts are drawn together, where there are few different counts, by a
    multinomial distribution over them: the same draws as one by one, in a fraction of the time.

    Returns:
        In percent, `(ways, draws)`.
    """
    labels = gold.shape[1]
    counts = np.stack([_sentence_counts(gold, way, sentence, measure) for way in chosen], axis=1)
    rows = np.bincount(sentence)  # (sentences,)
    flat = np.concatenate([counts.reshape(len(rows), -1), rows[:, None]], axis=1)
    kinds, kind_of = _kinds(flat)
    sums = np.concatenate([weights @ kinds for weights in _weights(kind_of, len(kinds), rng)])
    per_way = sums[:, :-1].reshape(DRAWS, len(chosen), 3, -1)
    drawn_rows = sums[:, -1:]  # (draws, 1)
    if measure == "accuracy":  # its counts were summed over the labels
        drawn_rows = drawn_rows * labels
    return np.asarray(100 * of_counts(per_way, drawn_rows, measure).T)


def _kinds(counts: Ints) -> tuple[Floats, Ints]:
    """Returns the different rows of counts, and which of them each row is."""
    sizes = counts.max(axis=0) + 1
    if np.prod(sizes.astype(np.float64)) > 2**62:  # no number tells them apart
        kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
        return kinds.astype(np.float64), kind_of.ravel()
    number = counts @ np.cumprod(np.append(1, sizes[:-1]))
    _, first, kind_of = np.unique(number, return_index=True, return_inverse=True)
    return counts[first].astype(np.float64), kind_of.ravel()


def _weights(kind_of: Ints, kinds: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yields how often sentences of each kind are drawn, `(some draws, kinds)`."""
    count = len(kind_of)
    if kinds <= FEW:
        shares = np.bincount(kind_of) / count
        yield rng.multinomial(count, shares, size=DRAWS).astype(np.float64)
        return
    for start in range(0, DRAWS, AT_ONCE):  # one by one is faster here, and takes more memory
        some = min(AT_ONCE, DRAWS - start)
        drawn = (kind_of[rng.integers(count, size=count)] for _ in range(some))
        yield np.stack([np.bincount(kind, minlength=kinds) for kind in drawn]).astype(np.float64)


def _sentence_counts(gold: Bools, chosen: Bools, sentence: Ints, measure: Measure) -> Ints:
    """Counts true positives, chosen and gold cells of each sentence, `(sentences, 3, parts)`.

    Macro-F1 needs the labels apart; of the other measures the sum is enough, which has far fewer
    different values.
    """
    cells = np.stack([gold & chosen, chosen, gold], axis=1).astype(np.int64)  # (rows, 3, labels)
    if measure != "macro_f1":
        cells = cells.sum(axis=2, keepdims=True)
    count, shape = int(sentence.max()) + 1, cells.shape[1:]
    order = np.argsort(sentence, kind="stable")
    starts = np.searchsorted(sentence[order], np.arange(count))
    return np.add.reduceat(cells[order], starts, axis=0).reshape(count, *shape)
