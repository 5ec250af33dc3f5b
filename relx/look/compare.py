"""What every page of `relx compare` shows, whatever the task: differences, tests, settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.compare import ABSENT, ComparedPredictions, PairedComparison, Setting
from relx.look.font import drawable
from relx.look.plots import (
    FAINT,
    FIRST,
    FOURTH,
    GRID,
    SECOND,
    THIRD,
    Plot,
    new_figure,
)
from relx.look.report import TITLES, seen_in_training
from relx.scoring.comparison import McNemar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.score import ScoredRows
    from relx.scoring.intervals import Difference

COLORS = (FIRST, SECOND, THIRD, FOURTH)
DIGITS = 12  # of a digest or commit, in the table of settings
LONGEST = 120  # characters of a list there
_COLUMNS = ("difference", "low", "high", "p")


def comparison_plots(result: ComparedPredictions) -> list[Plot]:
    """Draws the differences of the scores, and of each other side those of the classes' F1."""
    numbered = enumerate(result.others, 1)
    return [scores_plot(result), *(classes_plot(result, other, n) for n, other in numbered)]


def scores_plot(result: ComparedPredictions) -> Plot:
    """Draws by how much each score is higher than the reference's, with its interval."""
    names, sides = list(TITLES), result.others
    figure, axes = new_figure(7.0, 1.3 + 0.22 * len(names) * (len(sides) + 0.6))
    for place, other in enumerate(sides):
        offset = (place - (len(sides) - 1) / 2) * 0.8 / len(sides)
        values = [other.scores[name] for name in names]
        color = COLORS[place % len(COLORS)]
        _forest(axes, np.arange(len(names)) + offset, values, color, drawable(other.rows.name))
    axes.set_yticks(np.arange(len(names)), [TITLES[name] for name in names])
    _finish(axes, len(names), f"percentage points above {drawable(result.reference.name)}")
    if len(sides) > 1:
        figure.legend(loc="outside upper center", ncols=min(3, len(sides)))
    return Plot(
        name="score-differences",
        title=f"Scores minus those of {result.reference.name}, with 95 % intervals",
        figure=figure,
        columns=("name", "score", *_COLUMNS),
        rows=[
            (other.rows.name, name, *_numbers(other.scores[name]))
            for other in sides
            for name in names
        ],
        note="Where the interval excludes 0, chance alone does not explain the difference.",
    )


def classes_plot(result: ComparedPredictions, other: PairedComparison, number: int) -> Plot:
    """Draws each class's difference of F1, the gains on top."""
    found = [(label, figures["f1"]) for label, figures in other.classes.items()]
    found.sort(key=lambda pair: -pair[1].value)
    figure, axes = new_figure(7.5, 1.1 + 0.22 * len(found))
    color = COLORS[(number - 1) % len(COLORS)]
    _forest(axes, np.arange(len(found)), [value for _, value in found], color, "F1")
    axes.set_yticks(np.arange(len(found)), [drawable(label) for label, _ in found])
    _finish(axes, len(found), "percentage points of F1")
    return Plot(
        name=f"class-differences-{number}",
        title=f"F1 of each class: {other.rows.name} minus {result.reference.name}",
        figure=figure,
        columns=("label", "score", *_COLUMNS),
        rows=[
            (label, name, *_numbers(value))
            for label, figures in other.classes.items()
            for name, value in figures.items()
        ],
        note=f"Of {len(found)} such intervals, one in twenty excludes 0 by chance.",
    )


def _forest(
    axes: Axes,
    places: npt.NDArray[Any],
    values: Sequence[Difference],
    color: str,
    label: str,
) -> None:
    """Draws values as points with their intervals, one below the other."""
    lows, highs = [value.low for value in values], [value.high for value in values]
    axes.hlines(places, lows, highs, color=color, alpha=0.4, linewidth=4)
    points = [value.value for value in values]
    axes.scatter(points, places, s=26, color=color, label=label, zorder=3)


def _finish(axes: Axes, lines: int, words: str) -> None:
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.grid(axis="y", color=GRID, linewidth=0.4)
    axes.set_ylim(lines - 0.5, -0.5)
    axes.set_xlabel(words)
    axes.tick_params(axis="y", length=0)


def _numbers(value: Difference) -> tuple[float, ...]:
    return value.value, value.low, value.high, value.p


