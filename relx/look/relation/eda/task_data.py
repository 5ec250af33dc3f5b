"""The rows of a recipe's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relx.data.labels import LabelList, read_labels
from relx.faults import Fault, InputError
from relx.progress import warn
from relx.recipe import DataSection, Recipe
from relx.score import join_on_id
from relx.tasks.relation.answers import read_submission
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example, read_examples

Role = Literal["subject", "object"]
ROLES: tuple[Role, ...] = ("subject", "object")


@dataclass(frozen=True, slots=True)
class TaskData:
    """The rows of a recipe's files.

    Args:
        recipe: The recipe.
        labels: Its label list.
        files: The rows of those of `train`, `dev` and `test` that the recipe names; those of
            test have no label.
        predicted: The label that a submission gives each row of test; None without a submission.
    """

    recipe: Recipe
    labels: LabelList
    files: dict[str, list[Example]]
    predicted: tuple[str, ...] | None = None

    @property
    def train(self) -> list[Example]:
        """The labelled rows that training reads."""
        return self.files["train"]

    def path(self, role: str) -> str:
        """Returns the file of `train`, `dev` or `test`, as the recipe names it."""
        return str(getattr(self.recipe.data, role))


def read_task_data(recipe: Recipe, pred: Path | None = None) -> TaskData:
    """Reads the files that a recipe names; the test's label column is left unread.

    Args:
        recipe: The recipe.
        pred: A submission of the test rows, in any order.

    Returns:
        The rows; a dev or test file without rows is empty.

    Raises:
        InputError: A file cannot be read, or the submission's ids are not the test's.
    """
    data, labels = recipe.data, read_labels(recipe.data)
    files = {"train": read_examples(Path(data.train), data, labels, require_labels=True)}
    if data.dev is not None:
        files["dev"] = _read_if_any(Path(data.dev), data, labels)
    if data.test is not None:
        files["test"] = _read_if_any(Path(data.test), data, None)
    predicted = None if pred is None else _predicted(pred, files.get("test"), data, labels)
    return TaskData(recipe, labels, files, predicted)


def _read_if_any(path: Path, data: DataSection, labels: LabelList | None) -> list[Example]:
    try:
        return read_examples(path, data, labels, require_labels=labels is not None)
    except InputError as error:
        if any(fault.kind != "empty file" for fault in error.faults):
            raise
        warn(f"{path} has no rows")
        return []


def _predicted(
    pred: Path, test: list[Example] | None, data: DataSection, labels: LabelList
) -> tuple[str, ...]:
    if test is None or data.test is None:
        what = "a submission predicts the test's rows, and the recipe names no test file"
        raise InputError(Fault(what, "data.test", next_step="--set data.test=FILE"))
    submission = read_submission(pred, labels)
    rows = join_on_id(submission, test, pred, Path(data.test))
    return tuple(labels.names[index] for index in submission.predicted[rows])


def entity(row: Example, role: Role) -> Entity:
    """Returns a row's subject or object."""
    return row.subject if role == "subject" else row.object
