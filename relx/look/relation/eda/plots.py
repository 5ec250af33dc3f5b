"""The plots of the page about a task's data."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.font import drawable
from relx.look.plots import (
    DPI,
    FAINT,
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    Plot,
    empty_figure,
    heat_map,
    new_figure,
)
from relx.look.relation.eda.entity_types import TypeTable
from relx.look.relation.eda.file_facts import character_lengths
from relx.look.relation.eda.findings import Cloud, Findings
from relx.look.relation.eda.label_shares import LabelShares
from relx.look.relation.eda.task_data import ROLES
from relx.look.relation.eda.words import CLOUD_SIZE, TellingWord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"train": FIRST, "dev": THIRD, "test": FOURTH, "predicted": SECOND}
SERIES = {"train": "train", "dev": "dev", "predicted": "test, as predicted"}
CLOUDS = {"subject": "Subjects", "object": "Objects", "context": "Words around them"}
PANEL_ROWS = 8
LONGEST_WORD = 18  # letters of a word in a figure
MOST_LABELS = 60  # labels with panels and clouds of their own
BINS = 48


def plots(found: Findings, clouds: Mapping[str, Mapping[str, Cloud]]) -> list[Plot]:
    """Draws everything that is shown as a picture.

    Args:
        found: What was found.
        clouds: The clouds by label and role.

    Returns:
        The plots, in the page's order.
    """
    drawn = [share_plot(found.shares), types_plot(found.types), *length_plots(found)]
    drawn.append(telling_plot(found.telling, found.types.labels))
    drawn += [entities_plot(found.entities[role], found.types.labels, role) for role in ROLES]
    drawn += [clouds_plot(clouds, role) for role in CLOUDS]
    return drawn


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


def types_plot(types: TypeTable) -> Plot:
    """Draws in what share of a label's rows the entities are of which types."""
    percent = types.percent()
    texts = [[percent_text(value) for value in row] for row in percent]
    # The arrow is barely visible in some fonts.
    names = [type_heading(group, name).replace("→", ">") for group, name in types.columns]
    width, height = 2.6 + 0.3 * len(names), 1.4 + 0.19 * len(types.labels)
    figure, axes = new_figure(max(width, 4.0), height)
    heat_map(axes, percent, types.labels, names, 100.0, texts)
    groups = [group for group, _ in types.columns]
    for at in range(1, len(groups)):
        if groups[at] != groups[at - 1]:
            axes.axvline(at, color=FAINT, linewidth=1)
    rows = [
        (label, group, name, int(types.counts[i, j]), round(float(percent[i, j]), 3))
        for i, label in enumerate(types.labels)
        for j, (group, name) in enumerate(types.columns)
    ]
    columns = ("label", "group", "types", "rows", "percent_of_label")
    note = "In percent of the label's rows of train."
    if types.left_out:
        note += f" {types.left_out} rarer pairs of types have no column."
    return Plot("types", "Entity types by label", figure, columns, rows, note)


def type_heading(group: str, name: str) -> str:
    """Heads a column of the type table: whether the type is the subject's or the object's."""
    return {"subject": f"{name} →", "object": f"→ {name}"}.get(group, name)


def percent_text(value: float) -> str:
    """Writes a percentage in a cell: whole, nothing for 0, `<1` below 1."""
    return "" if not value else "<1" if value < 1 else f"{value:.0f}"


def length_plots(found: Findings) -> list[Plot]:
    """Draws how long the rows are, in characters and, where there is a tokenizer, in tokens."""
    characters = {role: character_lengths(rows) for role, rows in found.data.files.items()}
    drawn = [_lengths_plot("lengths-characters", "Lengths in characters", characters, None)]
    if not found.tokens.missing:
        window = found.tokens.window
        title = "Lengths in tokens"
        drawn.append(_lengths_plot("lengths-tokens", title, found.tokens.lengths, window))
    return drawn


def _lengths_plot(name: str, title: str, lengths: Mapping[str, Any], window: int | None) -> Plot:
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
    axes.set_xlabel(title.removeprefix("Lengths in "))
    axes.set_ylabel("percent of the rows")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0)
    rows = list(zip(edges[:-1].tolist(), edges[1:].tolist(), *counts.values(), strict=True))
    columns = ("from", "below", *(f"{role}_rows" for role in counts))
    return Plot(name, title, figure, columns, rows)


