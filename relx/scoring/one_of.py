"""Exactly one label in a row: how it is chosen, and its scores as the competition counts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.scoring.curves import class_auprc, rates

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.row import Row

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The figures of one class.

    Args:
        precision: In percent; 0 where the class was never predicted.
        recall: In percent; 0 where no gold row has the class.
        f1: In percent.
        auprc: In percent; 50 where no gold row has the class (see `class_auprc`).
        support: How many gold rows have the class.
        predicted: How many rows were predicted to have it.
    """

    precision: float
    recall: float
    f1: float
    auprc: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What a set of predictions is worth.

    Args:
        micro_f1: Over all classes but the negative one, in percent.
        auprc: The mean over all classes, in percent.
        accuracy: Over all classes, in percent.
        precision: Micro, over all classes but the negative one, in percent.
        recall: Micro, over all classes but the negative one, in percent.
        rows: How many rows were scored.
        classes: The figures of each class, in label order.
    """

    micro_f1: float
    auprc: float
    accuracy: float
    precision: float
    recall: float
    rows: int
    classes: dict[str, ClassScores]

    @property
    def predicted_classes(self) -> int:
        """How many classes were predicted at least once."""
        return sum(figures.predicted > 0 for figures in self.classes.values())

    @property
    def gold_classes(self) -> int:
        """How many classes the gold rows have."""
        return sum(figures.support > 0 for figures in self.classes.values())

    @property
    def collapsed(self) -> bool:
        """Whether every row was given one class although the gold rows have several."""
        return self.predicted_classes == 1 < self.gold_classes

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them, under the names of the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The decision for exactly one label in a row: softmax, and the most probable label.

    Args:
        loss: The loss that trains for it.
    """

    loss: Literal["cross_entropy"] = "cross_entropy"

    def targets(self, rows: Iterable[Row], labels: LabelList) -> npt.NDArray[np.int32]:
        """Looks up the class of each row.

        Args:
            rows: Labelled rows.
            labels: The label list.

        Returns:
            `(rows,)` int32.

        Raises:
            InputError: A label is not in the list.
        """
        return np.array([labels.index(str(row.gold or "")) for row in rows], np.int32)

    def probabilities(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Computes the softmax of logits.

        Args:
            logits: `(rows, labels)`.

        Returns:
            `(rows, labels)` float64; each row sums to 1.
        """
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        exponents = np.exp(shifted)
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))

    def choose(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """Chooses the most probable label of each row, of equals the first.

        Args:
            probabilities: `(rows, labels)`.

        Returns:
            `(rows,)` int64.
        """
        return np.asarray(probabilities.argmax(axis=1), np.int64)

    def scores(
        self, gold: Ints, probabilities: Floats, labels: LabelList, chosen: Ints | None = None
    ) -> Scores:
        """Computes every figure; see `scores`."""
        return scores(gold, probabilities, labels, chosen)


ONE_OF = OneOf()


def scores(
    gold: Ints,
    probabilities: Floats,
    labels: LabelList,
    predicted: Ints | None = None,
) -> Scores:
    """Computes every figure that `relx score` shows.

    Args:
        gold: The class of each row, `(rows,)`, at least one row.
        probabilities: `(rows, classes)`, the classes in label order.
        labels: The label list, whose negative class micro-F1, precision and recall leave out.
        predicted: The class predicted for each row, `(rows,)`; the most probable one if None.

    Returns:
        The figures, in percent.
    """
    if predicted is None:
        predicted = ONE_OF.choose(probabilities)
    hits, given, support = _counts(gold, predicted, len(labels))
    precision, recall, f1 = rates(hits, given, support)
    areas = class_auprc(gold, probabilities)
    percentages = zip(precision.tolist(), recall.tolist(), f1.tolist(), areas.tolist(), strict=True)
    counts = zip(support.tolist(), given.tolist(), strict=True)
    classes = {
        name: ClassScores(*percents, *numbers)
        for name, percents, numbers in zip(labels.names, percentages, counts, strict=True)
    }
    micro = rates(*_positive_totals(hits, given, support, labels))
    micro_precision, micro_recall, micro_f1_ = (float(rate[0]) for rate in micro)
    return Scores(
        micro_f1=micro_f1_,
        auprc=float(areas.mean()),
        accuracy=float(100 * hits.sum() / len(gold)),
        precision=micro_precision,
        recall=micro_recall,
        rows=len(gold),
        classes=classes,
    )


def _counts(gold: Ints, predicted: Ints, classes: int) -> tuple[Ints, Ints, Ints]:
    """Counts each class's hits, predictions and gold rows, each `(classes,)`."""
    hits = np.bincount(gold[gold == predicted], minlength=classes)
    given = np.bincount(predicted, minlength=classes)
    return hits, given, np.bincount(gold, minlength=classes)


def _positive_totals(
    hits: Ints, given: Ints, support: Ints, labels: LabelList
) -> tuple[Ints, Ints, Ints]:
    """Sums counts over all classes but the negative one, each `(1,)`."""
    positive = np.ones(len(labels), dtype=bool)
    if labels.negative_index is not None:
        positive[labels.negative_index] = False
    hits, given, support = (
        counts[positive].sum(keepdims=True) for counts in (hits, given, support)
    )
    return hits, given, support
