"""The rows of a recipe's files, whatever its task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy.typing as npt

from relx.data.labels import LabelList
from relx.data.rows.reading import require_good
from relx.data.rows.row import R
from relx.faults import Fault, InputError
from relx.progress import say, warn
from relx.recipe import Recipe
from relx.scoring.joined import join_on_id
from relx.tasks.task import Task, task_of

Gold = str | frozenset[str]  # one label, or all that are true


@dataclass(frozen=True, slots=True)
class Corpus(Generic[R]):
    """The rows of a recipe's files.

    Args:
        recipe: The recipe.
        labels: Its label list.
        files: The rows of those of `train`, `dev` and `test` that the recipe names; those of
            test have no label.
        predicted: What an answer file gives each row of test, as `gold` of a row would say it;
            None without an answer file.
    """

    recipe: Recipe
    labels: LabelList
    files: dict[str, list[R]]
    predicted: tuple[Gold, ...] | None = None

    @property
    def train(self) -> list[R]:
        """The labelled rows that training reads."""
        return self.files["train"]

    @property
    def task(self) -> Task[R]:
        """The recipe's task."""
        return task_of(self.recipe)

    def path(self, role: str) -> str:
        """Returns the file of `train`, `dev` or `test`, as the recipe names it."""
        return str(getattr(self.recipe.data, role))

    def golds(self) -> dict[str, list[Gold | None]]:
        """Returns what the rows have by series: `train`, `dev`, and `predicted` for the test's."""
        found: dict[str, list[Gold | None]] = {
            role: [row.gold for row in self.files[role]]
            for role in ("train", "dev")
            if self.files.get(role)
        }
        return found if self.predicted is None else found | {"predicted": [*self.predicted]}


def read_corpus(recipe: Recipe, pred: Path | None = None) -> Corpus[Any]:
    """Reads the files that a recipe names; the test's labels are left unread.

    Args:
        recipe: The recipe.
        pred: An answer file of the test rows.

    Returns:
        The rows; a dev or test file without rows is empty.

    Raises:
        InputError: A file cannot be read, or the answer file is not one of the test's rows.
    """
    data, task = recipe.data, task_of(recipe)
    labels = task.read_labels()
    train = task.scan(Path(data.train), labels, labelled=True).whole()
    files = {"train": require_good(train, data.skip_bad_rows)}
    if data.dev is not None:
        files["dev"] = _read_if_any(Path(data.dev), recipe, task, labels)
    if data.test is not None:
        files["test"] = _read_if_any(Path(data.test), recipe, task, None)
    predicted = None if pred is None else _predicted(pred, files.get("test"), recipe, labels)
    return Corpus(recipe, labels, files, predicted)


def _read_if_any(
    path: Path, recipe: Recipe, task: Task[Any], labels: LabelList | None
) -> list[Any]:
    try:
        reading = task.scan(path, labels, labelled=labels is not None).whole()
        return require_good(reading, recipe.data.skip_bad_rows)
    except InputError as error:
        if any(fault.kind != "empty file" for fault in error.faults):
            raise
        warn(f"{path} has no rows")
        return []


def _predicted(
    pred: Path, test: list[Any] | None, recipe: Recipe, labels: LabelList
) -> tuple[Gold, ...]:
    """Reads an answer file, and brings it into the order of the test's rows."""
    if test is None or recipe.data.test is None:
        what = "a submission predicts the test's rows, and the recipe names no test file"
        raise InputError(Fault(what, "data.test", next_step="--set data.test=FILE"))
    task = task_of(recipe)
    submission = task.read(pred, labels)
    rows = join_on_id(submission, test, pred, Path(recipe.data.test))
    chosen = submission.predicted
    if chosen is None:
        assert submission.probabilities is not None  # a file has labels, probabilities, or both
        chosen = task.decision.choose(submission.probabilities)
        say(f"{pred} holds probabilities alone; {task.decision.described()}")
    return named(chosen[rows], labels.names)


def named(chosen: npt.NDArray[Any], names: Sequence[str]) -> tuple[Gold, ...]:
    """Names labels as `gold` of a row does.

    Args:
        chosen: What a decision chose: `(rows,)` indices, or `(rows, labels)` bool.
        names: The labels.

    Returns:
        A label a row, or a set of labels.
    """
    if chosen.ndim == 1:
        return tuple(names[index] for index in chosen)
    return tuple(frozenset(itertools.compress(names, cells)) for cells in chosen)


def names_in(gold: Gold | None) -> tuple[str, ...]:
    """Lists the labels of a row's gold, sorted: none, one, or as many as are true."""
    if isinstance(gold, frozenset):
        return tuple(sorted(gold))
    return () if gold is None else (gold,)
