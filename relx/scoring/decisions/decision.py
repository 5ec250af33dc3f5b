"""What decides a row's labels, and what its scores are: the same whether one label or any number.

The decisions are `one_of.OneOf` and `any_of.AnyOf`. Whatever is shared reads gold and chosen labels
as cells, `(rows, labels)` bool: one-hot where exactly one label is true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.rows.row import Row
    from relx.scoring.decisions.cross_fitting import Search
    from relx.scoring.decisions.cutoffs import Cutoffs

Bools = npt.NDArray[np.bool_]


class LabelFigures(Protocol):
    """What is known of one label, whatever the decision; percentages are in percent."""

    @property
    def precision(self) -> float:
        """The share of the rows given the label that have it; 0 where no row was given it."""

    @property
    def recall(self) -> float:
        """The share of the rows that have the label that were given it; 0 where none has it."""

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""

    @property
    def auprc(self) -> float | None:
        """The area under the precision-recall curve; None where there is none."""

    @property
    def support(self) -> int:
        """How many gold rows have the label."""

    @property
    def predicted(self) -> int:
        """How many rows were given it."""


class Scores(Protocol):
    """What a set of predictions is worth; percentages are in percent."""

    @property
    def rows(self) -> int:
        """How many rows were scored."""

    @property
    def micro_f1(self) -> float:
        """Over all labels but the negative one."""

    @property
    def macro_f1(self) -> float:
        """The mean of all labels but the negative one."""

    @property
    def auprc(self) -> float | None:
        """The mean of the labels; None without probabilities."""

    @property
    def precision(self) -> float:
        """Micro, over all labels but the negative one."""

    @property
    def recall(self) -> float:
        """Micro, over all labels but the negative one."""

    @property
    def accuracy(self) -> float:
        """The share of rows that are right in all of their labels."""

    @property
    def classes(self) -> Mapping[str, LabelFigures]:
        """The figures of each label, in label order."""

    @property
    def gold_classes(self) -> int:
        """How many labels the gold rows have."""

    @property
    def collapsed(self) -> bool:
        """Whether every row was given the same labels although the gold rows differ in theirs."""

    @property
    def collapsed_to(self) -> str:
        """What every row of a collapse was given, in words."""

    @property
    def titles(self) -> Mapping[str, str]:
        """The scores that have intervals: their titles by name, in the order of printing."""

    def figures(self) -> dict[str, float]:
        """Returns the figures that an epoch is logged with; 0 stands for one that there is not."""

    def totals(self) -> list[tuple[str, float | None]]:
        """Returns the figures of all labels together: title and percent, None where unknown."""

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Returns headings and a row of texts a label, which is named in the first column."""

    def notes(self) -> list[str]:
        """Returns what is to be said beneath the table, a line each."""

    def to_json(self) -> dict[str, Any]:
        """Returns the figures as `json.dumps` takes them."""


class Decision(Protocol):
    """How labels are trained for, chosen and scored."""

    @property
    def loss(self) -> str:
        """The loss that trains for it, by its name in `relx.training.losses.LOSSES`."""

    @property
    def softmax(self) -> bool:
        """Whether a row's probabilities are a softmax of logits; else each is a sigmoid."""

    @property
    def cutoffs(self) -> Cutoffs | None:
        """The probability from which on each label is given; None where it has no such thing."""

    def cut_at(self, labels: LabelList) -> tuple[float, ...] | None:
        """Returns the cut-off of each label, whoever set it; None where it has no such thing.

        Args:
            labels: The label list.

        Raises:
            InputError: The recipe's cut-offs are not of these labels.
        """

    @property
    def takes_cutoffs(self) -> bool:
        """Whether labels are chosen by cut-offs."""

    @property
    def search(self) -> Search | None:
        """What was found when the cut-offs were searched; None where they were not."""

    def described(self) -> str:
        """Says by which cut-offs labels are chosen; empty where there are none."""

    def inputs(self) -> dict[str, Any]:
        """Returns what of the decision decides what a training computes, for `json.dumps`."""

    def loss_options(self, targets: npt.NDArray[Any]) -> dict[str, Any]:
        """Returns keyword arguments of the loss.

        Args:
            targets: What the rows to train on have, as `targets` gives it.

        Raises:
            InputError: The recipe's values do not fit the labels.
        """

    def targets(self, rows: Iterable[Row], labels: LabelList) -> npt.NDArray[Any]:
        """Looks up what each row has: `(rows,)` int32, or `(rows, labels)` float32.

        Raises:
            InputError: A row's label is not in the list, or the recipe's values do not fit it.
        """

    def right(self, rows: Iterable[Row], labels: LabelList) -> npt.NDArray[Any]:
        """Looks up what is right, as `choose` would give it: `(rows,)` int64, or cells.

        Raises:
            InputError: A row's label is not in the list.
        """

    def probabilities(self, logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Computes probabilities from logits, both `(rows, labels)`."""

    def fitted(
        self,
        gold: npt.NDArray[Any],
        probabilities: npt.NDArray[np.floating[Any]],
        sentences: Sequence[str],
        labels: LabelList,
    ) -> Decision:
        """Returns the decision with what it chooses by searched on labelled rows.

        Args:
            gold: What the rows have, as `targets` gives it.
            probabilities: `(rows, labels)`.
            sentences: The rows' sentences, `(rows,)`: a search never tears one apart.
            labels: The label list.
        """

    def given(self, labels: LabelList) -> Decision:
        """Returns the decision with the recipe's cut-offs, if it has any, in label order.

        Raises:
            InputError: They are not of these labels.
        """

    def with_thresholds(self, cutoffs: Cutoffs) -> Decision:
        """Returns the decision with these cut-offs.

        Raises:
            InputError: It has none.
        """

    def choose(self, probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Chooses labels: `(rows,)` int64, or `(rows, labels)` bool."""

    def choose_unseen(self, probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[Any]:
        """Chooses labels of the rows that the decision was fitted to, as if they were new.

        Cut-offs that were searched on these rows flatter them; here each row is cut by what was
        searched on others.
        """

    def cells(self, values: npt.NDArray[Any], count: int) -> Bools:
        """Returns what `targets` or `choose` gave as cells, `(rows, labels)`.

        Args:
            values: What they gave.
            count: How many labels there are.
        """

    def scores(
        self,
        gold: npt.NDArray[Any],
        probabilities: npt.NDArray[np.floating[Any]] | None,
        labels: LabelList,
        chosen: npt.NDArray[Any] | None = None,
    ) -> Scores:
        """Computes every figure.

        Args:
            gold: What the rows have, as `targets` gives it; at least one row.
            probabilities: `(rows, labels)`; None where nobody knows them, as with an answer file
                that holds labels alone.
            labels: The label list.
            chosen: What was chosen, as `choose` gives it; None to choose by the probabilities.

        Raises:
            ValueError: There is neither.
        """
