"""What a study found: what each option changes of the recipe without it, and what it costs."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relx.faults import Fault, InputError
from relx.progress import bar
from relx.scoring.intervals import drawn_differences, ends_of
from relx.study.plan import BASE, Study
from relx.study.results import CellResult, kept_result

ENOUGH = 3  # seeds; with fewer, a difference says more of the seeds than of the option
SHOWN = ("micro_f1", "auprc", "accuracy")


@dataclass(frozen=True, slots=True)
class Effect:
    """By how much an option changes one score.

    Args:
        value: The mean of the differences at each seed, in percentage points.
        error: Their standard error over the seeds; None of a single seed.
        low: The lower end of the 95 % interval over seeds and rows.
        high: The upper end.
        by_seed: The difference at each seed.
    """

    value: float
    error: float | None
    low: float
    high: float
    by_seed: dict[int, float]

    @property
    def says(self) -> str:
        """What the interval says, in a word."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no effect seen"


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One option of a study.

    Args:
        option: Its name.
        seeds: The seeds at which both it and the recipe without it are done.
        scores: The mean of each score over these seeds, in percent.
        effects: By how much each score differs from the recipe without it; empty of that one.
        cost: The time of its cells in multiples of those without it.
    """

    option: str
    seeds: tuple[int, ...]
    scores: dict[str, float]
    effects: dict[str, Effect]
    cost: float

    @property
    def verdict(self) -> str:
        """What may be said of it: nothing of fewer than `ENOUGH` seeds."""
        if self.option == BASE:
            return ""
        count = len(self.seeds)
        if count < ENOUGH:
            return f"{count} seed{'s' * (count != 1)}: no claim"
        return self.effects["micro_f1"].says


@dataclass(frozen=True, slots=True)
class StudyTable:
    """What a study found so far.

    Args:
        name: The study's name.
        rows: A row an option that has a seed in common with the recipe without it, `BASE` first.
        gold: What the scores are of, in words.
        count: How many rows that is, at each seed.
        done: How many cells are done.
        cells: How many there are.
        draws: How many draws the intervals are from.
    """

    name: str
    rows: tuple[OptionRow, ...]
    gold: str
    count: int
    done: int
    cells: int
    draws: int

    def to_json(self) -> dict[str, Any]:
        """Returns the table as `json.dumps` takes it; percentages are not rounded."""
        return {
            "study": self.name,
            "gold": self.gold,
            "rows": self.count,
            "cells": {"done": self.done, "all": self.cells},
            "draws": self.draws,
            "options": [_row_json(row) for row in self.rows],
        }


def _row_json(row: OptionRow) -> dict[str, Any]:
    effects = {
        name: {
            "difference": effect.value,
            "standard_error": effect.error,
            "low": effect.low,
            "high": effect.high,
            "by_seed": {str(seed): value for seed, value in effect.by_seed.items()},
        }
        for name, effect in row.effects.items()
    }
    own = {"option": row.option, "seeds": list(row.seeds), "scores": row.scores}
    return own | {"effects": effects, "cost": row.cost, "verdict": row.verdict}


def study_table(study: Study, runs_dir: Path, draws: int = 1000) -> StudyTable:
    """Compares each option of a study with the recipe without it, at the same seeds.

    Args:
        study: The study.
        runs_dir: The folder of all runs.
        draws: How many draws the intervals are from.

    Returns:
        The table, of the cells that are done.

    Raises:
        InputError: No cell without options is done, or a cell's files are broken.
    """
    found: dict[str, dict[int, CellResult]] = defaultdict(dict)
    for cell in study.cells:
        if (result := kept_result(study.folder(runs_dir), cell)) is not None:
            found[cell.option][cell.seed] = result
    if BASE not in found:
        step = f"relx study run {study.file}"
        what = "no cell of the recipe without options is done yet"
        raise InputError(Fault(what, str(study.folder(runs_dir)), next_step=step))
    base = found[BASE]
    rows = []
    with bar("bootstrap", len(found), "options") as progress:
        for option in study.options:
            seeds = [seed for seed in base if seed in found[option]]
            if seeds:
                pairs = [(base[seed], found[option][seed]) for seed in seeds]
                rows.append(_option_row(option, pairs, draws))
                progress.advance()
    first = next(iter(base.values())).rows
    done = sum(map(len, found.values()))
    return StudyTable(
        study.name, tuple(rows), first.gold_file, len(first.gold), done, len(study.cells), draws
    )


def _option_row(
    option: str, pairs: Sequence[tuple[CellResult, CellResult]], draws: int
) -> OptionRow:
    scored = [one.rows.scores().figures() for _, one in pairs]
    means = {
        name: statistics.mean(figures[name] for figures in scored)
        for name in SHOWN
        if name in scored[0]
    }
    seconds = [[sum(result.seconds.values()) for result in pair] for pair in pairs]
    without, with_it = (sum(times) for times in zip(*seconds, strict=True))
    seeds = tuple(one.cell.seed for _, one in pairs)
    effects = {} if option == BASE else effects_of(pairs, draws)
    return OptionRow(option, seeds, means, effects, with_it / max(without, 1e-9))


def effects_of(pairs: Sequence[tuple[CellResult, CellResult]], draws: int) -> dict[str, Effect]:
    """Computes by how much an option changes each score, over seeds and rows.

    In each draw seeds are drawn with replacement, and rows; a score's difference is the mean over
    the drawn seeds. Where all cells are scored on the same rows, a draw takes the same ones at each
    seed (two crossed factors, both resampled: Owen 2007, "The pigeonhole bootstrap").

    Args:
        pairs: The recipe without the option and with it, of each seed.
        draws: How many draws.

    Returns:
        The effects by the names of scores.

    Raises:
        InputError: The cells of a seed were scored on different rows.
    """
    rows = [_same_rows(*pair) for pair in pairs]
    crossed = len(set(rows)) == 1
    drawn = [
        drawn_differences(a.rows, b.rows, draws, 0 if crossed else place)
        for place, (a, b) in enumerate(pairs)
    ]
    chosen = np.random.default_rng(1).integers(len(pairs), size=(draws, len(pairs)))
    effects = {}
    for name in [name for name in SHOWN if all(name in by_name for by_name in drawn)]:
        values = {b.cell.seed: _score(b, name) - _score(a, name) for a, b in pairs}
        of_seeds = np.stack([by_name[name] for by_name in drawn], axis=1)  # (draws, seeds)
        means = np.take_along_axis(of_seeds, chosen, axis=1).mean(axis=1)  # (draws,)
        found = list(values.values())
        error = statistics.stdev(found) / len(found) ** 0.5 if len(found) > 1 else None
        effects[name] = Effect(statistics.mean(found), error, *ends_of(means), values)
    return effects


def _same_rows(a: CellResult, b: CellResult) -> tuple[str, ...]:
    """Returns the ids that both cells were scored on."""
    ids = tuple(row.id for row in a.rows.examples)
    if ids != tuple(row.id for row in b.rows.examples):
        what = f"this cell was scored on other rows than {a.cell.name}"
        step = "name the rows to score on in the study file: gold: FILE"
        raise InputError(Fault(what, b.cell.name, next_step=step))
    return ids


def _score(result: CellResult, name: str) -> float:
    figures: Mapping[str, float] = result.rows.scores().figures()
    return figures[name]


def printed_effect(effect: Effect) -> dict[str, str]:
    """Returns an effect's numbers as they are printed.

    Args:
        effect: The effect.
    """
    error = "–" if effect.error is None else f"{effect.error:.2f}"
    interval = f"{effect.low:+.2f} to {effect.high:+.2f}"
    return {"value": f"{effect.value:+.2f}", "error": error, "interval": interval}
