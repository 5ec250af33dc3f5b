"""How long rows are, in characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import Row


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Lengths that half, 95 % and 99 % of the rows do not exceed, and the longest."""

    median: int
    p95: int
    p99: int
    longest: int


def quantiles(lengths: npt.NDArray[np.integer[Any]]) -> Quantiles:
    """Describes lengths by some that occur: the nearest rank, nothing between two rows.

    Args:
        lengths: `(rows,)`.

    Returns:
        The quantiles; of no rows all are 0.
    """
    if not len(lengths):
        return Quantiles(0, 0, 0, 0)
    found = np.percentile(lengths, [50, 95, 99, 100], method="inverted_cdf")
    return Quantiles(*(int(length) for length in found))


def character_lengths(rows: Sequence[Row]) -> npt.NDArray[np.int32]:
    """Returns the length of each row's sentence in characters, `(rows,)`."""
    return np.array([len(row.sentence) for row in rows], np.int32)
