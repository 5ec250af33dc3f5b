"""Plots of scored rows: the confusion matrix, the classes, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relx.look.plots import (
    FAINT,
    FIRST,
    SECOND,
    THIRD,
    Plot,
    empty_figure,
    heat_map,
    new_figure,
)
from relx.look.relation.class_curves import label_text, width_of
from relx.scoring.curves import (
    Reliability,
    confusion,
    reliability,
)

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.score import ScoredRows
    from relx.scoring.intervals import Interval
    from relx.scoring.one_of import ClassScores, Scores

OTHER = "other"  # the group of labels without a colon
LETTERS = 40  # of a label that a plot leaves room for
LARGEST = 30.0  # inches of a confusion matrix, however many labels there are
STEPS = 20  # bars of the histogram of confidence
Intervals_ = Mapping[str, Mapping[str, "Interval"]]


@dataclass(frozen=True, slots=True)
class Group:
    """Labels that belong together: those of a kind of subject, such as `org`.

    Args:
        name: The part of the labels before the colon; the negative label is a group of its own.
        labels: The labels' ids.
    """

    name: str
    labels: tuple[int, ...]


def label_groups(labels: LabelList) -> list[Group]:
    """Groups labels by the part before the colon.

    Args:
        labels: The label list.

    Returns:
        The groups in the order of their first labels, but the negative label's first.
    """
    members: dict[str, list[int]] = {} if labels.negative is None else {labels.negative: []}
    for index, name in enumerate(labels.names):
        head, colon, _ = name.partition(":")
        group = name if name == labels.negative else head if colon else OTHER
        members.setdefault(group, []).append(index)
    return [Group(name, tuple(indices)) for name, indices in members.items()]


def confusion_plot(rows: ScoredRows) -> Plot:
    """Draws the confusion matrix: counts in cells whose colour is their share of the gold label."""
    counts = confusion(rows.gold, rows.predicted, len(rows.labels))
    support = counts.sum(axis=1)
    groups = label_groups(rows.labels)
    order = [
        index
        for group in groups
        for index in sorted(group.labels, key=lambda index: -support[index])
    ]
    names = [label_text(rows.labels.names[index], LETTERS) for index in order]
    shown = counts[np.ix_(order, order)]
    shares = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    texts = [[str(count) if count else "" for count in line] for line in shown.tolist()]
    size = min(max(4.0, 0.8 + 0.3 * len(names) + max(map(width_of, names))), LARGEST)
    figure, axes = new_figure(size, size)
    # The root lets a cell of a few percent be seen beside the diagonal.
    heat_map(axes, np.sqrt(shares), names, names, highest=1.0, texts=texts)
    axes.set_aspect("equal")
    for border in np.cumsum([len(group.labels) for group in groups])[:-1]:
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
    counts: np.ndarray, labels: LabelList
) -> list[tuple[str, str, int, float, float]]:
    by_gold = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    by_predicted = 100 * counts / np.maximum(counts.sum(axis=0, keepdims=True), 1)
    return [
        (gold, predicted, int(counts[i, j]), float(by_gold[i, j]), float(by_predicted[i, j]))
        for i, gold in enumerate(labels.names)
        for j, predicted in enumerate(labels.names)
    ]


def classes_plot(scores: Scores, intervals: Intervals_) -> Plot:
    """Draws each class's precision, recall, and F1 with its interval, the frequent ones on top."""
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
    # A page writes the labels in its reader's font, which may be wider than the one measured here.
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


def _class_row(row: ClassScores) -> tuple[float, ...]:
    return tuple(getattr(row, name) for name in _CLASS_COLUMNS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the confidence in the predicted labels can be trusted.

    Args:
        confidence: The probability of each row's predicted label, `(rows,)`.
        right: Whether each prediction is right, `(rows,)`.
        by_width: Bins as wide as each other.
        by_mass: Bins of as many rows each.
    """

    confidence: np.ndarray
    right: np.ndarray
    by_width: Reliability
    by_mass: Reliability


def calibration_of(rows: ScoredRows) -> Calibration:
    """Measures the calibration of scored rows."""
    confidence = rows.probabilities[np.arange(len(rows.gold)), rows.predicted]
    right = rows.gold == rows.predicted
    by_mass = reliability(confidence, right, equal_mass=True)
    return Calibration(confidence, right, reliability(confidence, right), by_mass)


def reliability_plot(calibration: Calibration) -> Plot:
    """Draws how often predictions of each confidence are right."""
    figure = empty_figure(5.4, 4.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    bins = calibration.by_width
    width = bins.high - bins.low
    above.bar(bins.low, bins.accuracy, width, align="edge", color=FIRST, alpha=0.45, label="right")
    above.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    mass = calibration.by_mass
    above.scatter(mass.confidence, mass.accuracy, s=22, color=SECOND, zorder=3, clip_on=False)
    above.set_ylabel("share that is right")
    above.set_ylim(0, 1)
    below.bar(bins.low, bins.count, width, align="edge", color=FAINT)
    below.set_ylabel("rows")
    below.set_xlabel("confidence: probability of the predicted label")
    below.set_xlim(0, 1)
    return Plot(
        name="reliability",
        title=f"Reliability: ECE {bins.ece:.2f} %",
        figure=figure,
        columns=("bins", "from", "to", "rows", "confidence", "right"),
        rows=[*_bin_rows("equal width", bins), *_bin_rows("equal mass", mass)],
        note="Bars are bins as wide as each other, points bins of as many rows each; on the dashed "
        "line the predictions are right as often as their probability says.",
    )


def _bin_rows(kind: str, bins: Reliability) -> list[tuple[str, float, float, int, float, float]]:
    columns = (bins.low, bins.high, bins.count, bins.confidence, bins.accuracy)
    return [(kind, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def confidence_plot(calibration: Calibration) -> Plot:
    """Draws how many rows are right and wrong at each confidence."""
    edges = np.linspace(0, 1, STEPS + 1)
    right = np.histogram(calibration.confidence[calibration.right], edges)[0]
    wrong = np.histogram(calibration.confidence[~calibration.right], edges)[0]
    figure, axes = new_figure(5.4, 4.0)
    axes.bar(edges[:-1], right, 1 / STEPS, align="edge", color=FIRST, label="right")
    axes.bar(edges[:-1], wrong, 1 / STEPS, right, align="edge", color=SECOND, label="wrong")
    figure.legend(loc="outside upper left", ncols=2)
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence: probability of the predicted label")
    axes.set_ylabel("rows")
    axes.grid(False, axis="x")
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), right.tolist(), wrong.tolist(), strict=True)
    return Plot(
        name="confidence",
        title="Right and wrong predictions by confidence",
        figure=figure,
        columns=("from", "to", "right", "wrong"),
        rows=list(rows),
    )
