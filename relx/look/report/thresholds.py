"""What each label's F1 is at each cut-off, drawn, with the cut-off that was chosen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.plots import FAINT, FIRST, SECOND, THIRD, Plot, empty_figure
from relx.scoring.decisions.thresholds import Cuts, best_runs, cuts_of, label_f1

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.score import ScoredRows

COLUMNS = 4  # of small plots
POINTS = 512  # of a curve that are drawn; the CSV has them too


def threshold_plot(rows: ScoredRows) -> Plot:
    """Draws each label's F1 against its cut-off.

    Args:
        rows: Labelled rows with probabilities, of a decision that takes cut-offs.

    Returns:
        The plot `thresholds`: a small one a label; the cut-offs of the highest F1 are shaded, and
        a line stands at the one that the decision has.

    Raises:
        InputError: There are no probabilities.
    """
    shares, gold = rows.require_probabilities("the thresholds' plot"), rows.gold_cells
    names, cutoffs = rows.labels.names, rows.decision.cut_at(rows.labels)
    lines = math.ceil(len(names) / COLUMNS)
    figure = empty_figure(2.2 * COLUMNS, 1.9 * lines + 0.4)
    every = figure.subplots(lines, COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
    numbers: list[tuple[Any, ...]] = []
    for index, name in enumerate(names):
        cut = cutoffs[index] if cutoffs is not None else None
        cuts = cuts_of(shares[:, index], gold[:, index])
        _draw(every[index], name, cuts, cut)
        numbers += _points(name, cuts)
    for axes in every[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("cut-off", fontsize=9)
    figure.supylabel("F1, percent", fontsize=9)
    return Plot(
        name="thresholds",
        title="Each label's F1 by its cut-off",
        figure=figure,
        columns=("label", "cut-off", "f1", "predicted", "true positives", "gold"),
        rows=numbers,
        note="Shaded: the cut-offs of the highest F1. Dashed: the cut-off that is used.",
    )


def _draw(axes: Axes, name: str, cuts: Cuts, cutoff: float | None) -> None:
    from relx.look.report.class_curves import label_text

    f1 = 100 * label_f1(cuts)
    highs, lows = np.minimum(cuts.high, 1), np.maximum(cuts.low, 0)
    # A cut holds from its low to its high: F1 is a staircase over the cut-offs.
    axes.step(np.append(highs, lows[-1]), np.append(f1, f1[-1]), where="post", color=FIRST, lw=1.2)
    for first, last in best_runs(f1) if cuts.support else []:
        axes.axvspan(lows[last], highs[first], color=THIRD, alpha=0.3, lw=0)
    if cutoff is not None:
        axes.axvline(cutoff, color=SECOND, lw=1.2, ls=(0, (4, 2)))
    axes.set_title(label_text(name, 24), fontsize=9)
    style: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 7, "color": FAINT}
    axes.text(0.97, 0.95, f"{cuts.support:,} rows", transform=axes.transAxes, **style)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 103)


def _points(name: str, cuts: Cuts) -> list[tuple[Any, ...]]:
    """Returns the numbers of a curve, evenly many of its cuts where there are too many."""
    kept = np.unique(np.linspace(0, len(cuts.high) - 1, POINTS).round().astype(int))
    f1 = 100 * label_f1(cuts)
    return [
        (
            name,
            min(float(cuts.high[i]), 1.0),
            float(f1[i]),
            int(cuts.given[i]),
            int(cuts.hits[i]),
            cuts.support,
        )
        for i in kept
    ]
