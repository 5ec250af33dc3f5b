"""Whether the numbers of an answer file stand in the order of its labels, or in another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.labels import KLUE, KLUE_RELATION_LIST

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Orders = Mapping[str, tuple[str, ...]]

FEW = 0.01  # the share of rows whose label may be another than the most probable one
FAR_BETTER = 0.2  # by how much of the rows another order has to fit better to be named


@dataclass(frozen=True, slots=True)
class OrderDoubt:
    """Labels that are not the most probable ones of their rows.

    Args:
        rows: How many rows there are.
        other: In how many of them the label is not a most probable one.
        order: The name of a known order in which the labels would fit far better; None without.
        fitting: The share of rows that fit in that order; where no order is named, in the order
            that fits best.
        columns: That best order where no known one is it: a label for each column.
    """

    rows: int
    other: int
    order: str | None = None
    fitting: float = 0.0
    columns: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Whether there are more such rows than a vote or a rule of the author explains."""
        return self.other > FEW * self.rows

    def __str__(self) -> str:
        share = f"in {self.other} of {self.rows} rows pred_label is not the most probable class"
        if self.order is not None:
            fits = f"the columns of probs fit the order {self.order} in {100 * self.fitting:.1f} %"
            return f"{share}; {fits} of the rows: --probs-order {self.order}"
        if self.columns:
            first = ", ".join(self.columns[:3])
            fits = f"the columns of probs would fit {100 * self.fitting:.1f} % of the rows"
            return (
                f"{share}; {fits} in an order that begins {first}: write the order as a file, a "
                "label a line, and name it with --probs-order FILE"
            )
        return f"{share}: F1 goes by pred_label, AUPRC by probs"


def known_orders(labels: LabelList, seen: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Lists orders that the same labels often have elsewhere, by the names that options use.

    Args:
        labels: The label list.
        seen: Labels in the order of another file's rows, for that of their first appearance.

    Returns:
        The orders that are of the same labels.
    """
    names = sorted(labels.names)
    orders = {
        "klue": KLUE.names,
        "klue-relation-list": KLUE_RELATION_LIST.names,
        "alphabetical": tuple(names),
        "negative-first": tuple(sorted(names, key=lambda name: (name != labels.negative, name))),
        "as-in-gold": tuple(dict.fromkeys(seen)),
    }
    own = set(labels.names)
    return {
        name: order
        for name, order in orders.items()
        if len(order) == len(own) and set(order) == own
    }


def places(labels: LabelList, order: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the place in an order of each label, `(labels,)`: `probs[:, places]` is in ours.

    Args:
        labels: The label list.
        order: The same labels in another order.
    """
    at = {name: place for place, name in enumerate(order)}
    return np.array([at[name] for name in labels.names], np.int64)


def doubt(
    labels: LabelList,
    predicted: Ints,
    probabilities: Floats,
    orders: Orders,
    *,
    named: bool = False,
) -> OrderDoubt:
    """Compares each row's label with the largest of its numbers.

    Args:
        labels: The label list.
        predicted: The label of each row, `(rows,)`.
        probabilities: `(rows, labels)`, supposed to be in the list's order.
        orders: Other orders to try, by name.
        named: Whether the file names each number's label, so that no other order is possible.

    Returns:
        In how many rows they differ, and the order in which they would not.
    """
    rows = len(predicted)
    chosen = np.take_along_axis(probabilities, predicted[:, None], axis=1)[:, 0]
    top = probabilities.max(axis=1)
    found = OrderDoubt(rows, int((chosen < top).sum()))
    if named or not found.many:
        return found
    together = _together(predicted, probabilities.argmax(axis=1), len(labels))
    columns = _best_columns(together)
    fitting = float(together[columns, range(len(labels))].sum() / rows)
    needed = 1 - found.other / rows + FAR_BETTER
    own = range(len(labels))
    fits = {n: float(together[own, places(labels, o)].sum() / rows) for n, o in orders.items()}
    best = max(fits, key=lambda name: fits[name], default=None)
    if best is not None and fits[best] >= max(needed, (1 - 5 * FEW) * fitting):
        return OrderDoubt(rows, found.other, best, fits[best])
    if fitting >= max(needed, 0.9):
        return OrderDoubt(rows, found.other, None, fitting, tuple(labels.names[i] for i in columns))
    return found


def other_numbering(
    labels: LabelList, gold: Ints, predicted: Ints, orders: Orders
) -> tuple[tuple[str, str], float] | None:
    """Finds an order in which labels were numbered and one in which they were looked up instead.

    Args:
        labels: The label list.
        gold: The class of each row, `(rows,)`.
        predicted: What was predicted, likewise.
        orders: Other orders to try, by name.

    Returns:
        Both orders, and the share of rows that would be right without the mistake; None where none
        explains far more.
    """
    together = _together(gold, predicted, len(labels))
    right = together.trace() / len(gold)
    shares: dict[tuple[str, str], float] = {}
    for name, order in orders.items():
        there = places(labels, order)
        shares[name, "of the labels"] = together[range(len(labels)), there].sum() / len(gold)
        shares["of the labels", name] = together[there, range(len(labels))].sum() / len(gold)
    best = max(shares, key=lambda name: shares[name], default=None)
    if best is None or shares[best] < max(right + FAR_BETTER, 2 * right, 0.5):
        return None
    return best, float(shares[best])


def _together(first: Ints, second: Ints, count: int) -> npt.NDArray[np.int64]:
    """Counts the rows that have each pair, `(labels, labels)`."""
    return np.bincount(first * count + second, minlength=count * count).reshape(count, count)


def _best_columns(together: npt.NDArray[np.int64]) -> list[int]:
    """Gives each column a label, the pairs with most rows first; `(labels,)`, each label once."""
    count = len(together)
    label_of = [-1] * count
    free = set(range(count))
    for pair in np.argsort(-together, axis=None, kind="stable").tolist():
        label, column = divmod(pair, count)
        if label in free and label_of[column] < 0:
            label_of[column] = label
            free.discard(label)
    return label_of
