"""The weighted mean of several sets of probabilities, of their logarithms, or of their ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from relx.scoring.decisions.softmax import softmax

Floats = npt.NDArray[np.float64]
Mean = Literal["probabilities", "log", "ranks"]
LEAST = 1e-12  # a probability of 0 would forbid a label whatever the others say


def blended(
    shares: Sequence[Floats], weights: Sequence[float] | Floats, mean: Mean, *, many: bool
) -> Floats:
    """Computes the weighted mean of several members' probabilities.

    `probabilities` is their mean. `log` is the mean of their logarithms, as probabilities again: of
    one label a row the geometric mean, scaled to sum to 1; of any number of labels the mean of the
    log-odds of each cell. `ranks` is the mean of the ranks that a member gives to the rows, by
    label, from 1 / rows to 1, which only the order within a label matters to; of one label a row
    they are scaled to sum to 1.

    Args:
        shares: Each member's probabilities, `(rows, labels)`.
        weights: The members' weights, which are scaled to sum to 1; one of 0 takes no part.
        mean: Of what the mean is taken.
        many: Whether a row may have any number of labels.

    Returns:
        `(rows, labels)`; of one label a row, rows sum to 1.
    """
    scaled = np.asarray(weights, np.float64) / np.sum(weights)
    parts = [(weight, share) for weight, share in zip(scaled, shares, strict=True) if weight > 0]
    total = np.zeros(shares[0].shape)
    for weight, share in parts:
        total += weight * lifted(share, mean, many=many)
    return settled(total, mean, many=many)


def lifted(share: Floats, mean: Mean, *, many: bool) -> Floats:
    """Returns probabilities as what the mean is taken of; see `blended`.

    Args:
        share: A member's probabilities, `(rows, labels)`.
        mean: Of what the mean is taken.
        many: Whether a row may have any number of labels.

    Returns:
        `(rows, labels)`: probabilities, their logarithms or log-odds, or ranks.
    """
    if mean == "probabilities":
        return share
    if mean == "ranks":
        return ranks(share)
    clipped = np.clip(share, LEAST, 1 - LEAST if many else None)
    return np.asarray(np.log(clipped) - np.log1p(-clipped) if many else np.log(clipped))


def settled(total: Floats, mean: Mean, *, many: bool) -> Floats:
    """Returns a weighted mean of what `lifted` gave as probabilities again.

    Args:
        total: The mean, `(rows, labels)`.
        mean: Of what it was taken.
        many: Whether a row may have any number of labels.

    Returns:
        `(rows, labels)`; of one label a row, rows sum to 1.
    """
    if mean == "log":
        if not many:
            return softmax(total)
        return np.asarray(0.5 * (1 + np.tanh(total / 2)))  # the sigmoid, which cannot overflow
    return total if many else np.asarray(total / total.sum(axis=1, keepdims=True))


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
