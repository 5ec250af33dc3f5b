"""The weighted mean of several sets of probabilities, of their logarithms, or of their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mean = Literal["probabilities", "log", "ranks"]
LEAST = 1e-12  # a probability of 0 would forbid a label whatever the others say


def blended(
    shares: Sequence[Floats], weights: Sequence[float], mean: Mean, *, many: bool
) -> Floats:
    """Computes the weighted mean of several members' probabilities.

    `probabilities` is their mean. `log` is the mean of their logarithms, as probabilities again: of
    one label a row the geometric mean, scaled to sum to 1; of any number of labels the mean of the
    log-odds of each cell. `ranks` is the mean of the ranks that a member gives to the rows, by
    label, from 1 / rows to 1, which only the order within a label matters to; of one label a row
    they are scaled to sum to 1.

    Args:
        shares: Each member's probabilities, `(rows, labels)`.
        weights: The members' weights, which are scaled to sum to 1.
        mean: Of what the mean is taken.
        many: Whether a row may have any number of labels.

    Returns:
        `(rows, labels)`; of one label a row, rows sum to 1.
    """
    scaled = np.asarray(weights, np.float64) / np.sum(weights)
    parts = zip(scaled.tolist(), shares, strict=True)
    if mean == "probabilities":
        return _scaled(_sum(weight * share for weight, share in parts), many)
    if mean == "ranks":
        return _scaled(_sum(weight * ranks(share) for weight, share in parts), many)
    if many:
        odds = _sum(weight * _log_odds(share) for weight, share in parts)
        return np.asarray(1 / (1 + np.exp(-odds)))
    logs = _sum(weight * np.log(np.maximum(share, LEAST)) for weight, share in parts)
    return _scaled(np.exp(logs - logs.max(axis=1, keepdims=True)), many)


def ranks(shares: Floats) -> Floats:
    """Ranks the rows by each label's probability: from 1 / rows to 1, equal ones share a rank.

    Args:
        shares: `(rows, labels)`.

    Returns:
        `(rows, labels)`.
    """
    from scipy.stats import rankdata

    found: Any = rankdata(shares, axis=0) / len(shares)
    return np.asarray(found, np.float64)


def _log_odds(share: Floats) -> Floats:
    clipped = np.clip(share, LEAST, 1 - LEAST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _sum(parts: Any) -> Floats:
    total: Floats | None = None
    for part in parts:
        total = part if total is None else total + part
    assert total is not None  # there is a member
    return total


def _scaled(values: Floats, many: bool) -> Floats:
    return values if many else np.asarray(values / values.sum(axis=1, keepdims=True))
