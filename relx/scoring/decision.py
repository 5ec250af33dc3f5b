"""What a task decides of each row: one label, or any number of them; and what its scores are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.row import Row
    from relx.scoring.thresholds import Cutoffs, Search

Floats = npt.NDArray[np.floating[Any]]


class ClassFigures(Protocol):
    """The figures of one label that every decision has, in percent."""

    @property
    def precision(self) -> float:
        """0 where the label was never predicted."""

    @property
    def recall(self) -> float:
        """0 where no gold row has the label."""

    @property
    def f1(self) -> float:
        """F1."""

    @property
    def auprc(self) -> float | None:
        """None where there is none."""

    @property
    def support(self) -> int:
        """How many gold rows have the label."""

    @property
    def predicted(self) -> int:
        """How many rows were predicted to have it."""


class Scores(Protocol):
    """What a set of predictions is worth, in percent."""

    @property
    def rows(self) -> int:
        """How many rows were scored."""

    @property
    def micro_f1(self) -> float:
        """Over all labels that count."""

    @property
    def macro_f1(self) -> float:
        """The mean over the labels that count."""

    @property
    def auprc(self) -> float | None:
        """The mean over the labels; None without probabilities."""

    @property
    def accuracy(self) -> float:
        """The rows that are wholly right."""

    @property
    def classes(self) -> Mapping[str, ClassFigures]:
        """The figures of each label, in label order."""

    @property
    def gold_classes(self) -> int:
        """How many labels the gold rows have."""

    @property
    def collapsed(self) -> bool:
        """Whether every row was given the same although the gold rows differ."""

    def figures(self) -> dict[str, float]:
        """Returns the figures that an epoch is logged with."""

    def totals(self) -> Sequence[tuple[str, float | None]]:
        """Returns the figures over all labels with their titles."""

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Returns a table of the labels as it is printed: headings and rows."""

    def notes(self) -> Sequence[str]:
        """Returns what is said beneath the tables."""

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them."""


class Decision(Protocol):
    """How labels are trained for, chosen and scored."""

    @property
    def loss(self) -> str:
        """The loss, by its name in `relx.training.losses.LOSSES`."""

    @property
    def takes_cutoffs(self) -> bool:
        """Whether labels are chosen by cut-offs."""

    @property
    def cutoffs(self) -> Cutoffs | None:
        """The cut-offs; None where there are none yet."""

    @property
    def search(self) -> Search | None:
        """How the cut-offs were found; None where they were given."""

    def inputs(self) -> dict[str, Any]:
        """Returns what of it decides what training computes, as JSON takes it."""

    def loss_options(self, targets: Floats) -> dict[str, Any]:
        """Returns the loss's keyword arguments.

        Args:
            targets: What `targets` gave for the training rows.
        """

    def targets(self, rows: Sequence[Row], labels: LabelList) -> npt.NDArray[Any]:
        """Returns what is trained for: `(rows,)` int32, or `(rows, labels)` float32.

        Args:
            rows: Labelled rows.
            labels: The label list.
        """

    def right(self, rows: Sequence[Row], labels: LabelList) -> npt.NDArray[Any]:
        """Returns what is right as `scores` takes it: `(rows,)` int64, or `(rows, labels)` bool.

        Args:
            rows: Labelled rows.
            labels: The label list.
        """

    def probabilities(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Computes probabilities from logits, both `(rows, labels)`."""

    def fitted(
        self, gold: npt.NDArray[Any], probabilities: Floats, sentences: Sequence[str], labels: LabelList
    ) -> Decision:
        """Returns the decision with the cut-offs that suit labelled rows, if they are searched for.

        Args:
            gold: What `targets` or `right` gave for the rows.
            probabilities: `(rows, labels)`.
            sentences: The rows' sentences, which a split never parts.
            labels: The label list.
        """

    def with_cutoffs(self, cutoffs: Cutoffs) -> Decision:
        """Returns the decision with other cut-offs.

        Args:
            cutoffs: The cut-offs.

        Raises:
            InputError: Nothing is cut.
        """

    def described(self) -> str:
        """Says by which cut-offs labels are chosen; empty where there are none."""

    def choose(self, probabilities: Floats) -> npt.NDArray[Any]:
        """Chooses labels: `(rows,)` int64, or `(rows, labels)` bool."""

    def cells(self, chosen: npt.NDArray[Any], count: int) -> npt.NDArray[np.bool_]:
        """Returns which labels each row has, `(rows, labels)`.

        Args:
            chosen: What `choose`, `right` or `targets` gave.
            count: The number of labels.
        """

    def scores(
        self,
        gold: npt.NDArray[Any],
        probabilities: Floats | None,
        labels: LabelList,
        chosen: npt.NDArray[Any] | None = None,
    ) -> Scores:
        """Computes every figure.

        Args:
            gold: What `targets` or `right` gave, at least one row.
            probabilities: `(rows, labels)`; None where a file has none.
            labels: The label list.
            chosen: What was predicted; by `choose` unless given.
        """
