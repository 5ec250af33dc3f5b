"""Two sets of predictions of the same rows: McNemar's test, and which rows changed how."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EXACT_BELOW = 25  # rows that only one of the two has right
KINDS = ("fixed", "broken", "otherwise")
UNCHANGED = -1

Bools = npt.NDArray[np.bool_]
Values = npt.NDArray[np.int64] | Bools


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of whether two are right equally often (McNemar 1947, Psychometrika 12).

    Args:
        both: Rows that both have right.
        first: Rows that the first alone has right.
        second: Rows that the second alone has right.
        neither: Rows that both have wrong.
        test: `exact`, or `chi-square` with the continuity correction of Edwards (1948).
        statistic: Chi-square with one degree of freedom; None for the exact test.
        p: Two-sided.
    """

    both: int
    first: int
    second: int
    neither: int
    test: str
    statistic: float | None
    p: float


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Tests whether two sets of predictions are right equally often.

    Args:
        first: Which rows the first has right, `(rows,)`.
        second: Which rows the second has right, `(rows,)`.

    Returns:
        The test, which the rows that only one of them has right decide: exact, by the binomial
        distribution, where there are fewer than 25, and chi-square with continuity correction
        otherwise.
    """
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    counts = (both, first_only, second_only, neither)
    deciding = first_only + second_only
    if deciding < EXACT_BELOW:
        tail = sum(math.comb(deciding, k) for k in range(min(first_only, second_only) + 1))
        return McNemar(*counts, "exact", None, min(1.0, 2 * tail / 2**deciding))
    statistic = max(0, abs(first_only - second_only) - 1) ** 2 / deciding
    # With one degree of freedom, chi-square is the square of a standard normal variable.
    return McNemar(*counts, "chi-square", statistic, math.erfc(math.sqrt(statistic / 2)))


def mcnemar_by_label(first: Bools, second: Bools, gold: Bools) -> tuple[McNemar, ...]:
    """Tests for each label whether two sets of predictions have its cells right equally often.

    Args:
        first: Which labels the first predicts, `(rows, labels)`.
        second: Which labels the second predicts, `(rows, labels)`.
        gold: Which labels are right, `(rows, labels)`.

    Returns:
        A test a label, in their order; of its counts, `first` says how many cells the second
        broke, and `second` how many it fixed. Of twenty such tests one has p < .05 by chance.
    """
    pairs = zip((first == gold).T, (second == gold).T, strict=True)
    return tuple(mcnemar(*pair) for pair in pairs)


def right_rows(predicted: Values, gold: Values) -> Bools:
    """Tells which rows are right: in all of their labels, where they may have several.

    Args:
        predicted: The predicted classes, `(rows,)`, or cells, `(rows, labels)`.
        gold: The gold ones, likewise.

    Returns:
        `(rows,)`.
    """
    right = np.asarray(predicted == gold).reshape(len(gold), -1)  # (rows, labels or 1)
    return np.asarray(right.all(axis=1))


def changes(before: Values, after: Values, gold: Values) -> npt.NDArray[np.int8]:
    """Tells for each row how what is predicted for it changed.

    Args:
        before: The class that the reference predicts, `(rows,)`, or its cells, `(rows, labels)`.
        after: What the other predicts, likewise.
        gold: What is right, likewise.

    Returns:
        Indices into `KINDS`, `(rows,)`: `fixed` is wrong before and right after, `broken` the
        reverse, `otherwise` wrong both times; -1 where the prediction is the same.
    """
    kinds = np.where(right_rows(after, gold), 0, np.where(right_rows(before, gold), 1, 2))
    return np.where(right_rows(before, after), UNCHANGED, kinds).astype(np.int8)