def comparison_context(result: ComparedPredictions) -> dict[str, Any]:
    """Returns what the template `compare.html` reads, but for the pictures and the rows.

    Args:
        result: What to show.

    Returns:
        The names and values; figures are as they are printed.
    """
    reference = result.reference
    names = [side.name for side in result.sides]
    return {
        "title": f"{', '.join(names[1:])} beside {names[0]}",
        "lead": f"{len(reference.gold):,} rows of {reference.gold_file}; every difference is to "
        f"{names[0]}, in percentage points. {_cautions(result.sides)}".rstrip(),
        "names": names,
        "scores": _score_rows(result),
        "others": [_other(result, other, n) for n, other in enumerate(result.others, 1)],
        "draws": f"{result.draws:,}",
        "runs": result.runs,
        "settings": [_setting_row(setting) for setting in result.settings],
    }


def _cautions(sides: Sequence[ScoredRows]) -> str:
    """Says what these rows cannot show of the runs that predicted them."""
    names: dict[str, list[str]] = {"chosen by": [], "trained on": [], "no": []}
    for side in sides:
        if side.found:
            names[seen_in_training(side, side.found.manifest)].append(side.name)
    chose, trained = (" and ".join(names[how]) for how in ("chosen by", "trained on"))
    told = []
    if chose:
        told.append(
            f"{chose} chose the epoch by these rows, and may do a little worse on new ones."
        )
    if trained:
        told.append(f"{trained} was trained on these rows, which tells nothing about new ones.")
    return " ".join(told)


def _score_rows(result: ComparedPredictions) -> list[dict[str, Any]]:
    """Returns a row a score: its value of each side, and the difference of each other side."""
    scores = [side.scores() for side in result.sides]
    return [
        {
            "name": title,
            "values": [f"{getattr(own, name):.2f}" for own in scores],
            "differences": [_printed(other.scores[name]) for other in result.others],
        }
        for name, title in TITLES.items()
    ]


def _printed(value: Difference) -> dict[str, str]:
    """Returns a difference as text, and its sign where chance does not explain it: `up`, `down`."""
    sign = "up" if value.low > 0 else "down" if value.high < 0 else ""
    return {
        "value": f"{value.value:+.2f}",
        "interval": f"{value.low:+.2f} to {value.high:+.2f}",
        "p": f"{value.p:.3f}",
        "sign": sign,
    }


def _other(result: ComparedPredictions, other: PairedComparison, number: int) -> dict[str, Any]:
    counts = other.changed()
    changed = sum(counts.values())
    return {
        "name": other.rows.name,
        "plot": f"class-differences-{number}",
        "mcnemar": other.mcnemar,
        "verdict": verdict(other.mcnemar, result.reference.name, other.rows.name),
        "changed": f"{changed:,} of {len(other.kinds):,} rows have a different label: "
        f"{counts['fixed']:,} fixed, {counts['broken']:,} broken, {counts['otherwise']:,} wrong "
        "before and after.",
        "classes": _class_rows(result, other),
    }


def verdict(test: McNemar, first: str, second: str) -> str:
    """Says in a sentence what McNemar's test says of two names."""
    how = "exact binomial test"
    if test.statistic is not None:
        how = f"chi-square with continuity correction, {test.statistic:.2f}"
    if test.first == test.second:
        words = "Both have equally many rows right"
    else:
        better, worse = (first, second) if test.first > test.second else (second, first)
        words = f"{better} has more rows right than {worse}"
        words += ", which may be chance" if test.p >= 0.05 else ", more than chance would explain"
    return f"{words} (p = {test.p:.3g}; {how})."


def _class_rows(result: ComparedPredictions, other: PairedComparison) -> list[dict[str, Any]]:
    """Returns a row a class, the largest differences of F1 first."""
    before, after = result.reference.scores().classes, other.rows.scores().classes
    order = sorted(other.classes, key=lambda label: -abs(other.classes[label]["f1"].value))
    return [
        {
            "label": label,
            "support": f"{before[label].support:,}",
            "before": f"{before[label].f1:.1f}",
            "after": f"{after[label].f1:.1f}",
            "f1": _printed(other.classes[label]["f1"]),
            "auprc": _printed(other.classes[label]["auprc"]),
        }
        for label in order
    ]


def _setting_row(setting: Setting) -> dict[str, Any]:
    return {"key": setting.key, "cells": [_shown(setting.key, value) for value in setting.values]}


def _shown(key: str, value: Any) -> str:
    if value is ABSENT:
        return "–"
    if isinstance(value, str):
        is_digest = key.endswith(("digest", "commit", "revision"))
        return value[:DIGITS] if is_digest else value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
