"""The page of a study: what each option changes, with its interval, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from relx.look.font import drawable
from relx.look.page import write_page
from relx.look.plots import FAINT, FIRST, GRID, Plot, new_figure
from relx.study.plan import BASE
from relx.study.table import ENOUGH, Effect, OptionRow, StudyTable, printed_effect

TITLES = {"micro_f1": "micro-F1", "auprc": "AUPRC", "accuracy": "accuracy"}


def write_study(table: StudyTable, out: Path) -> None:
    """Writes the page, and its plots and their numbers beside it.

    Args:
        table: What the study found.
        out: The page.

    Raises:
        InputError: It cannot be written there.
    """
    write_page(out, "study.html", study_plots(table), study_context(table), table.to_json())


def study_plots(table: StudyTable) -> list[Plot]:
    """Draws the effects of all options on each score, as far as there are any.

    Args:
        table: What the study found.
    """
    options = [row for row in table.rows if row.option != BASE]
    names = [name for name in TITLES if options and all(name in row.effects for row in options)]
    return [_forest(options, name) for name in names]


def _forest(options: list[OptionRow], name: str) -> Plot:
    """Draws one score's effects: seeds as small points, the mean with its interval on top."""
    figure, axes = new_figure(7.5, 1.2 + 0.34 * len(options))
    for place, row in enumerate(options):
        effect = row.effects[name]
        color = FIRST if len(row.seeds) >= ENOUGH else FAINT
        axes.hlines(place, effect.low, effect.high, color=color, alpha=0.4, linewidth=5)
        seeds = list(effect.by_seed.values())
        axes.scatter(seeds, np.full(len(seeds), place), s=12, color=color, marker="|", zorder=3)
        axes.scatter([effect.value], [place], s=34, color=color, zorder=4)
    axes.set_yticks(np.arange(len(options)), [drawable(row.option) for row in options])
    axes.axvline(0, color=FAINT, linewidth=1)
    axes.grid(axis="y", color=GRID, linewidth=0.4)
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.set_xlabel(f"percentage points of {TITLES[name]} above the recipe without the option")
    axes.tick_params(axis="y", length=0)
    columns = ("option", "seeds", "difference", "standard error", "low", "high")
    rows = [(row.option, len(row.seeds), *_numbers(row.effects[name])) for row in options]
    note = f"Strokes are seeds. Grey: fewer than {ENOUGH} seeds, which say nothing of the option."
    return Plot(
        f"effects-{name}", f"{TITLES[name]}: what each option changes", figure, columns, rows, note
    )


def _numbers(effect: Effect) -> tuple[float | None, ...]:
    return effect.value, effect.error, effect.low, effect.high


def study_context(table: StudyTable) -> dict[str, Any]:
    """Returns what the template `study.html` reads, but for the pictures.

    Args:
        table: What the study found.
    """
    return {
        "title": f"Study {table.name}",
        "lead": f"Scores of {table.count:,} rows of {table.gold}. {table.done} of {table.cells} "
        f"cells are done. Intervals hold 95 % of {table.draws:,} draws of seeds and rows.",
        "titles": TITLES,
        "rows": [_cells(row) for row in table.rows],
        "drawn": [f"effects-{name}" for name in TITLES],
    }


def _cells(row: OptionRow) -> dict[str, Any]:
    """Returns a row of the table as it is printed."""
    effects = {name: printed_effect(effect) for name, effect in row.effects.items()}
    return {
        "option": row.option,
        "seeds": len(row.seeds),
        "scores": {name: f"{value:.2f}" for name, value in row.scores.items()},
        "effects": effects,
        "cost": f"{row.cost:.2f}",
        "verdict": row.verdict,
    }
