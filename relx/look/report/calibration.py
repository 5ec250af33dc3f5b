"""Whether probabilities can be trusted: the reliability diagram, and mistakes by confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.look.plots import FAINT, FIRST, SECOND, Plot, empty_figure, new_figure
from relx.look.report.class_curves import label_text
from relx.scoring.curves import Reliability, reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.score import ScoredRows

STEPS = 20  # bars of the histogram of confidence
PANELS = 4  # labels side by side
LETTERS = 22  # of a label above its panel


@dataclass(frozen=True, slots=True)
class Words:
    """What the plots of a calibration say.

    Args:
        confidence: What the probabilities are of.
        right: What is counted for.
        wrong: What is counted against.
        rows: What is counted.
        title: Of the histogram.
        note: How the diagram is read.
    """

    confidence: str
    right: str
    wrong: str
    rows: str
    title: str
    note: str


_READ = (
    "Bars are bins as wide as each other, points bins of as many {} each; on the dashed line {} as "
    "often as {} probability says."
)
OF_PREDICTIONS = Words(
    confidence="confidence: probability of the predicted label",
    right="right",
    wrong="wrong",
    rows="rows",
    title="Right and wrong predictions by confidence",
    note=_READ.format("rows", "the predictions are right", "their"),
)
OF_CELLS = Words(
    confidence="probability of a label",
    right="has the label",
    wrong="has it not",
    rows="cells",
    title="Rows that have a label and that have it not, by its probability",
    note=_READ.format("cells", "rows have a label", "its"),
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities can be trusted.

    Args:
        confidence: The probability of each row's predicted label, `(rows,)`; where a row may have
            any number of labels, of every label of every row, `(rows × labels,)`.
        right: Whether each prediction is right, or each row has each label, likewise.
        by_width: Bins that are equally wide.
        by_mass: Bins of equally many.
        words: What the plots say.
        labels: The same bins as `by_width` of each label alone; empty where a row has one.
    """

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    by_width: Reliability
    by_mass: Reliability
    words: Words = OF_PREDICTIONS
    labels: Mapping[str, Reliability] = field(default_factory=dict)


def calibration_of(rows: ScoredRows) -> Calibration:
    """Measures the calibration of scored rows.

    Raises:
        InputError: There are no probabilities.
    """
    probabilities = rows.require_probabilities("calibration")
    if rows.many:
        return _of_cells(rows, probabilities)
    confidence = probabilities[np.arange(len(rows.gold)), rows.predicted]
    right = rows.gold == rows.predicted
    by_mass = reliability(confidence, right, equal_mass=True)
    return Calibration(confidence, right, reliability(confidence, right), by_mass)


def _of_cells(rows: ScoredRows, probabilities: npt.NDArray[np.float64]) -> Calibration:
    gold = rows.gold_cells
    score, has = probabilities.ravel(), gold.ravel()
    columns = zip(rows.labels.names, probabilities.T, gold.T, strict=True)
    labels = {name: reliability(own, true) for name, own, true in columns}
    by_mass = reliability(score, has, equal_mass=True)
    return Calibration(score, has, reliability(score, has), by_mass, OF_CELLS, labels)


def calibration_plots(calibration: Calibration) -> list[Plot]:
    """Draws the reliability diagram, that of each label where there are any, and the histogram."""
    plots = [reliability_plot(calibration), confidence_plot(calibration)]
    return [*plots, labels_plot(calibration)] if calibration.labels else plots


def reliability_plot(calibration: Calibration) -> Plot:
    """Draws how often predictions of each confidence are right."""
    figure = empty_figure(5.4, 4.8)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    bins, words = calibration.by_width, calibration.words
    _draw(above, bins)
    mass = calibration.by_mass
    above.scatter(mass.confidence, mass.accuracy, s=22, color=SECOND, zorder=3, clip_on=False)
    above.set_ylabel(_share(words))
    width = bins.high - bins.low
    below.bar(bins.low, bins.count, width, align="edge", color=FAINT)
    below.set_ylabel(words.rows)
    below.set_xlabel(words.confidence)
    below.set_xlim(0, 1)
    return Plot(
        name="reliability",
        title=f"Reliability: ECE {bins.ece:.2f} %",
        figure=figure,
        columns=("bins", "from", "to", "rows", "confidence", "right"),
        rows=[*_bin_rows("equal width", bins), *_bin_rows("equal mass", mass)],
        note=words.note,
    )


def _share(words: Words) -> str:
    return "share that is right" if words is OF_PREDICTIONS else f"share that {words.right}"


def _draw(axes: Axes, bins: Reliability) -> None:
    """Draws the bars of bins, and where they would reach if probabilities told the truth."""
    width = bins.high - bins.low
    axes.bar(bins.low, bins.accuracy, width, align="edge", color=FIRST, alpha=0.45, label="right")
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    axes.set_ylim(0, 1)


def _bin_rows(kind: str, bins: Reliability) -> list[tuple[str, float, float, int, float, float]]:
    columns = (bins.low, bins.high, bins.count, bins.confidence, bins.accuracy)
    return [(kind, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def confidence_plot(calibration: Calibration) -> Plot:
    """Draws how many rows are right and wrong at each confidence."""
    edges, words = np.linspace(0, 1, STEPS + 1), calibration.words
    right = np.histogram(calibration.confidence[calibration.right], edges)[0]
    wrong = np.histogram(calibration.confidence[~calibration.right], edges)[0]
    figure, axes = new_figure(5.4, 4.0)
    axes.bar(edges[:-1], right, 1 / STEPS, align="edge", color=FIRST, label=words.right)
    axes.bar(edges[:-1], wrong, 1 / STEPS, right, align="edge", color=SECOND, label=words.wrong)
    figure.legend(loc="outside upper left", ncols=2)
    axes.set_xlim(0, 1)
    axes.set_xlabel(words.confidence)
    axes.set_ylabel(words.rows)
    axes.grid(False, axis="x")
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), right.tolist(), wrong.tolist(), strict=True)
    return Plot(
        name="confidence",
        title=words.title,
        figure=figure,
        columns=("from", "to", words.right, words.wrong),
        rows=list(rows),
    )


def labels_plot(calibration: Calibration) -> Plot:
    """Draws the reliability diagram of each label, side by side."""
    found = calibration.labels
    across = min(PANELS, len(found))
    down = math.ceil(len(found) / across)
    figure = empty_figure(1.9 * across + 0.3, 1.9 * down + 0.3)
    for place, (name, bins) in enumerate(found.items()):
        axes = figure.add_subplot(down, across, place + 1)
        _draw(axes, bins)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"])
        axes.set_title(f"{label_text(name, LETTERS)}  {bins.ece:.2f} %", fontsize=8)
        axes.tick_params(labelsize=6.5)
    figure.supxlabel(calibration.words.confidence, fontsize=9)
    figure.supylabel(_share(calibration.words), fontsize=9)
    return Plot(
        name="label-reliability",
        title="Reliability of each label, with its ECE",
        figure=figure,
        columns=("label", "from", "to", "rows", "probability", "has the label"),
        rows=[row for name, bins in found.items() for row in _bin_rows(name, bins)],
    )
