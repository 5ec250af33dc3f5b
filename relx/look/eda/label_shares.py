"""How frequent each label is in each file, and how the predicted shares differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.look.eda.corpus import Corpus, names_in


@dataclass(frozen=True, slots=True, eq=False)
class LabelShares:
    """How frequent each label is in each file.

    Args:
        names: The labels, the most frequent of train first.
        counts: The rows of each label by `train`, `dev` and `predicted`, `(labels,)` int64.
        rows: All rows, likewise: fewer than the counts sum to where a row has several labels.
    """

    names: tuple[str, ...]
    counts: dict[str, npt.NDArray[np.int64]]
    rows: dict[str, int]

    def percent(self, series: str) -> npt.NDArray[np.float64]:
        """Returns each label's share of the rows in percent, `(labels,)`; of no rows all are 0."""
        return 100 * self.counts[series] / max(self.rows[series], 1)

    def shift(self) -> npt.NDArray[np.float64] | None:
        """Returns the predicted share less that of train, in percentage points, `(labels,)`."""
        if "predicted" not in self.counts:
            return None
        return self.percent("predicted") - self.percent("train")


def label_shares(data: Corpus[Any]) -> LabelShares:
    """Counts the labels of train and dev, and those predicted for the test.

    Args:
        data: The rows.

    Returns:
        The counts; labels without a row have their place too.
    """
    golds = data.golds()
    found = {
        series: Counter(name for gold in own for name in names_in(gold))
        for series, own in golds.items()
    }
    names = sorted(data.labels.names, key=lambda name: -found["train"][name])
    counts = {
        series: np.array([count[name] for name in names], np.int64)
        for series, count in found.items()
    }
    return LabelShares(tuple(names), counts, {series: len(own) for series, own in golds.items()})


def headline_label(shares: LabelShares, negative: str | None) -> str:
    """Chooses the label that a reader looks at first.

    Args:
        shares: The labels' shares.
        negative: The negative label, if there is one.

    Returns:
        The negative label; where there is none the one whose share shifts most, and without
        predictions the most frequent one.
    """
    if negative is not None:
        return negative
    shift = shares.shift()
    return shares.names[0 if shift is None else int(np.abs(shift).argmax())]
