"""What a blend is worth by one measure, quickly: a selection asks it thousands of times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.scoring.blending.means import Floats
from relx.scoring.comparison import right_rows
from relx.scoring.curves import class_auprc
from relx.scoring.decisions.thresholds import (
    Measure,
    cuts_of,
    filled,
    label_f1,
    measured,
    place,
    search,
)

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.decisions.decision import Decision

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Labelled rows, and the measure that their blends are judged by.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        labels: The label list, whose negative label F1 leaves out.
        decision: How labels are chosen; where its cut-offs are searched, a blend is cut by the one
            cut-off for all labels that is best on these rows.
        measure: `micro_f1`, `macro_f1`, `accuracy` (rows right in all labels) or `auprc`.
    """

    gold: Bools
    labels: LabelList
    decision: Decision
    measure: str

    def of(self, shares: Floats) -> float:
        """Measures a blend, from 0 to 1.

        Args:
            shares: Its probabilities of the rows, `(rows, labels)`.
        """
        if self.measure == "auprc":
            return self._auprc(shares)
        chosen = self._chosen(shares)
        if self.measure == "accuracy":
            return float(right_rows(chosen, self.gold).mean())
        counted = np.arange(len(self.labels)) != self.labels.negative_index
        f1: Measure = "macro_f1" if self.measure == "macro_f1" else "micro_f1"
        return measured(self.gold[:, counted], chosen[:, counted], f1)

    def _auprc(self, shares: Floats) -> float:
        if self.decision.takes_cutoffs:
            # Which labels are chosen does not matter to a curve; the gold ones are at hand.
            found = self.decision.scores(self.gold, shares, self.labels, self.gold)
            return (found.auprc or 0.0) / 100
        return float(class_auprc(self.gold.argmax(axis=1), shares).mean()) / 100

    def _chosen(self, shares: Floats) -> Bools:
        decision = self.decision
        if not decision.takes_cutoffs or decision.cutoffs is not None:
            return decision.cells(decision.choose(shares), len(self.labels))
        settings: Mapping[str, Any] = decision.inputs()
        chosen = shares >= shared_cutoff(self.gold, shares, settings["measure"])
        return filled(chosen, shares) if settings["at_least_one"] else np.asarray(chosen)


def shared_cutoff(gold: Bools, shares: Floats, measure: Measure) -> float:
    """Finds the best one cut-off for all labels, as `search` does, and nothing else.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        shares: `(rows, labels)`.
        measure: What is to be high.
    """
    if measure == "macro_f1":
        return float(search(gold, shares, "shared", measure)[0])
    cuts = cuts_of(shares.ravel(), gold.ravel())
    if measure == "accuracy" or not cuts.support:
        return place(cuts, np.asarray(2 * cuts.hits - cuts.given, np.float64))
    return place(cuts, label_f1(cuts))
