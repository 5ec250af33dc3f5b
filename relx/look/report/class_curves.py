"""Precision-recall curves of every class, side by side and each by itself."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relx.look.font import drawable
from relx.look.plots import FAINT, FIRST, FONT_SIZE, GRID, INK, SECOND, Plot, empty_figure, svg
from relx.scoring.curves import PrecisionRecall, precision_recall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from relx.score import ScoredRows
    from relx.scoring.decisions.decision import LabelFigures, Scores

COLUMNS = 6
# Inches of a panel, and from one panel to the next.
SIDE = 1.4
RIGHT, DOWN = 1.75, 1.85
LETTERS = 28  # of a label that fit above a panel
_NOTES = {
    "chosen": "The point is what the predictions reach; the dashed line is guessing.",
    "cut": "The point is where the predictions are cut, from which probability on; the dashed "
    "line is guessing.",
}


@dataclass(frozen=True, slots=True)
class ClassCurve:
    """A class's precision-recall curve and what is shown with it.

    Args:
        label: The class.
        curve: The curve, at the points where it bends.
        figures: The class's scores.
        share: The class's share of the rows, which is the precision of guessing.
        cutoff: The probability from which on rows are given it; None where that is not how they
            are.
    """

    label: str
    curve: PrecisionRecall
    figures: LabelFigures
    share: float
    cutoff: float | None = None


def class_curves(rows: ScoredRows, scores: Scores) -> list[ClassCurve]:
    """Computes every class's curve.

    Args:
        rows: The scored rows.
        scores: Their scores.

    Returns:
        The curves in label order.

    Raises:
        InputError: There are no probabilities.
    """
    gold, probabilities = rows.gold_cells, rows.require_probabilities("a curve")
    cutoffs = rows.decision.cut_at(rows.labels) or (None,) * len(rows.labels)
    return [
        ClassCurve(
            label,
            precision_recall(gold[:, index], probabilities[:, index]).corners(),
            figures,
            figures.support / scores.rows,
            cutoffs[index],
        )
        for index, (label, figures) in enumerate(scores.classes.items())
    ]


def label_text(label: str, letters: int) -> str:
    """Returns a label as matplotlib can draw it, cut to a number of letters."""
    cut = label if len(label) <= letters else f"{label[: letters - 2]}…"
    return drawable(cut)


def width_of(text: str) -> float:
    """Returns about how many inches a text takes at the style's size: Hangul is twice as wide."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return (wide + 0.55 * (len(text) - wide)) * FONT_SIZE / 72


def curves_plot(curves: Sequence[ClassCurve]) -> Plot:
    """Draws all classes' curves side by side, each with its AUPRC.

    Args:
        curves: The curves.

    Returns:
        The plot `precision-recall`.
    """
    columns = min(COLUMNS, math.ceil(math.sqrt(1.2 * len(curves))))
    lines = math.ceil(len(curves) / columns)
    left, below, above = 0.55, 0.5, 0.35
    width = left + columns * RIGHT
    height = below + above + (lines - 1) * DOWN + SIDE
    figure, axes = _sheet(width, height)
    for place, curve in enumerate(curves):
        line, column = divmod(place, columns)
        corner = (left + column * RIGHT, height - above - SIDE - line * DOWN)
        _draw(axes, curve, corner, SIDE, SIDE)
        axes.text(
            corner[0], corner[1] + SIDE + 0.08, label_text(curve.label, LETTERS), fontsize=7.5
        )
        _write_area(axes, curve, corner)
    axes.text(width / 2, 0.08, "recall", ha="center")
    axes.text(0.1, height / 2, "precision", va="center", rotation=90)
    return Plot(
        name="precision-recall",
        title="Precision against recall of each class, with its AUPRC",
        figure=figure,
        columns=("label", "threshold", "recall", "precision"),
        rows=_points(curves),
        note=_NOTES["cut" if any(curve.cutoff is not None for curve in curves) else "chosen"],
    )


