"""Any number of labels in a row: how they are trained for, chosen, and scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.scoring.decisions.cross_fitting import Search, search_all
from relx.scoring.decisions.cutoffs import Cutoffs, require_names
from relx.scoring.decisions.softmax import softmax
from relx.scoring.decisions.thresholds import Measure, filled
from relx.scoring.label_scores import CellScores, label_scores

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.rows.row import Row
    from relx.recipe import DecideSection

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
Cells = npt.NDArray[Any]

Mode = Literal["auto", "shared", "per_label", "joint"]
HALF = 0.5  # the cut-off where nothing else is known
# Where cut-offs come from, in words.
HOW = {
    "shared": "one for all, searched",
    "per_label": "one a label, searched",
    "joint": "one a label, searched together",
}


@dataclass(frozen=True, slots=True)
class Asymmetric:
    """The asymmetric loss's settings (Ben-Baruch et al. 2020, https://arxiv.org/abs/2009.14119).

    Args:
        positive: How much labels that are there, and easy, are focused away from: gamma+.
        negative: The same of labels that are not there: gamma-.
        margin: The probability up to which a label that is not there costs nothing.
    """

    positive: float = 1.0
    negative: float = 4.0
    margin: float = 0.05


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The decision for any number of labels in a row: sigmoid, and a cut-off a label.

    Args:
        loss: The loss that trains for it.
        positive_weights: How much the rows that have a label weigh in its binary cross-entropy:
            as much as any (`none`), as much together as those that do not (`balanced`), or a
            number a label.
        asymmetric: Settings of the asymmetric loss.
        thresholds: How cut-offs are searched, one for all labels, or one by label.
        measure: What they are searched for.
        at_least_one: Whether a row in which no label passes is given the most probable one.
        cutoffs: The cut-offs; None where none have been searched yet, and .5 is used.
        search: What was found when they were searched.
    """

    loss: Literal["binary_cross_entropy", "asymmetric", "soft_cross_entropy"] = (
        "binary_cross_entropy"
    )
    positive_weights: Literal["none", "balanced"] | Sequence[float] = "none"
    asymmetric: Asymmetric = Asymmetric()
    thresholds: Mode | float | Mapping[str, float] = "auto"
    measure: Measure = "micro_f1"
    at_least_one: bool = False
    cutoffs: Cutoffs | None = None
    search: Search | None = field(default=None, compare=False, repr=False)

    def cut_at(self, labels: LabelList) -> tuple[float, ...]:
        """Returns the cut-off of each label: searched, given, or .5.

        Args:
            labels: The label list.

        Raises:
            InputError: The recipe's cut-offs are not of these labels.
        """
        values = self.given(labels)._values()
        return values if isinstance(values, tuple) else (values,) * len(labels)

    @property
    def softmax(self) -> bool:
        """Whether a softmax is what was trained for, rather than a sigmoid a label."""
        return self.loss == "soft_cross_entropy"

    @property
    def takes_cutoffs(self) -> bool:
        """True: what passes its cut-off is chosen."""
        return True

    def described(self) -> str:
        """Says by which cut-offs labels are chosen."""
        if self.cutoffs is None:
            found, how = self._values(), ""
        else:
            found, how = self.cutoffs.values, f" ({HOW.get(self.cutoffs.source, 'given')})"
        cuts = [found] if isinstance(found, float) else sorted(set(found))
        words = f"{cuts[0]:.3f}" if len(cuts) == 1 else f"{cuts[0]:.3f} to {cuts[-1]:.3f}"
        least = ", and a row without one is given its most probable label"
        return f"labels are cut at {words}{how}{least if self.at_least_one else ''}"

    def inputs(self) -> dict[str, Any]:
        """Returns what of the decision decides what a training computes, for `json.dumps`.

        The cut-offs are among it: by the scores that they give a training chooses its epoch.
        """
        weights, cuts = self.positive_weights, self.thresholds
        settings = {
            "loss": self.loss,
            "thresholds": dict(cuts) if isinstance(cuts, Mapping) else cuts,
            "measure": self.measure,
            "at_least_one": self.at_least_one,
        }
        if self.loss == "soft_cross_entropy":
            return settings
        if self.loss == "asymmetric":
            return settings | {"asymmetric": asdict(self.asymmetric)}
        return settings | {
            "positive_weights": weights if isinstance(weights, str) else list(weights)
        }

    def loss_options(self, targets: Cells) -> dict[str, Any]:
        """Returns keyword arguments of the loss.

        Args:
            targets: Which labels the rows to train on have, `(rows, labels)`.

        Returns:
            The weights of a label's positive rows, or the settings of the asymmetric loss.

        Raises:
            InputError: There are more or fewer weights than labels.
        """
        if self.loss == "asymmetric":
            return asdict(self.asymmetric)
        if self.positive_weights == "none":
            return {}
        if self.positive_weights == "balanced":
            return {"positive_weights": balanced_weights(targets)}
        self._require_weights(targets.shape[1])
        return {"positive_weights": [float(weight) for weight in self.positive_weights]}

    def targets(self, rows: Iterable[Row], labels: LabelList) -> npt.NDArray[np.float32]:
        """Looks up which labels each row has.

        Args:
            rows: Labelled rows.
            labels: The label list.

        Returns:
            `(rows, labels)` float32, 1 where the row has the label.

        Raises:
            InputError: A label is not in the list, or weights or cut-offs are not of its labels.
        """
        self._require_weights(len(labels))
        self.given(labels)
        rows = list(rows)
        cells = np.zeros((len(rows), len(labels)), np.float32)
        for place, row in enumerate(rows):
            names = [row.gold] if isinstance(row.gold, str) else _labelled(row)
            cells[place, [labels.index(name) for name in sorted(names)]] = 1
        return cells

    def right(self, rows: Iterable[Row], labels: LabelList) -> Bools:
        """Looks up which labels each row has, as `choose` would give it; see `targets`."""
        return self.targets(rows, labels).astype(bool)

    def probabilities(self, logits: Floats) -> npt.NDArray[np.float64]:
        """Computes the sigmoid of logits, or their softmax where that is what was trained for.

        Args:
            logits: `(rows, labels)`.

        Returns:
            `(rows, labels)` float64; of sigmoids a row may sum to anything.
        """
        if self.softmax:
            return softmax(logits)
        small = np.exp(-np.abs(logits.astype(np.float64)))  # which cannot overflow
        return np.asarray(np.where(logits >= 0, 1, small) / (1 + small))

    def fitted(
        self, gold: Cells, probabilities: Floats, sentences: Sequence[str], labels: LabelList
    ) -> AnyOf:
        """Returns the decision with cut-offs: those of the recipe, or searched on these rows.

        Args:
            gold: Which labels the rows have, `(rows, labels)`.
            probabilities: `(rows, labels)`.
            sentences: The rows' sentences, `(rows,)`: a search never tears one apart.
            labels: The label list.

        Returns:
            Itself where its cut-offs are given by the recipe. `auto` takes what cross-fitting
            prefers.

        Raises:
            InputError: The recipe's cut-offs are not of these labels.
        """
        if not isinstance(self.thresholds, str):
            return self.given(labels)
        cells, shares = self.cells(gold, len(labels)), np.asarray(probabilities, np.float64)
        least = self.at_least_one
        found = search_all(cells, shares, sentences, self.measure, at_least_one=least)
        method = found.preferred if self.thresholds == "auto" else self.thresholds
        cutoffs = self._cutoffs(found.methods[method].cutoffs, labels, method)
        return replace(self, cutoffs=cutoffs, search=found)

    def with_thresholds(self, cutoffs: Cutoffs) -> AnyOf:
        """Returns the decision with these cut-offs, and with what they say of rows without one."""
        return replace(self, cutoffs=cutoffs, search=None, at_least_one=cutoffs.at_least_one)

    def choose(self, probabilities: Floats) -> Bools:
        """Chooses the labels whose probability is at or above their cut-off.

        Args:
            probabilities: `(rows, labels)`.

        Returns:
            `(rows, labels)` bool; with `at_least_one` a row in which no label passes has the most
            probable, of equals the first.

        Raises:
            ValueError: The recipe has a cut-off by label; `fitted` brings them in order.
        """
        chosen = probabilities >= np.array(self._values())  # (rows, labels)
        return filled(chosen, probabilities) if self.at_least_one else np.asarray(chosen)

    def choose_unseen(self, probabilities: Floats) -> Bools:
        """Chooses the labels of the rows that cut-offs were searched on, by those of other rows.

        Args:
            probabilities: Of these very rows, `(rows, labels)`.

        Returns:
            `(rows, labels)` bool; as `choose` where nothing was searched, or in no folds.
        """
        source = "given" if self.cutoffs is None else self.cutoffs.source
        chosen = None if self.search is None else self.search.unseen.get(source)
        return self.choose(probabilities) if chosen is None else chosen

    def cells(self, values: Cells, count: int) -> Bools:
        """Returns what `targets` or `choose` gave as cells.

        Args:
            values: What they gave, `(rows, labels)`.
            count: How many labels there are.

        Returns:
            `(rows, labels)` bool.

        Raises:
            ValueError: They are not of so many labels.
        """
        cells = np.asarray(values).astype(bool)
        if cells.ndim != 2 or cells.shape[1] != count:
            raise ValueError(f"cells of {count} labels: {cells.shape}")
        return cells

    def scores(
        self,
        gold: Cells,
        probabilities: Floats | None,
        labels: LabelList,
        chosen: Cells | None = None,
    ) -> CellScores:
        """Computes every figure; see `label_scores`.

        Args:
            gold: Which labels the rows have, `(rows, labels)`, at least one row.
            probabilities: `(rows, labels)`; None where nobody knows them.
            labels: The label list.
            chosen: Which labels were chosen, `(rows, labels)`; None to choose by the cut-offs.

        Returns:
            The figures.

        Raises:
            InputError: The recipe's cut-offs are not of these labels.
            ValueError: There are neither probabilities nor chosen labels.
        """
        count = len(labels)
        if chosen is None:
            if probabilities is None:
                raise ValueError("neither probabilities nor chosen labels")
            chosen = self.given(labels).choose(probabilities)
        return label_scores(
            self.cells(gold, count), self.cells(chosen, count), probabilities, labels
        )

    def _values(self) -> float | tuple[float, ...]:
        """Returns the cut-offs in label order, or one for all labels."""
        if self.cutoffs is not None:
            return self.cutoffs.values
        if isinstance(self.thresholds, Mapping):
            raise ValueError("cut-offs by label, and no label list: call fitted first")
        return HALF if isinstance(self.thresholds, str) else self.thresholds

    def given(self, labels: LabelList) -> AnyOf:
        """Returns the decision with the recipe's cut-offs, if it has any, in label order.

        Args:
            labels: The label list.

        Raises:
            InputError: They are not of these labels.
        """
        cuts = self.thresholds
        if isinstance(cuts, str) or self.cutoffs is not None:
            return self
        if isinstance(cuts, Mapping):
            require_names(cuts, labels)
            values = [float(cuts[name]) for name in labels.names]
        else:
            values = [float(cuts)] * len(labels)
        return replace(self, cutoffs=self._cutoffs(values, labels, "given"))

    def _cutoffs(self, values: Sequence[float], labels: LabelList, source: str) -> Cutoffs:
        return Cutoffs(
            values=tuple(values),
            labels=labels.names,
            at_least_one=self.at_least_one,
            source=source,
        )

    def _require_weights(self, count: int) -> None:
        """Checks that there is a weight for each label, if there are any."""
        weights = self.positive_weights
        if not isinstance(weights, str) and len(weights) != count:
            what = "there is not one weight for each label"
            where, received = "decide.positive_weights", f"{len(weights)} weights"
            allowed = f"{count}, in the order of the labels"
            raise InputError(Fault(what, where, received, allowed, kind="weights"))


