"""Exactly one label in a row: how it is chosen, and its scores as the competition counts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.scoring.curves import class_auprc, rates
from relx.scoring.decisions.softmax import softmax
from relx.scoring.printed import counted, percent

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.rows.row import Row
    from relx.scoring.decisions.cutoffs import Cutoffs

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The figures of one class.

    Args:
        precision: In percent; 0 where the class was never predicted.
        recall: In percent; 0 where no gold row has the class.
        f1: In percent.
        auprc: In percent; 50 where no gold row has the class (see `class_auprc`); None without
            probabilities.
        support: How many gold rows have the class.
        predicted: How many rows were predicted to have it.
    """

    precision: float
    recall: float
    f1: float
    auprc: float | None
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What a set of predictions is worth.

    Args:
        micro_f1: Over all classes but the negative one, in percent.
        auprc: The mean over all classes, in percent; None without probabilities.
        accuracy: Over all classes, in percent.
        precision: Micro, over all classes but the negative one, in percent.
        recall: Micro, over all classes but the negative one, in percent.
        rows: How many rows were scored.
        classes: The figures of each class, in label order.
        negative: The negative class, or None.
    """

    micro_f1: float
    auprc: float | None
    accuracy: float
    precision: float
    recall: float
    rows: int
    classes: dict[str, ClassScores]
    negative: str | None = None

    @property
    def macro_f1(self) -> float:
        """The mean F1 of all classes but the negative one, in percent."""
        counted = [row.f1 for name, row in self.classes.items() if name != self.negative]
        return float(np.mean(counted))

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

    @property
    def collapsed_to(self) -> str:
        """The classes that were predicted at least once, in words."""
        return ", ".join(name for name, figures in self.classes.items() if figures.predicted)

    @property
    def titles(self) -> dict[str, str]:
        """The scores that have intervals: their titles by name, in the order of printing."""
        return {
            "micro_f1": "micro-F1",
            "auprc": "AUPRC",
            "precision": "precision",
            "recall": "recall",
            "accuracy": "accuracy",
        }

    def figures(self) -> dict[str, float]:
        """Returns the figures that an epoch is logged with."""
        auprc = self.auprc or 0.0
        return {"micro_f1": self.micro_f1, "auprc": auprc, "accuracy": self.accuracy}

    def totals(self) -> list[tuple[str, float | None]]:
        """Returns the figures of all classes together: title and percent, None where unknown."""
        return [
            ("micro-F1", self.micro_f1),
            ("AUPRC", self.auprc),
            ("accuracy", self.accuracy),
            ("precision", self.precision),
            ("recall", self.recall),
        ]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns headings and a row of texts a class, which is named in the first column."""
        headings = ("class", "precision", "recall", "F1", "AUPRC", "gold", "predicted")
        rows = []
        for name, row in self.classes.items():
            percents = map(percent, (row.precision, row.recall, row.f1, row.auprc))
            rows.append((name, *percents, str(row.support), str(row.predicted)))
        return headings, rows

    def notes(self) -> list[str]:
        """Returns what is to be said beneath the table, a line each."""
        classes = counted(self.predicted_classes, "class", "classes")
        lines = [f"{counted(self.rows, 'row')}; {classes} predicted"]
        absent = len(self.classes) - self.gold_classes
        if absent and self.auprc is not None:
            lines.append(
                f"{absent} classes have no gold rows: by definition each counts as 50 in AUPRC"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them, under the names of the fields."""
        tree = asdict(self)
        del tree["negative"]  # an input, not a figure
        return tree


@dataclass(frozen=True, slots=True)
class OneOf:
    """The decision for exactly one label in a row: softmax, and the most probable label.

    Args:
        loss: The loss that trains for it.
    """

    loss: Literal["cross_entropy"] = "cross_entropy"

    @property
    def softmax(self) -> bool:
        """True: exactly one label is true."""
        return True

    @property
    def cutoffs(self) -> None:
        """None: the most probable label is chosen, however probable it is."""
        return None

    def cut_at(self, labels: LabelList) -> None:
        """None: of the labels of a row, the most probable one is chosen."""
        return

    @property
    def takes_cutoffs(self) -> bool:
        """False, for the same reason."""
        return False

    @property
    def search(self) -> None:
        """None: there is nothing to search."""
        return None

    def described(self) -> str:
        """Returns nothing: there are no cut-offs to speak of."""
        return ""

    def inputs(self) -> dict[str, Any]:
        """Returns nothing: no value of a recipe is left to choose."""
        return {}

    def loss_options(self, targets: Ints) -> dict[str, Any]:
        """Returns nothing: the loss has no options of its own."""
        return {}

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

    def right(self, rows: Iterable[Row], labels: LabelList) -> npt.NDArray[np.int64]:
        """Looks up the class of each row, as `choose` would give it; see `targets`."""
        return self.targets(rows, labels).astype(np.int64)

    def probabilities(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Computes the softmax of logits.

        Args:
            logits: `(rows, labels)`.

        Returns:
            `(rows, labels)` float64; each row sums to 1.
        """
        return softmax(logits)

    def fitted(
        self, gold: Ints, probabilities: Floats, sentences: Sequence[str], labels: LabelList
    ) -> OneOf:
        """Returns itself: there is nothing to search."""
        return self

    def given(self, labels: LabelList) -> OneOf:
        """Returns itself: a recipe gives no cut-offs."""
        return self

    def with_thresholds(self, cutoffs: Cutoffs) -> OneOf:
        """Refuses cut-offs.

        Args:
            cutoffs: Of any labels.

        Raises:
            InputError: Always.
        """
        what = "of exactly one label the most probable is chosen: cut-offs decide nothing"
        received = f"cut-offs of {len(cutoffs.labels)} labels"
        step = "leave them out; they are for a run with decide.labels: many"
        raise InputError(Fault(what, "thresholds", received, next_step=step, kind="thresholds"))

    def choose(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """Chooses the most probable label of each row, of equals the first.

        Args:
            probabilities: `(rows, labels)`.

        Returns:
            `(rows,)` int64.
        """
        return np.asarray(probabilities.argmax(axis=1), np.int64)

    def choose_unseen(self, probabilities: Floats) -> npt.NDArray[np.int64]:
        """Chooses as ever: nothing is fitted to rows; see `choose`."""
        return self.choose(probabilities)

    def cells(self, values: Ints, count: int) -> npt.NDArray[np.bool_]:
        """Returns classes as cells, one-hot.

        Args:
            values: The class of each row, `(rows,)`.
            count: How many classes there are.

        Returns:
            `(rows, classes)`.
        """
        return np.equal(np.asarray(values)[:, None], np.arange(count))

    def scores(
        self,
        gold: Ints,
        probabilities: Floats | None,
        labels: LabelList,
        chosen: Ints | None = None,
    ) -> Scores:
        """Computes every figure; see `scores`."""
        return scores(gold, probabilities, labels, chosen)


ONE_OF = OneOf()


def scores(
    gold: Ints,
    probabilities: Floats | None,
    labels: LabelList,
    predicted: Ints | None = None,
) -> Scores:
    """Computes every figure that `relx score` shows.

    Args:
        gold: The class of each row, `(rows,)`, at least one row.
        probabilities: `(rows, classes)`, the classes in label order; None where nobody knows them.
        labels: The label list, whose negative class micro-F1, precision and recall leave out.
        predicted: The class predicted for each row, `(rows,)`; the most probable one if None.

    Returns:
        The figures, in percent.

    Raises:
        ValueError: There are neither probabilities nor predicted classes.
    """
    if predicted is None:
        if probabilities is None:
            raise ValueError("neither probabilities nor predicted classes")
        predicted = ONE_OF.choose(probabilities)
    hits, given, support = _counts(gold, predicted, len(labels))
    precision, recall, f1 = rates(hits, given, support)
    areas = None if probabilities is None else class_auprc(gold, probabilities)  # (classes,)
    by_class = [None] * len(labels) if areas is None else areas.tolist()
    percentages = zip(precision.tolist(), recall.tolist(), f1.tolist(), by_class, strict=True)
    counts = zip(support.tolist(), given.tolist(), strict=True)
    classes = {
        name: ClassScores(*percents, *numbers)
        for name, percents, numbers in zip(labels.names, percentages, counts, strict=True)
    }
    micro = rates(*_positive_totals(hits, given, support, labels))
    micro_precision, micro_recall, micro_f1_ = (float(rate[0]) for rate in micro)
    return Scores(
        micro_f1=micro_f1_,
        auprc=None if areas is None else float(areas.mean()),
        accuracy=float(100 * hits.sum() / len(gold)),
        precision=micro_precision,
        recall=micro_recall,
        rows=len(gold),
        classes=classes,
        negative=labels.negative,
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
