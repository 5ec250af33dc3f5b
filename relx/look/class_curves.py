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
    from relx.scoring.one_of import ClassScores, Scores

COLUMNS = 6
# Inches of a panel, and from one panel to the next.
SIDE = 1.4
RIGHT, DOWN = 1.75, 1.85
LETTERS = 28  # of a label that fit above a panel


@dataclass(frozen=True, slots=True)
class ClassCurve:
    """A class's precision-recall curve and what is shown with it.

    Args:
        label: The class.
        curve: The curve, at the points where it bends.
        figures: The class's scores.
        share: The class's share of the rows, which is the precision of guessing.
    """

    label: str
    curve: PrecisionRecall
    figures: ClassScores
    share: float


def class_curves(rows: ScoredRows, scores: Scores) -> list[ClassCurve]:
    """Computes every class's curve.

    Args:
        rows: The scored rows.
        scores: Their scores.

    Returns:
        The curves in label order.
    """
    return [
        ClassCurve(
            label,
            precision_recall(rows.gold == index, rows.probabilities[:, index]).corners(),
            figures,
            figures.support / scores.rows,
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
        note="The point is what the predictions reach; the dashed line is guessing.",
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
