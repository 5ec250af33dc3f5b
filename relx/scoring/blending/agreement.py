"""How far sets of predictions agree, and the parts of rows that weights are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.scoring.blending.means import Floats


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
