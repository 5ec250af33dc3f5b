"""The page of `relx compare`: plots of the differences, and the rows whose label changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.compare import ABSENT, ComparedPredictions, PairedComparison, Setting
from relx.look.font import drawable
from relx.look.page import write_page
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
from relx.look.relation.report import TITLES
from relx.scoring.comparison import KINDS, McNemar

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from relx.score import ScoredRows
    from relx.scoring.intervals import Difference
    from relx.tasks.relation.entities import Entity
    from relx.tasks.relation.rows import Example

COLORS = (FIRST, SECOND, THIRD, FOURTH)
WHOLE = 10_000  # what a probability of 1 is in the page
DIGITS = 12  # of a digest or commit, in the table of settings
LONGEST = 120  # characters of a list there
_COLUMNS = ("difference", "low", "high", "p")


def write_comparison(result: ComparedPredictions, out: Path) -> None:
    """Writes the page, and its plots and their numbers beside it.

    Args:
        result: What to show.
        out: The page.

    Raises:
        InputError: It cannot be written there.
    """
    write_page(out, "compare.html", comparison_plots(result), context(result), result.to_json())


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
        title=f"Scores less those of {result.reference.name}, with 95 % intervals",
        figure=figure,
        columns=("name", "score", *_COLUMNS),
        rows=[
            (other.rows.name, name, *_numbers(other.scores[name]))
            for other in sides
            for name in names
        ],
        note="An interval that leaves out 0 is more than chance explains.",
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
        title=f"F1 of each class: {other.rows.name} less {result.reference.name}",
        figure=figure,
        columns=("label", "score", *_COLUMNS),
        rows=[
            (label, name, *_numbers(value))
            for label, figures in other.classes.items()
            for name, value in figures.items()
        ],
        note=f"Of {len(found)} such intervals, one in twenty leaves out 0 by chance.",
    )


def _forest(axes: Axes, places: Any, values: Sequence[Difference], color: str, label: str) -> None:
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


def context(result: ComparedPredictions) -> dict[str, Any]:
    """Returns what the template reads.

    Args:
        result: What to show.

    Returns:
        Printed figures; a list an other side; the rows that changed as JSON takes them.
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
        "data": page_data(result),
    }


def _cautions(sides: Sequence[ScoredRows]) -> str:
    """Says what these rows cannot show of the runs that predicted them."""
    from relx.runs.manifest import read_manifest

    chose, trained = [], []
    for side in sides:
        data = read_manifest(side.folder).recipe["data"] if side.folder else None
        if data and side.gold_file == str(data["dev"] or f"a fold of {data['train']}"):
            chose.append(side.name)
        elif data and Path(side.gold_file).resolve() == Path(data["train"]).resolve():
            trained.append(side.name)
    told = []
    if chose:
        told.append(
            f"{' and '.join(chose)} chose the epoch by these rows, and may do a little worse"
        )
        told[-1] += " on new ones."
    if trained:
        told.append(f"{' and '.join(trained)} learnt these rows, which shows nothing of new ones.")
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
    """Returns a difference as text, and whether chance explains it: `up`, `down` or nothing."""
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
        "changed": f"{changed:,} of {len(other.kinds):,} rows have another label: "
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
        words = "They have equally many rows right"
    else:
        better, worse = (first, second) if test.first > test.second else (second, first)
        words = f"{better} has more rows right than {worse}"
        words += ", which chance may explain" if test.p >= 0.05 else ", more than chance explains"
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


def page_data(result: ComparedPredictions) -> dict[str, Any]:
    """Returns the rows whose label changed with any side, as the page's script reads them.

    Args:
        result: What to show.

    Returns:
        The names, labels and kinds, and the columns of the rows: entities are `[start, end, type]`
        in UTF-16 code units, `predicted` and `probability` (1/10,000, of the predicted label) have
        a list a side, `kind` has one an other side.
    """
    kinds = np.stack([other.kinds for other in result.others])
    rows = np.flatnonzero((kinds >= 0).any(axis=0))
    examples = [result.reference.examples[row] for row in rows]
    every = np.arange(len(rows))
    return {
        "names": [side.name for side in result.sides],
        "labels": list(result.reference.labels.names),
        "kinds": list(KINDS),
        "rows": {
            "id": [row.id for row in examples],
            "sentence": [row.sentence for row in examples],
            "subject": [_place(row, row.subject) for row in examples],
            "object": [_place(row, row.object) for row in examples],
            "gold": result.reference.gold[rows].tolist(),
            "predicted": [side.predicted[rows].tolist() for side in result.sides],
            "probability": [
                np.rint(WHOLE * side.probabilities[rows][every, side.predicted[rows]])
                .astype(int)
                .tolist()
                for side in result.sides
            ],
            "kind": kinds[:, rows].tolist(),
        },
    }


def _place(row: Example, entity: Entity) -> list[Any]:
    start, end = (len(row.sentence[:at].encode("utf-16-le")) // 2 for at in entity.span)
    return [start, end, entity.type]
