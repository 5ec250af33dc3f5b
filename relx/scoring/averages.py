"""Precision, recall and F1 of the classes together: micro, macro or weighted, with directions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError, shorten
from relx.scoring.curves import rates
from relx.scoring.printed import percent

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Average = Literal["micro", "macro", "weighted"]
Bools = npt.NDArray[np.bool_]
# Cause-Effect(e1,e2) and Cause-Effect(e2,e1) are the two directions of Cause-Effect.
_DIRECTION = re.compile(r"\s*\(\s*e([12])\s*,\s*e(?!\1)[12]\s*\)$")


@dataclass(frozen=True, slots=True)
class ClassRates:
    """The figures of one class, or of a relation in both directions.

    Args:
        name: The class, or the relation.
        precision: In percent; 0 where it was never predicted.
        recall: In percent; 0 where no gold row has it.
        f1: In percent.
        support: How many gold rows have it.
        predicted: How many rows were predicted to have it.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int

    def cells(self) -> tuple[str, ...]:
        """Returns the row of a table: all but the name in figures."""
        percents = map(percent, (self.precision, self.recall, self.f1))
        return (self.name, *percents, str(self.support), str(self.predicted))


@dataclass(frozen=True, slots=True)
class Averaged:
    """The figures of all classes but the negative one.

    Args:
        average: How they are averaged.
        direction: Whether both directions of a relation are one class.
        precision: In percent.
        recall: In percent.
        f1: In percent.
        classes: The classes that were averaged.
    """

    average: Average
    direction: bool
    precision: float
    recall: float
    f1: float
    classes: tuple[ClassRates, ...]

    def totals(self) -> list[tuple[str, float]]:
        """Returns a title and percent for each figure."""
        figures = {"F1": self.f1, "precision": self.precision, "recall": self.recall}
        return [(f"{self.average}-{name}", value) for name, value in figures.items()]

    def note(self) -> str:
        """Says what was averaged."""
        kind = "relations, their direction counted" if self.direction else "classes"
        return f"{self.average}: over {len(self.classes)} {kind}"

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them."""
        return {
            "average": self.average,
            "direction": self.direction,
            "f1": self.f1,
            "precision": self.precision,
            "recall": self.recall,
            "classes": [row.name for row in self.classes],
        }


def averaged(
    gold: Bools, predicted: Bools, labels: LabelList, average: Average, *, direction: bool = False
) -> Averaged:
    """Averages over all classes but the negative one.

    With `direction` a relation is right where its direction is, and both directions are one class:
    with `macro` the official score of SemEval-2010 task 8 (Hendrickx et al. 2010,
    https://aclanthology.org/S10-1006). `micro` without it is that of TACRED (Zhang et al. 2017,
    https://aclanthology.org/D17-1004). `macro` and `weighted` leave out classes that no gold row
    has, as the first of them does; `micro` counts what was predicted of them.

    Args:
        gold: Which labels each row has, `(rows, labels)`.
        predicted: Which were predicted, likewise.
        labels: The label list, whose negative label is left out.
        average: How to average.
        direction: Whether the labels say a direction, (e1,e2) or (e2,e1).

    Returns:
        The figures.

    Raises:
        InputError: No label says a direction, or every class is left out.
    """
    names = [_relation(name) if direction else name for name in labels.names]
    if direction and names == list(labels.names):
        what = "no label says a direction"
        received, allowed = (
            shorten(", ".join(labels.names)),
            "labels that end in (e1,e2) or (e2,e1)",
        )
        raise InputError(Fault(what, "--direction", received, allowed, "leave it out", "direction"))
    hits, given, support = (
        _sums(counts.sum(axis=0), names) for counts in (gold & predicted, predicted, gold)
    )
    left = [name for name in dict.fromkeys(names) if name != _negative(labels, direction)]
    scored = [name for name in left if support[name] or average == "micro"]
    if not scored:
        what, step = "no class is left to average", "--negative '' counts every label"
        raise InputError(Fault(what, "--average", average, next_step=step, kind="average"))
    counts = [np.array([part[name] for name in scored]) for part in (hits, given, support)]
    rows = np.stack(rates(*counts), axis=1)  # (classes, 3)
    precision, recall, f1 = _total(counts, rows, average).tolist()
    classes = (
        ClassRates(name, own[0], own[1], own[2], support[name], given[name])
        for name, own in zip(scored, rows.tolist(), strict=True)
    )
    return Averaged(average, direction, precision, recall, f1, tuple(classes))


def _total(
    counts: Sequence[npt.NDArray[np.int64]], rows: npt.NDArray[np.float64], average: Average
) -> npt.NDArray[np.float64]:
    """Returns precision, recall and F1 of all classes, `(3,)`."""
    if average == "micro":
        return np.concatenate(rates(*(part.sum(keepdims=True) for part in counts)))
    return np.asarray(np.average(rows, axis=0, weights=None if average == "macro" else counts[2]))


def _relation(name: str) -> str:
    """Returns a label without its direction."""
    return _DIRECTION.sub("", name)


def _negative(labels: LabelList, direction: bool) -> str | None:
    if labels.negative is None:
        return None
    return _relation(labels.negative) if direction else labels.negative


def _sums(counts: npt.NDArray[np.int64], names: Sequence[str]) -> dict[str, int]:
    """Adds up the counts of labels of one name."""
    sums = dict.fromkeys(names, 0)
    for name, count in zip(names, counts.tolist(), strict=True):
        sums[name] += count
    return sums
