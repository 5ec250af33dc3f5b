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
from relx.look.report.page import WHOLE, seen_in_training
from relx.scoring.comparison import McNemar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.score import ScoredRows
    from relx.scoring.intervals import Difference

COLORS = (FIRST, SECOND, THIRD, FOURTH)
DIGITS = 12  # of a digest or commit, in the table of settings
LONGEST = 120  # characters of a list there
UNKNOWN = "–"
_COLUMNS = ("difference", "low", "high", "p")


def comparison_plots(result: ComparedPredictions) -> list[Plot]:
    """Draws the differences of the scores, and of each other side those of the classes' F1."""
    numbered = enumerate(result.others, 1)
    return [scores_plot(result), *(classes_plot(result, other, n) for n, other in numbered)]


def scores_plot(result: ComparedPredictions) -> Plot:
    """Draws by how much each score is higher than the reference's, with its interval."""
    sides, titles = result.others, result.reference.scores().titles
    names = [name for name in titles if any(name in other.scores for other in sides)]
    figure, axes = new_figure(7.0, 1.3 + 0.22 * len(names) * (len(sides) + 0.6))
    for place, other in enumerate(sides):
        offset = (place - (len(sides) - 1) / 2) * 0.8 / len(sides)
        known = [at for at, name in enumerate(names) if name in other.scores]
        values = [other.scores[names[at]] for at in known]
        color = COLORS[place % len(COLORS)]
        _forest(axes, np.array(known) + offset, values, color, drawable(other.rows.name))
    axes.set_yticks(np.arange(len(names)), [titles[name] for name in names])
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
            if name in other.scores
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
        "without": _without(result.sides),
        "many": reference.many,
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


def _without(sides: Sequence[ScoredRows]) -> str:
    """Says what is left out because some sides are answers without probabilities."""
    names = [side.name for side in sides if side.probabilities is None]
    if not names:
        return ""
    has = "holds" if len(names) == 1 else "hold"
    return (
        f"{' and '.join(names)} {has} labels and no probabilities: there is no AUPRC of it, and "
        "no difference to it. The file that relx predict --probs writes has them."
    )


def _score_rows(result: ComparedPredictions) -> list[dict[str, Any]]:
    """Returns a row a score: its value of each side, and the difference of each other side."""
    scores = [side.scores() for side in result.sides]
    return [
        {
            "name": title,
            "values": [_score(getattr(own, name)) for own in scores],
            "differences": [_printed(other.scores.get(name)) for other in result.others],
        }
        for name, title in scores[0].titles.items()
    ]


def _score(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _printed(value: Difference | None) -> dict[str, str]:
    """Returns a difference as text, and its sign where chance does not explain it: `up`, `down`."""
    if value is None:
        return {"value": UNKNOWN, "interval": "", "p": "", "sign": ""}
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
    different = "different labels" if result.reference.many else "a different label"
    return {
        "name": other.rows.name,
        "plot": f"class-differences-{number}",
        "mcnemar": other.mcnemar,
        "verdict": verdict(other.mcnemar, result.reference.name, other.rows.name),
        "changed": f"{changed:,} of {len(other.kinds):,} rows have {different}: "
        f"{counts['fixed']:,} fixed, {counts['broken']:,} broken, {counts['otherwise']:,} wrong "
        "before and after.",
        "classes": _class_rows(result, other),
        "labels": _label_rows(result, other),
    }


def _label_rows(result: ComparedPredictions, other: PairedComparison) -> list[dict[str, str]]:
    """Returns a row a label of those that a row may have any number of: what changed of it."""
    before, after = result.reference.scores().classes, other.rows.scores().classes
    return [
        {
            "label": label,
            "before": f"{before[label].predicted:,}",
            "after": f"{after[label].predicted:,}",
            "fixed": f"{test.second:,}",
            "broken": f"{test.first:,}",
            "p": f"{test.p:.3g}",
            "test": test.test,
            "sign": _direction(test),
        }
        for label, test in other.labels.items()
    ]


def _direction(test: McNemar) -> str:
    if test.p >= 0.05:
        return ""
    return "up" if test.second > test.first else "down"


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
            "auprc": _printed(other.classes[label].get("auprc")),
        }
        for label in order
    ]


def predicted_probabilities(side: ScoredRows, rows: npt.NDArray[np.intp]) -> list[Any] | None:
    """Returns the probabilities of what a side predicts, as the page's script reads them.

    Args:
        side: The side.
        rows: Which rows, as indices.

    Returns:
        Whole numbers of 1/10,000: of each row's label, or a list of those of all labels where a
        row may have any number; None where the side has no probabilities.
    """
    if side.probabilities is None:
        return None
    shares = side.probabilities[rows]
    if not side.many:
        shares = shares[np.arange(len(rows)), side.predicted[rows]]
    found: list[Any] = np.rint(WHOLE * shares).astype(int).tolist()
    return found


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