def telling_plot(telling: Mapping[str, Sequence[TellingWord]], labels: Sequence[str]) -> Plot:
    """Draws the words that give each label away."""
    panels = {
        label: [(word.word, word.z) for word in telling[label][:PANEL_ROWS]]
        for label in labels[:MOST_LABELS]
    }
    rows = [
        (label, rank, w.word, w.part, round(w.z, 4), round(w.ratio, 4), w.rows, w.all_rows)
        for label, words in telling.items()
        for rank, w in enumerate(words, 1)
    ]
    columns = ("label", "rank", "word", "part", "z", "log_odds", "label_rows", "all_rows")
    note = (
        "z-scores of the log-odds ratio against all other labels, with the whole corpus as the "
        "prior; entities are left out."
    )
    title = "Words that give a label away"
    return Plot("telling-words", title, _panels(panels, "{:.1f}"), columns, rows, note)


def entities_plot(
    entities: Mapping[str, Sequence[tuple[str, int]]], labels: Sequence[str], role: str
) -> Plot:
    """Draws the most frequent subjects or objects of each label."""
    panels = {label: list(entities[label][:PANEL_ROWS]) for label in labels[:MOST_LABELS]}
    rows = [
        (label, rank, word, count)
        for label in labels
        for rank, (word, count) in enumerate(entities[label], 1)
    ]
    columns = ("label", "rank", role, "rows")
    title = f"Most frequent {role}s"
    return Plot(f"{role}s", title, _panels(panels, "{:,}"), columns, rows, "Rows of train.")


def _panels(groups: Mapping[str, Sequence[tuple[str, float]]], form: str) -> Figure:
    """Draws a small bar chart a label, three in a row, all in one pair of axes: that is quick."""
    across, down = 3, max(math.ceil(len(groups) / 3), 1)
    step = PANEL_ROWS + 2.2
    figure, axes = _filled(9.0, 0.16 * step * down)
    for place, (label, words) in enumerate(groups.items()):
        left, top = place % across, place // across * step
        title: dict[str, Any] = {"fontsize": 8.5, "va": "center", "color": FIRST}
        axes.annotate(drawable(label), (left + 0.42, top), **title)
        highest = max((value for _, value in words), default=1) or 1
        at = top + 1 + np.arange(len(words))
        lengths = [0.42 * value / highest for _, value in words]
        axes.barh(at, lengths, 0.7, left + 0.42, color=FIRST, alpha=0.75)
        for y, length, (word, value) in zip(at, lengths, words, strict=True):
            shown = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"
            text: dict[str, Any] = {"fontsize": 6.5, "va": "center"}
            axes.annotate(drawable(shown), (left + 0.41, y), ha="right", **text)
            end = (left + 0.43 + length, y)
            axes.annotate(form.format(value), end, color=FAINT, **text)
    axes.set_xlim(0, across)
    axes.set_ylim(step * down - 0.5, -0.8)
    return figure


def _filled(width: float, height: float) -> tuple[Figure, Axes]:
    """Makes axes as large as their figure; a layout would have to measure every text in them."""
    figure = empty_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    return figure, axes


def clouds_plot(clouds: Mapping[str, Mapping[str, Cloud]], role: str) -> Plot:
    """Draws the clouds of one role, a label each, in one picture."""
    own = {label: roles[role] for label, roles in clouds.items() if role in roles}
    width, height = CLOUD_SIZE
    across, head = 5, 30  # clouds in a row, and pixels of a title
    down = max(math.ceil(len(own) / across), 1)
    size = (across * width, down * (height + head))
    figure, axes = _filled(size[0] / DPI, size[1] / DPI)
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    for place, (label, drawn) in enumerate(own.items()):
        left, top = place % across * width, place // across * (height + head)
        canvas[top + head : top + head + height, left : left + width] = _pixels(drawn.png)
        middle = (left + width / 2, top + head / 2)
        axes.annotate(drawable(label), middle, ha="center", va="center", fontsize=6)
    axes.imshow(canvas, interpolation="none", aspect="auto", extent=(0, size[0], size[1], 0))
    rows = [
        (label, rank, word, count)
        for label, drawn in own.items()
        for rank, (word, count) in enumerate(drawn.words.items(), 1)
    ]
    columns = ("label", "rank", "word", "rows")
    return Plot(f"clouds-{role}", f"Word clouds: {CLOUDS[role]}", figure, columns, rows)


def _pixels(png: bytes) -> Any:
    """Reads a cloud at the size that it has on the page, `(height, width, 4)` uint8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA").resize(CLOUD_SIZE))
