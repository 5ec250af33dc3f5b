"""Members chosen one by one: ensemble selection with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from relx.scoring.blending.means import Floats

MOST = 30  # rounds, where nobody says how many
Score = Callable[[Floats], tuple[float, float]]


def selected(parts: Sequence[Floats], score: Score, rounds: int | None) -> Floats:
    """Chooses members one by one, each the one that helps most; one may be chosen again.

    Ensemble selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of
    models"). The first is the best by itself; of equals, the first is taken.

    Args:
        parts: What `lifted` gave of each member, `(rows, labels)`.
        score: The score of the mean of what was chosen, and what decides between equals; larger is
            better.
        rounds: How many are chosen; None for as many, up to `MOST`, as score best.

    Returns:
        How often each was chosen, as shares of all: `(members,)`, their sum 1.
    """
    total = np.zeros_like(parts[0])
    chosen: list[int] = []
    best: tuple[tuple[float, float], int] = ((-np.inf, -np.inf), 0)
    for count in range(1, (rounds or MOST) + 1):
        tried = [(score((total + part) / count), -one) for one, part in enumerate(parts)]
        value, place = max(tried)
        total = total + parts[-place]
        chosen.append(-place)
        if value > best[0]:
            best = value, count
    kept = chosen if rounds is not None else chosen[: best[1]]
    counts = np.bincount(kept, minlength=len(parts)).astype(np.float64)
    return np.asarray(counts / counts.sum())
