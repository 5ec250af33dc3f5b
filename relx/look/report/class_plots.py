"""Plots of all classes: the confusion matrix, and precision, recall and F1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.look.plots import FAINT, FIRST, SECOND, THIRD, Plot, heat_map, new_figure
from relx.look.report.class_curves import label_text, width_of
from relx.scoring.curves import confusion

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.score import ScoredRows
    from relx.scoring.decisions.decision import LabelFigures, Scores
    from relx.scoring.intervals import Interval

LETTERS = 40  # of a label that a plot leaves room for
LARGEST = 30.0  # inches of a confusion matrix, however many labels there are

ClassIntervals = Mapping[str, Mapping[str, "Interval"]]


def confusion_plot(rows: ScoredRows, groups: Sequence[Sequence[int]]) -> Plot:
    """Draws the confusion matrix: counts, in cells coloured by their share of the gold label.

    Args:
        rows: The scored rows.
        groups: The indices of labels that belong together; every label is in one group.

    Returns:
        The plot `confusion`, its labels by group and the frequent ones first.
    """
    counts = confusion(rows.gold, rows.predicted, len(rows.labels))
    support = counts.sum(axis=1)
    order = [
        index for group in groups for index in sorted(group, key=lambda index: -support[index])
    ]
    names = [label_text(rows.labels.names[index], LETTERS) for index in order]
    shown = counts[np.ix_(order, order)]
    shares = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    texts = [[str(count) if count else "" for count in line] for line in shown.tolist()]
    size = min(max(4.0, 0.8 + 0.3 * len(names) + max(map(width_of, names))), LARGEST)
    figure, axes = new_figure(size, size)
    # The square root makes a cell of a few percent visible beside the diagonal.
    heat_map(axes, np.sqrt(shares), names, names, highest=1.0, texts=texts)
    axes.set_aspect("equal")
    for border in np.cumsum([len(group) for group in groups])[:-1]:
        axes.axhline(border, color=FAINT, linewidth=0.6)
        axes.axvline(border, color=FAINT, linewidth=0.6)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    return Plot(
        name="confusion",
        title="Confusion matrix: rows by gold and predicted label",
        figure=figure,
        columns=("gold", "predicted", "rows", "percent of gold", "percent of predicted"),
        rows=_confusion_rows(counts, rows.labels),
        note="The darker a cell, the larger its share of the gold label's rows.",
    )


def _confusion_rows(
    counts: npt.NDArray[np.int64], labels: LabelList
) -> list[tuple[str, str, int, float, float]]:
    by_gold = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    by_predicted = 100 * counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    return [
        (gold, predicted, int(counts[i, j]), float(by_gold[i, j]), float(by_predicted[i, j]))
        for i, gold in enumerate(labels.names)
        for j, predicted in enumerate(labels.names)
    ]


def classes_plot(scores: Scores, intervals: ClassIntervals) -> Plot:
    """Draws the precision, recall and F1 of each class, F1 with its interval, frequent ones first.

    Args:
        scores: The scores.
        intervals: By label and the scores of a class.

    Returns:
        The plot `classes`.
    """
    figures = sorted(scores.classes.items(), key=lambda pair: -pair[1].support)
    figure, axes = new_figure(7.5, 1.2 + 0.235 * len(figures))
    places = np.arange(len(figures))
    f1 = [intervals[name]["f1"] for name, _ in figures]
    axes.hlines(
        places,
        [interval.low for interval in f1],
        [interval.high for interval in f1],
        color=FIRST,
        alpha=0.35,
        linewidth=5,
        label="F1, 95 % interval",
    )
    for marker, color, name in (
        ("o", FIRST, "f1"),
        (">", SECOND, "precision"),
        ("d", THIRD, "recall"),
    ):
        values = [getattr(row, name) for _, row in figures]
        label = "F1" if name == "f1" else name
        axes.scatter(values, places, s=22, color=color, marker=marker, label=label, zorder=3)
    names = [f"{label_text(name, LETTERS)}  {row.support:,}" for name, row in figures]
    axes.set_yticks(places, names)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("percent")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=4)
    # A page shows the labels in its reader's font, which may be wider than the one measured here.
    figure.set_layout_engine("constrained", w_pad=0.25)
    return Plot(
        name="classes",
        title="Precision, recall and F1 of each class, with its gold rows",
        figure=figure,
        columns=("label", *_CLASS_COLUMNS, "f1 low", "f1 high"),
        rows=[
            (name, *_class_row(row), intervals[name]["f1"].low, intervals[name]["f1"].high)
            for name, row in scores.classes.items()
        ],
    )


_CLASS_COLUMNS = ("precision", "recall", "f1", "auprc", "support", "predicted")


def _class_row(row: LabelFigures) -> tuple[float, ...]:
    return tuple(getattr(row, name) for name in _CLASS_COLUMNS)
