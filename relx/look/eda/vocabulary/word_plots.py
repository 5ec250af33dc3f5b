"""The plots of words by label: bars in panels, and clouds."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.eda.vocabulary.clouds import CLOUD_SIZE, Cloud
from relx.look.eda.vocabulary.telling_words import TellingWord
from relx.look.font import drawable
from relx.look.plots import DPI, FAINT, FIRST, Plot, empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 60  # labels with panels and clouds of their own
PANEL_ROWS = 8
LONGEST_WORD = 18  # letters of a word in a figure


def telling_plot(
    telling: Mapping[str, Sequence[TellingWord]], labels: Sequence[str], note: str
) -> Plot:
    """Draws the words that give each label away.

    Args:
        telling: The words by label.
        labels: The labels with panels, as far as there is room.
        note: What they were compared with, and what is left out.

    Returns:
        The plot.
    """
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
    title = "Words that give a label away"
    return Plot("telling-words", title, _panels(panels, "{:.1f}"), columns, rows, note)


def frequent_plot(
    frequent: Mapping[str, Sequence[tuple[str, int]]], labels: Sequence[str], role: str
) -> Plot:
    """Draws the words that the rows of each label ask about most often.

    Args:
        frequent: The words and their rows, by label.
        labels: The labels with panels, as far as there is room.
        role: What the words are called.

    Returns:
        The plot.
    """
    panels = {label: list(frequent[label][:PANEL_ROWS]) for label in labels[:MOST_LABELS]}
    rows = [
        (label, rank, word, count)
        for label in labels
        for rank, (word, count) in enumerate(frequent[label], 1)
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


def clouds_plot(clouds: Mapping[str, Mapping[str, Cloud]], role: str, title: str) -> Plot:
    """Draws the clouds of one role, a label each, in one picture.

    Args:
        clouds: The clouds by label and role.
        role: The role.
        title: What its words are.

    Returns:
        The plot.
    """
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
    return Plot(f"clouds-{role}", f"Word clouds: {title}", figure, columns, rows)


def _pixels(png: bytes) -> Any:
    """Reads a cloud at the size that it has on the page, `(height, width, 4)` uint8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA").resize(CLOUD_SIZE))
