"""Weights of several sets of predictions, found on rows that none of them was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.scoring.blending.means import LEAST, Floats

TOLERANCE = 1e-9  # of the mean log-likelihood, by which another round has to gain
ROUNDS = 10_000
Bools = npt.NDArray[np.bool_]
Score = Callable[[Floats], tuple[float, float]]


def likelihoods(shares: Sequence[Floats], gold: Bools, *, many: bool) -> Floats:
    """Returns the probability that each member gave to what is right.

    Args:
        shares: Each member's probabilities, `(rows, labels)`.
        gold: Which labels are right, `(rows, labels)`.
        many: Whether a row may have any number of labels: then every cell counts.

    Returns:
        `(members, rows)`, or `(members, rows × labels)`.
    """
    if many:
        given = [np.where(gold, share, 1 - share).ravel() for share in shares]
    else:
        given = [share[gold] for share in shares]
    return np.asarray(np.maximum(np.stack(given), LEAST))


def likeliest_weights(given: Floats) -> Floats:
    """Finds the weights of the mean of probabilities under which what is right is most likely.

    The log-likelihood of a mixture is concave in its weights, so that expectation maximisation
    (Dempster, Laird and Rubin 1977) ends at its highest point, from equal weights on.

    Args:
        given: What `likelihoods` returned, `(members, cells)`.

    Returns:
        `(members,)`, none negative, their sum 1.
    """
    weights = np.full(len(given), 1 / len(given))
    before = -np.inf
    for _ in range(ROUNDS):
        mixed = weights @ given  # (cells,)
        now = float(np.log(mixed).mean())
        if now - before < TOLERANCE:
            break
        before = now
        weights = weights * (given / mixed).mean(axis=1)
    return np.asarray(weights / weights.sum())


def selected(
    shares: Sequence[Floats], score: Score, rounds: int, blend: Callable[[list[int]], Floats]
) -> Floats:
    """Chooses members one by one, each the one that helps most; one may be chosen again.

    Ensemble selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of
    models"). The best of all rounds is kept, of equals the first.

    Args:
        shares: Each member's probabilities, `(rows, labels)`.
        score: The score of a blend, and what decides between equals; larger is better.
        rounds: How many are chosen.
        blend: The blend of members, which come as often as they were chosen.

    Returns:
        How often each was chosen, as shares of all: `(members,)`, their sum 1.
    """
    chosen: list[int] = []
    best: tuple[tuple[float, float], list[int]] = ((-np.inf, -np.inf), [])
    for _ in range(rounds):
        tried = [(score(blend([*chosen, one])), -one) for one in range(len(shares))]
        value, place = max(tried)
        chosen.append(-place)
        if value > best[0]:
            best = (value, list(chosen))
    counts = np.bincount(best[1], minlength=len(shares)).astype(np.float64)
    return np.asarray(counts / counts.sum())


def parts_of(sentences: Sequence[str], count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Deals rows to parts, those of one sentence to one.

    Args:
        sentences: The rows' sentences, `(rows,)`.
        count: How many parts; fewer where there are fewer sentences.
        seed: Of the deal.

    Returns:
        The part of each row, `(rows,)`.
    """
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(sentence, len(numbers)) for sentence in sentences]
    dealt = np.random.default_rng(seed).permutation(len(numbers)) % min(count, len(numbers))
    return np.asarray(dealt[places], np.int64)


def agreement(predicted: Sequence[npt.NDArray[Any]]) -> Floats:
    """Measures in which share of rows each two members choose the same.

    Args:
        predicted: What each member chose: `(rows,)` or `(rows, labels)`.

    Returns:
        `(members, members)`, from 0 to 1; the rows have to be the same in all of their labels.
    """
    flat = [np.asarray(one).reshape(len(one), -1) for one in predicted]
    same = [[float((a == b).all(axis=1).mean()) for b in flat] for a in flat]
    return np.array(same)
