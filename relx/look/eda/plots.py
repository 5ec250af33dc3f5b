"""The plots of any task's page of data: label shares, and lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from relx.look.eda.findings import Findings
from relx.look.eda.label_shares import LabelShares
from relx.look.eda.lengths import character_lengths
from relx.look.font import drawable
from relx.look.plots import FAINT, FIRST, FOURTH, SECOND, THIRD, Plot, new_figure

COLORS = {"train": FIRST, "dev": THIRD, "test": FOURTH, "predicted": SECOND}
SERIES = {"train": "train", "dev": "dev", "predicted": "test, as predicted"}
BINS = 48


def share_plot(shares: LabelShares) -> Plot:
    """Draws each label's share of train next to that of the predictions."""
    series = list(shares.counts)
    size, thickness = len(shares.names), 0.8 / len(series)
    figure, axes = new_figure(7.5, 1.2 + 0.17 * size * (1 + 0.35 * (len(series) - 1)))
    for place, name in enumerate(series):
        at = np.arange(size) + (place - (len(series) - 1) / 2) * thickness
        axes.barh(at, shares.percent(name), thickness, color=COLORS[name], label=SERIES[name])
    shift = shares.shift()
    longest = np.max([shares.percent(name) for name in series], axis=0)
    for row, points in enumerate(shift if shift is not None else ()):
        axes.annotate(signed(float(points)), (longest[row], row), (4, 0), **_BESIDE)
    axes.set_yticks(np.arange(size), [drawable(name) for name in shares.names])
    axes.set_ylim(size - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel("percent of the rows")
    axes.legend(loc="lower right")
    columns = ["label"]
    for name in series:
        columns += [f"{name}_rows", f"{name}_percent"]
    cells: list[Sequence[Any]] = [shares.names]
    for name in series:
        cells += [shares.counts[name].tolist(), shares.percent(name).round(3).tolist()]
    if shift is not None:
        columns.append("shift_points")
        cells.append(shift.round(3).tolist())
    note = (
        "The figures beside the bars are the shifts in percentage points."
        if "predicted" in (series)
        else ""
    )
    rows = list(zip(*cells, strict=True))
    return Plot("label-shares", "Labels", figure, tuple(columns), rows, note)


_BESIDE: dict[str, Any] = {
    "textcoords": "offset points",
    "va": "center",
    "ha": "left",
    "fontsize": 7.5,
    "color": FAINT,
}


def signed(points: float) -> str:
    """Writes a shift with its sign, and none where it rounds to 0."""
    text = f"{points:+.1f}".replace("-", "−")
    return text if text.strip("+−0.") else "0.0"


def percent_text(value: float) -> str:
    """Writes a percentage in a cell: whole, nothing for 0, `<1` below 1."""
    return "" if not value else "<1" if value < 1 else f"{value:.0f}"


def length_plots(found: Findings[Any]) -> list[Plot]:
    """Draws how long the rows are, in characters and, where there is a tokenizer, in tokens."""
    characters = {role: character_lengths(rows) for role, rows in found.data.files.items()}
    drawn = [lengths_plot("lengths-characters", "Lengths in characters", characters)]
    if not found.tokens.missing:
        window = found.tokens.window
        title = "Lengths in tokens"
        drawn.append(lengths_plot("lengths-tokens", title, found.tokens.lengths, window))
    return drawn


def lengths_plot(
    name: str, title: str, lengths: Mapping[str, Any], window: int | None = None
) -> Plot:
    """Draws how long something is.

    Args:
        name: The plot's name.
        title: What is long, and in what: it ends in the unit.
        lengths: By file, `(rows,)` integers.
        window: Where longer rows are cut, if anywhere.

    Returns:
        The plot.
    """
    longest = max((int(own.max()) for own in lengths.values() if len(own)), default=1)
    step = math.ceil((longest + 1) / BINS)
    edges = np.arange(0, (longest // step + 2) * step, step)
    counts = {role: np.histogram(own, edges)[0] for role, own in lengths.items()}
    figure, axes = new_figure(5.6, 3.0)
    for role, own in counts.items():
        share = 100 * own / max(int(own.sum()), 1)
        axes.stairs(share, edges, color=COLORS[role], label=role, linewidth=1.4)
        axes.stairs(share, edges, color=COLORS[role], fill=True, alpha=0.15)
    if window is not None:
        axes.axvline(window, color=FAINT, linestyle="--", linewidth=1.2)
        side = "right" if window > 0.6 * edges[-1] else "left"
        place = (-4 if side == "right" else 4, -2)
        top = (window, axes.get_ylim()[1])
        beside: dict[str, Any] = {"ha": side, "va": "top", "color": FAINT, "fontsize": 8}
        axes.annotate(f"window: {window}", top, place, textcoords="offset points", **beside)
    axes.set_xlabel(title.rpartition(" in ")[2])
    axes.set_ylabel("percent of the rows")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0)
    rows = list(zip(edges[:-1].tolist(), edges[1:].tolist(), *counts.values(), strict=True))
    columns = ("from", "below", *(f"{role}_rows" for role in counts))
    return Plot(name, title, figure, columns, rows)
