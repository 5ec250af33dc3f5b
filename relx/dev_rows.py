"""The labelled rows that a run chose its epochs by, read again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from relx.data.labels import LabelList
from relx.data.rows.reading import require_good
from relx.data.rows.row import R, rows_digest
from relx.dataset import Facts, dev_facts, split_rows
from relx.faults import Fault, InputError
from relx.recipe import Recipe
from relx.tasks.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class DevRows(Generic[R]):
    """Rows that no model that predicts them was trained on.

    Args:
        rows: The rows, in their file's order.
        folds: The fold that each row is in, `(rows,)` int64.
    """

    rows: list[R]
    folds: npt.NDArray[np.int64]


def read_dev_rows(
    recipe: Recipe, task: Task[R], labels: LabelList, then: Mapping[int, Facts]
) -> DevRows[R]:
    """Reads the labelled rows that a run chose its epochs by.

    Args:
        recipe: The run's recipe.
        task: Its task.
        labels: Its label list.
        then: What the manifest of each fold says of its rows, by the fold.

    Returns:
        The rows of `data.dev`, else those of these folds of `data.train`.

    Raises:
        InputError: They cannot be read, or are not the ones they were.
    """
    file = recipe.data.dev or recipe.data.train
    with path_of_a_run("--gold"):
        reading = task.scan(Path(file), labels, labelled=True).whole()
    rows = require_good(reading, recipe.data.skip_bad_rows)
    if recipe.data.dev is not None:
        (fold,) = then
        _require_same(rows, recipe, then[fold])
        return DevRows(rows, np.full(len(rows), fold, np.int64))
    fold_of: dict[str, int] = {}  # by id
    for fold, facts in then.items():
        _, dev = split_rows(rows, recipe.at_fold(fold))
        _require_same(dev, recipe.at_fold(fold), facts)
        fold_of |= {row.id: fold for row in dev}
    kept = [row for row in rows if row.id in fold_of]
    return DevRows(kept, np.array([fold_of[row.id] for row in kept], np.int64))


def _require_same(dev: list[Any], recipe: Recipe, then: Facts) -> None:
    """Refuses rows that are not those that a fold chose its epoch by."""
    now = dev_facts(dev, recipe) | {"digest": rows_digest(dev, then.get("format"))}
    if any(then.get(name) != now[name] for name in ("rows", "digest")):
        what = "the rows that this run chose its epoch by have changed since"
        received = f"{_named(then)} then, {_named(now)} now"
        step = "name labelled rows with --gold"
        raise InputError(Fault(what, now["file"], received, next_step=step))


def _named(facts: Facts) -> str:
    return f"{facts.get('rows')} rows, SHA-256 {str(facts.get('digest'))[:12]}"


@contextlib.contextmanager
def path_of_a_run(option: str) -> Iterator[None]:
    """Says of a missing file whose path is of a run's recipe where the path would hold.

    Args:
        option: The option that names another file.

    Raises:
        InputError: What was raised within, with another next step.
    """
    try:
        yield
    except InputError as error:
        here = Path.cwd()
        step = (
            "the path is of the run's recipe, and holds in the folder in which it was trained, "
            f"which may not be {here}: name the file with {option}, or run relx there"
        )
        raise InputError(
            *(
                replace(fault, next_step=step) if fault.kind == "no such file" else fault
                for fault in error.faults
            )
        ) from error
