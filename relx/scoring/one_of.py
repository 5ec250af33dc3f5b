"""Exactly one label in a row: how it is chosen, and its scores as the competition counts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

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
        auprc: In percent; 50 where no gold row has the class (see `auprc`).
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
    precision, recall, f1 = _rates(hits, given, support)
    areas = class_auprc(gold, probabilities)
    rates = zip(precision.tolist(), recall.tolist(), f1.tolist(), areas.tolist(), strict=True)
    counts = zip(support.tolist(), given.tolist(), strict=True)
    classes = {
        name: ClassScores(*percents, *numbers)
        for name, percents, numbers in zip(labels.names, rates, counts, strict=True)
    }
    micro = _rates(*_positive_totals(hits, given, support, labels))
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


def micro_f1(gold: Ints, predicted: Ints, labels: LabelList) -> float:
    """Computes micro-F1 over all classes but the negative one.

    Equal to scikit-learn's `f1_score(gold, predicted, average="micro", labels=...)` over those
    classes; without a negative class all classes count.

    Args:
        gold: The class of each row, `(rows,)`.
        predicted: The class predicted for each row, `(rows,)`.
        labels: The label list.

    Returns:
        Micro-F1 in percent; 0 where none of those classes is in gold or predicted.
    """
    totals = _positive_totals(*_counts(gold, predicted, len(labels)), labels)
    return float(_rates(*totals)[2][0])


def auprc(gold: Ints, probabilities: Floats) -> float:
    """Computes the area under the precision-recall curve, averaged over all classes.

    Per class it is scikit-learn's `auc(recall, precision)` of `precision_recall_curve`, with the
    class's one-hot gold and its probabilities. A class that no gold row has counts 50 %: there
    scikit-learn sets recall to 1 and precision to 0 at every threshold and draws the straight
    line to (0, 1). Small gold files with absent classes therefore score nearer to 50.

    Args:
        gold: The class of each row, `(rows,)`, at least one row.
        probabilities: `(rows, classes)`.

    Returns:
        The mean over the classes, in percent.
    """
    return float(class_auprc(gold, probabilities).mean())


def class_auprc(gold: Ints, probabilities: Floats) -> npt.NDArray[np.float64]:
    """Computes each class's area under the precision-recall curve, as `auprc` describes.

    Args:
        gold: The class of each row, `(rows,)`, at least one row.
        probabilities: `(rows, classes)`.

    Returns:
        The areas in percent, `(classes,)`.
    """
    areas = [_area(gold == index, column) for index, column in enumerate(probabilities.T)]
    return 100 * np.array(areas, dtype=np.float64)


def _area(positive: npt.NDArray[np.bool_], score: Floats) -> float:
    """Computes one class's area, with a threshold at every distinct score."""
    if not positive.any():
        return 0.5
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive[order])[last_of_ties]
    # The curve starts above the highest threshold: nothing found, precision 1 by definition.
    precision = np.concatenate([[1.0], hits / (last_of_ties + 1)])
    recall = np.concatenate([[0.0], hits / hits[-1]])
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


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


def _rates(hits: Ints, given: Ints, support: Ints) -> tuple[Floats, Floats, Floats]:
    """Turns counts into precision, recall and F1 in percent; 0 where nothing was counted."""
    pairs = [(hits, given), (hits, support), (2 * hits, given + support)]
    precision, recall, f1 = (100 * part / np.maximum(whole, 1) for part, whole in pairs)
    return precision, recall, f1