def any_of(decide: DecideSection) -> AnyOf:
    """Makes the decision that a recipe's section `decide` describes, with `labels: many`.

    Args:
        decide: The section.

    Returns:
        The decision, without cut-offs that have to be searched.
    """
    weights, asymmetric = decide.positive_weights, decide.asymmetric
    return AnyOf(
        loss=decide.loss,
        positive_weights=weights if isinstance(weights, str) else tuple(weights),
        asymmetric=Asymmetric(asymmetric.positive, asymmetric.negative, asymmetric.margin),
        thresholds=decide.thresholds,
        measure=decide.measure,
        at_least_one=decide.at_least_one,
    )


def balanced_weights(targets: Cells) -> list[float]:
    """Weighs the positive rows of each label so that they weigh as much as its negative ones.

    Args:
        targets: Which labels the rows have, `(rows, labels)`.

    Returns:
        Negative rows over positive ones, for each label; 1 where a label has rows of one kind
        only, in which there is nothing to balance.
    """
    cells = np.asarray(targets).astype(bool)
    positives = cells.sum(axis=0)  # (labels,)
    negatives = len(cells) - positives
    both = (positives > 0) & (negatives > 0)
    return [float(weight) for weight in np.where(both, negatives / np.maximum(positives, 1), 1)]


def _labelled(row: Row) -> Iterable[str]:
    if row.gold is None:
        what = "this row has no labels"
        raise InputError(Fault(what, f"id {row.id}", kind="unlabelled"))
    return row.gold
