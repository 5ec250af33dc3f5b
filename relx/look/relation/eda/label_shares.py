"""How frequent each label is in each file, and how the predicted shares differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relx.look.relation.eda.task_data import TaskData


@dataclass(frozen=True, slots=True, eq=False)
class LabelShares:
    """How frequent each label is in each file.

    Args:
        names: The labels, the most frequent of train first.
        counts: The rows of each label by `train`, `dev` and `predicted`, `(labels,)` int64.
    """

    names: tuple[str, ...]
    counts: dict[str, npt.NDArray[np.int64]]

    def percent(self, series: str) -> npt.NDArray[np.float64]:
        """Returns each label's share of the rows in percent, `(labels,)`; of no rows all are 0."""
        counts = self.counts[series]
        return 100 * counts / max(int(counts.sum()), 1)

    def shift(self) -> npt.NDArray[np.float64] | None:
        """Returns the predicted share less that of train, in percentage points, `(labels,)`."""
        if "predicted" not in self.counts:
            return None
        return self.percent("predicted") - self.percent("train")


def label_shares(data: TaskData) -> LabelShares:
    """Counts the labels of train and dev, and those predicted for the test.

    Args:
        data: The rows.

    Returns:
        The counts; labels without a row have their place too.
    """
    found = {
        role: Counter(row.label or "" for row in data.files[role])
        for role in ("train", "dev")
        if data.files.get(role)
    }
    if data.predicted is not None:
        found["predicted"] = Counter(data.predicted)
    names = sorted(data.labels.names, key=lambda name: -found["train"][name])
    counts = {
        series: np.array([count[name] for name in names], np.int64)
        for series, count in found.items()
    }
    return LabelShares(tuple(names), counts)


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
