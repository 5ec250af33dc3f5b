"""Whether a file's probabilities are in the order of labels that they are read in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.progress import warn

_TOLERATED = 0.01 + 1e-9  # the share of rows whose label may differ from the most probable one
_BETTER = 0.2  # by how much more rows another order has to agree, to be spoken of
_KNOWN = 0.02  # how much fewer rows a known order may agree in than the best one

Rows = npt.NDArray[np.float64]


def agreement(
    probabilities: Rows,
    predicted: npt.NDArray[Any],
    columns: Sequence[int] | npt.NDArray[np.int64] | None = None,
) -> float:
    """Returns the share of rows whose label is a most probable one.

    Args:
        probabilities: `(rows, labels)`.
        predicted: The rows' labels, `(rows,)`.
        columns: The column of each label; None for its own.
    """
    own = predicted if columns is None else np.asarray(columns)[predicted]
    chosen = np.take_along_axis(probabilities, own[:, None], axis=1)[:, 0]
    return float((chosen >= probabilities.max(axis=1)).mean()) if len(own) else 1.0


def best_columns(probabilities: Rows, predicted: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Finds an order of columns in which most rows' labels are their most probable ones.

    The pair of label and column that most rows have is taken first, then the next of what is left:
    where some order fits nearly all rows this finds it.

    Args:
        probabilities: `(rows, labels)`.
        predicted: The rows' labels, `(rows,)`.

    Returns:
        The column of each label, `(labels,)`.
    """
    labels = probabilities.shape[1]
    counts = np.zeros((labels, labels))
    np.add.at(counts, (predicted, probabilities.argmax(axis=1)), 1)
    counts += 0.5 * np.eye(labels)  # what no row speaks of stays in its place, where that is free
    columns = np.zeros(labels, np.int64)
    for _ in range(labels):
        label, column = np.unravel_index(counts.argmax(), counts.shape)
        columns[label] = column
        counts[label, :] = counts[:, column] = -1
    return columns


def known_order(
    probabilities: Rows,
    predicted: npt.NDArray[Any],
    names: Sequence[str],
    orders: Mapping[str, Sequence[str]],
) -> tuple[str, float] | None:
    """Finds which known order of labels fits best.

    Args:
        probabilities: `(rows, labels)`.
        predicted: The rows' labels, `(rows,)`.
        names: The labels in the order that was read.
        orders: Orders of the same labels, by what they are called.

    Returns:
        What the order is called, and its agreement; None where none is of these labels.
    """
    found = [
        (agreement(probabilities, predicted, [list(order).index(n) for n in names]), called)
        for called, order in orders.items()
        if set(order) == set(names)
    ]
    share, called = max(found, default=(0.0, ""))
    return (called, share) if found else None


def warn_of_order(
    file: str,
    probabilities: Rows,
    predicted: npt.NDArray[Any],
    names: Sequence[str],
    orders: Mapping[str, Sequence[str]],
) -> bool:
    """Warns where a file's labels and its probabilities contradict each other.

    Args:
        file: What the file is called.
        probabilities: `(rows, labels)`.
        predicted: The rows' labels, `(rows,)`.
        names: The labels in the order that was read.
        orders: Known orders by what is said of them: what they are, and the option that reads
            them.

    Returns:
        Whether it warned.
    """
    now = agreement(probabilities, predicted)
    if 1 - now <= _TOLERATED:
        return False
    rows = round((1 - now) * len(predicted))
    text = f"in {rows:,} of {len(predicted):,} rows of {file} pred_label is not the most probable"
    text += " class, and AUPRC goes by the probabilities"
    best = agreement(probabilities, predicted, best_columns(probabilities, predicted))
    if best - now < _BETTER:
        warn(text)
        return True
    text += f": in another order of the labels only {1 - best:.1%} would differ"
    known = known_order(probabilities, predicted, names, orders)
    if known is not None and known[1] >= best - _KNOWN:
        warn(f"{text}, and it is {known[0]}")
    else:
        warn(f"{text}; name the file of labels that its probabilities follow (--labels FILE)")
    return True