def curve_drawings(curves: Sequence[ClassCurve]) -> list[str]:
    """Draws each class's curve as a small SVG of its own.

    Args:
        curves: The curves.

    Returns:
        The markup of each.
    """
    drawings = []
    for curve in curves:
        figure, axes = _sheet(2.3, 1.75)
        _draw(axes, curve, (0.32, 0.3), 1.88, 1.36)
        axes.text(1.26, 0.06, "recall", ha="center", fontsize=8, color=FAINT)
        axes.text(0.06, 0.98, "precision", va="center", rotation=90, fontsize=8, color=FAINT)
        drawings.append(svg(figure))
    return drawings


def _sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """Makes a figure with one pair of axes, in inches: thirty pairs of axes would take seconds."""
    figure = empty_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return figure, axes


def _draw(
    axes: Axes, curve: ClassCurve, corner: tuple[float, float], width: float, height: float
) -> None:
    """Draws a curve into the panel with this lower left corner; all is in inches."""
    left, bottom = corner
    right, top = left + width, bottom + height
    for share in (0.5, 1):
        axes.plot([left, right], [bottom + share * height] * 2, color=GRID, linewidth=0.8)
        axes.plot([left + share * width] * 2, [bottom, top], color=GRID, linewidth=0.8)
    axes.plot([left, left, right], [top, bottom, bottom], color=FAINT, linewidth=0.8)
    for text, share in (("0", 0.0), (".5", 0.5), ("1", 1.0)):
        x, y = left + share * width, bottom + share * height
        axes.text(x, bottom - 0.05, text, ha="center", va="top", fontsize=6.5, color=FAINT)
        axes.text(left - 0.05, y, text, ha="right", va="center", fontsize=6.5, color=FAINT)
    if not curve.figures.support:
        place = (left + width / 2, bottom + 0.56 * height)
        axes.text(*place, "no gold rows", ha="center", fontsize=8, color=FAINT)
        return
    guess = [bottom + height * curve.share] * 2
    axes.plot([left, right], guess, color=FAINT, linestyle="--", linewidth=0.8)
    recall, precision = left + width * curve.curve.recall, bottom + height * curve.curve.precision
    axes.plot(recall, precision, color=FIRST, linewidth=1.5)
    if curve.figures.predicted:
        x = left + width * curve.figures.recall / 100
        y = bottom + height * curve.figures.precision / 100
        axes.plot(x, y, marker="o", markersize=4.5, color=SECOND)
        if curve.cutoff is not None:
            _write_cutoff(axes, curve.cutoff, (x, y), right)


def _write_cutoff(axes: Axes, cutoff: float, point: tuple[float, float], edge: float) -> None:
    """Writes a cut-off beside its point, on the side that has room."""
    x, y = point
    left = x > edge - 0.4
    text, x = f"≥ {shown_cutoff(cutoff)}", x - 0.07 if left else x + 0.07
    side = "right" if left else "left"
    axes.text(x, y - 0.03, text, ha=side, va="top", fontsize=6.5, color=INK)


def shown_cutoff(cutoff: float) -> str:
    """Returns a cut-off as pages show it."""
    return f"{cutoff:.3f}".lstrip("0") if cutoff < 1 else f"{cutoff:.0f}"


def _write_area(axes: Axes, curve: ClassCurve, corner: tuple[float, float]) -> None:
    """Writes a curve's AUPRC where a curve of this height leaves room."""
    area = curve.figures.auprc
    if not curve.figures.support or area is None:
        return
    x, y = corner[0] + 0.06, corner[1] + SIDE * curve.share + 0.06
    if area < 50:
        x, y = corner[0] + SIDE - 0.35, corner[1] + SIDE - 0.18
    axes.text(x, y, f"{area:.1f}", fontsize=7.5, color=INK)


def _points(curves: Sequence[ClassCurve]) -> list[tuple[str, float, float, float]]:
    return [
        (curve.label, *point)
        for curve in curves
        if curve.figures.support
        for point in zip(
            curve.curve.thresholds.tolist(),
            curve.curve.recall.tolist(),
            curve.curve.precision.tolist(),
            strict=True,
        )
    ]
