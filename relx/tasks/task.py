"""What tells one task from another: how its rows are read, shown, labelled and answered."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from relx.data.composed import Form, composed, composed_index
from relx.data.encoding import Encoding
from relx.data.marked import MarkedText
from relx.data.prompts.prompt import Prompt
from relx.data.rows.gold_rows import GoldRow
from relx.data.rows.reading import Scan
from relx.data.rows.row import R
from relx.faults import Fault, InputError, nearest
from relx.known_tasks import TASKS, KnownTask
from relx.model_sections import Section
from relx.recipe import (
    AugmentSection,
    DataSection,
    DecideSection,
    MarkersSection,
    Recipe,
    TrainSection,
)
from relx.scoring.decisions.decision import Decision
from relx.scoring.predictions import Submission
from relx.tasks.answer_form import AnswerForm

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.data.tokenizing.pooling import Pooling

S = TypeVar("S", bound=Section)
Mention = tuple[str, str, int | None]  # words, type, and their first character where it was said


class Task(Protocol[R]):
    """A task, as a recipe's sections describe it.

    It is made as `Class(data, markers, pooling, decide)`, of a recipe's `data`, `markers`,
    `train.pooling` and `decide`; what it has no use for it refuses with an `InputError`.
    """

    @property
    def decision(self) -> Decision:
        """How labels are chosen, trained for and scored."""

    @property
    def roles(self) -> tuple[str, ...]:
        """What each span of a row is called, in order."""

    @property
    def asked(self) -> str:
        """What the spans are together, in messages: a noun in the plural, such as entities."""

    @property
    def pooling(self) -> Pooling:
        """Which tokens of a row a classifier reads."""

    @property
    def shows_types(self) -> bool:
        """Whether a marked text depends on the types of its spans."""

    def read_labels(self) -> LabelList:
        """Reads the list of labels.

        Raises:
            InputError: It cannot be read, or is not a list of labels.
        """

    def scan(self, path: Path, labels: LabelList | None, *, labelled: bool = False) -> Scan[R]:
        """Begins to read a data file; the faults of its rows are collected, and not raised.

        Args:
            path: The file.
            labels: The labels that may be there; None leaves labels unread.
            labelled: Whether a row without a label is a fault.

        Raises:
            InputError: The file as a whole cannot be read, or a column is missing.
        """

    def scan_gold(self, path: Path, labels: LabelList) -> Scan[GoldRow]:
        """Begins to read ids and labels alone, whatever else the file has or lacks.

        Args:
            path: The file.
            labels: The labels that may be there.

        Raises:
            InputError: The file as a whole cannot be read, or a column is missing.
        """

    def augmented(
        self, rows: Sequence[R], section: AugmentSection, labels: LabelList, seed: int
    ) -> list[R]:
        """Makes rows of training rows, and of nothing else.

        Args:
            rows: The training rows.
            section: What to make, and how much of it.
            labels: The label list.
            seed: Of the draws: the same rows and seed make the same ones.

        Returns:
            The new rows alone, with ids of their own.

        Raises:
            InputError: The task has no use for what is asked for.
        """

    def marked(self, row: R, separator: str) -> MarkedText:
        """Shows a row to an encoder.

        Args:
            row: The row.
            separator: The tokenizer's separator token.

        Returns:
            Its sentence with markers; as many spans for every row.
        """

    def prompter(self, template: str | None, labels: Sequence[str]) -> Callable[[R], Prompt]:
        """Shows rows to a decoder.

        Args:
            template: A prompt with `{placeholders}`; None for the task's own.
            labels: The label words, for `{labels}`.

        Returns:
            What makes the prompt of a row: its sentence with the recipe's markers, in the filled
            template. The label word is what comes next.

        Raises:
            InputError: The template has an unknown placeholder or lacks one that every prompt
                needs, or the recipe's markers have a query beside it.
        """

    def marker_tokens(self, types: Iterable[str]) -> tuple[str, ...]:
        """Lists the marker texts that must be tokens of their own.

        Args:
            types: The types of the spans in the data.

        Returns:
            The tokens, in a fixed order.
        """

    def unknown(self, rows: Sequence[R], types: Sequence[str]) -> str | None:
        """Says what is in rows that the data of a run did not have, and that its markers show.

        Args:
            rows: Rows to predict.
            types: The types of the spans in the run's data.

        Returns:
            A sentence, or None.
        """

    def row_of(self, sentence: str, words: Mapping[str, Mention]) -> R:
        """Makes a row of one sentence, as it is typed.

        Args:
            sentence: The sentence.
            words: The words by the role of their span; a role may be missing where the task lets
                a row be without it.

        Returns:
            The row, unlabelled.

        Raises:
            InputError: Words are not there, are there more than once, or are not at their index.
        """

    def as_written(
        self, probabilities: npt.NDArray[np.floating[Any]], ids: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """Returns the probabilities that the answer file gives back, (rows, labels).

        Raises:
            InputError: Some of them are no probabilities.
        """

    def answers(self, labels: LabelList, decision: Decision) -> AnswerForm[R]:
        """Returns the form of the competition's answer file.

        Args:
            labels: The label list.
            decision: How a run chooses labels.
        """

    def probabilities(self, labels: LabelList) -> AnswerForm[R]:
        """Returns the form of a file of the probabilities, which `read` reads too.

        Args:
            labels: The label list.
        """

    def read(
        self, path: Path, labels: LabelList, *, percent: bool = False, encoding: Encoding = "auto"
    ) -> Submission:
        """Reads an answer file.

        Args:
            path: The file.
            labels: The label list.
            percent: Whether its numbers are percent; without it, numbers that can be nothing else
                are taken for percent, and that is said.
            encoding: The encoding of a text.

        Raises:
            InputError: The file cannot be read; else every fault of every row at once.
        """


def open_task(
    name: str,
    data: DataSection,
    markers: MarkersSection | None = None,
    pooling: str | None = None,
    decide: DecideSection | None = None,
) -> Task[Any]:
    """Imports a task and makes it.

    Args:
        name: The task's name.
        data: How its files are read, and its labels.
        markers: How a row is shown; as usual for the task unless given.
        pooling: Which tokens of a row a classifier reads, by the name that recipes use; likewise.
        decide: How labels are chosen; likewise.

    Returns:
        The task.

    Raises:
        InputError: There is no such task, or it has no use for a value.
    """
    where = _known(name).where
    module, _, kind = where.partition(":")
    task: Task[Any] = getattr(importlib.import_module(module), kind)(
        data,
        markers or usual_section(name, "markers", MarkersSection),
        pooling or usual_section(name, "train", TrainSection).pooling,
        decide or usual_section(name, "decide", DecideSection),
    )
    return task


def usual_section(task: str, name: str, kind: type[S]) -> S:
    """Returns a section of a recipe that says nothing but its task.

    Args:
        task: The task's name.
        name: The section's name.
        kind: Its class.

    Returns:
        The section.

    Raises:
        InputError: There is no such task.
    """
    return kind.model_validate(dict(_known(task).usual.get(name, {})))


def composed_mention(sentence: str, mention: Mention, form: Form) -> Mention:
    """Returns words as they are in the sentence that `data.normalize` gives.

    Args:
        sentence: The sentence as it was typed.
        mention: Words of it.
        form: `nfc`; None leaves them as they are.

    Returns:
        The words, their type and their index in the composed sentence.
    """
    word, type_, index = mention
    if form is not None and index is not None and 0 <= index <= len(sentence):
        carried = composed_index(sentence, index)
        index = index if carried is None else carried
    return composed(word, form), type_, index


def _known(name: str) -> KnownTask:
    if name not in TASKS:
        guess = nearest(name, TASKS)
        step = f"did you mean {guess}?" if guess else ""
        raise InputError(Fault("there is no such task", "task", name, ", ".join(TASKS), step))
    return TASKS[name]


def task_of(recipe: Recipe, data: DataSection | None = None) -> Task[Any]:
    """Makes the task of a recipe.

    Args:
        recipe: The recipe.
        data: Another data section to read files by.

    Returns:
        The task.

    Raises:
        InputError: There is no such task.
    """
    markers, pooling = recipe.markers, recipe.train.pooling
    return open_task(recipe.task, data or recipe.data, markers, pooling, recipe.decide)
