"""Mistakes where a row may have any number of labels: which is missing where which is surplus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.look.plots import Plot, heat_map, new_figure
from relx.look.report.class_curves import label_text, width_of

if TYPE_CHECKING:
    from relx.score import ScoredRows

LETTERS = 40  # of a label that the plot leaves room for
LARGEST = 30.0  # inches
NOTHING = "(none)"

Bools = npt.NDArray[np.bool_]


def counted_mistakes(gold: Bools, predicted: Bools) -> npt.NDArray[np.int64]:
    """Counts the rows in which a label is missing and another is surplus.

    Args:
        gold: Which labels are right, `(rows, labels)`.
        predicted: Which labels were predicted, `(rows, labels)`.

    Returns:
        `(labels + 1, labels + 1)`: a row is the missing label, a column the surplus one; the last
        of each stands for none. The last cell of all is 0: rows that are right are left out.
    """
    missing, surplus = _or_none(gold & ~predicted), _or_none(predicted & ~gold)
    counts = missing.astype(np.int64).T @ surplus.astype(np.int64)
    counts[-1, -1] = 0
    return np.asarray(counts)


def _or_none(cells: Bools) -> Bools:
    """Adds a column for the rows without any, `(rows, labels + 1)`."""
    return np.column_stack([cells, ~cells.any(axis=1)])


def mistakes_plot(rows: ScoredRows) -> Plot:
    """Draws how many rows lack which label, and have which one too much.

    Args:
        rows: The scored rows.

    Returns:
        The plot `mistakes`.
    """
    counts = counted_mistakes(rows.gold_cells, rows.predicted_cells)
    named = [*rows.labels.names, NOTHING]
    names = [label_text(name, LETTERS) for name in named]
    texts = [[str(count) if count else "" for count in line] for line in counts.tolist()]
    size = min(max(4.0, 0.8 + 0.3 * len(names) + max(map(width_of, names))), LARGEST)
    figure, axes = new_figure(size, size)
    # The square root makes a cell of a few rows visible beside the commonest mistake.
    heat_map(axes, np.sqrt(counts), names, names, texts=texts)
    axes.set_aspect("equal")
    axes.set_xlabel("surplus")
    axes.set_ylabel("missing")
    return Plot(
        name="mistakes",
        title="Mistakes: rows by the label that is missing and the one that is surplus",
        figure=figure,
        columns=("missing", "surplus", "rows"),
        rows=[
            (named[i], named[j], count)
            for i, line in enumerate(counts.tolist())
            for j, count in enumerate(line)
        ],
        note="A row counts in the cell of each pair of its mistakes.",
    )
