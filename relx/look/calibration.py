"""Whether probabilities can be trusted: the reliability diagram, and mistakes by confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.look.plots import FAINT, FIRST, SECOND, Plot, empty_figure, new_figure
from relx.scoring.curves import Reliability, reliability

if TYPE_CHECKING:
    from relx.score import ScoredRows

STEPS = 20  # bars of the histogram of confidence


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the confidence in predicted labels can be trusted.

    Args:
        confidence: The probability of each row's predicted label, `(rows,)`.
        right: Whether each prediction is right, `(rows,)`.
        by_width: Bins that are equally wide.
        by_mass: Bins of equally many rows.
    """

    confidence: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
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
