"""How answer files are read: as a run of their task reads them, or as the command line says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from relx.data.encoding import Encoding
from relx.data.labels import read_labels
from relx.data.names import warn_of_alike
from relx.faults import Fault, InputError, shorten
from relx.known_tasks import USUAL
from relx.progress import say, warn
from relx.recipe import DataSection, DecideSection, Recipe
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.label_order import doubt, known_orders, other_numbering, places
from relx.scoring.predictions import Submission
from relx.tasks.task import Task, open_task, task_of, usual_section

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.decisions.decision import Decision

CHUNK = 4096  # rows that are brought into another order at a time


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What the command line says of answer files and of the rows that they answer.

    Args:
        task: Their task; None for the recipe's, or the usual one.
        recipe: A recipe that says everything else; None without.
        labels: A name of labels or a label file; None leaves it to the recipe or to the task.
        negative: The label that micro-F1 leaves out, "" for none; None leaves it to them too.
        ends: Whether a span's end is its last character, inclusive or exclusive; likewise.
        thresholds: A file of cut-offs; None for those of the run, or of the recipe.
        percent: Whether numbers are percent.
        encoding: The encoding of all files, utf-8 or cp949; None leaves it to the recipe or run.
        order: The order of probs where it is not that of the labels: a name of `known_orders` or a
            label file; None where it is.
    """

    task: str | None = None
    recipe: Recipe | None = None
    labels: str | None = None
    negative: str | None = None
    ends: str | None = None
    thresholds: Path | None = None
    percent: bool = False
    encoding: Encoding | None = None
    order: str | None = None

    @property
    def says_how(self) -> bool:
        """Whether it says more than a run would know, so that no run is asked."""
        given = (self.task, self.recipe, self.labels, self.negative)
        return any(value is not None for value in given)

    @property
    def task_name(self) -> str:
        """The task's name."""
        return self.task or (self.recipe.task if self.recipe else USUAL)

    def data(self, gold: Path | None) -> DataSection:
        """Returns how rows are read.

        Args:
            gold: The labelled rows, which show their labels where the task has no list; None where
                nothing is read by the section.

        Raises:
            InputError: There is no such task.
        """
        section = usual_section(self.task_name, "data", DataSection)
        if self.recipe is not None:
            section = self.recipe.data
        elif gold is not None:
            section = section.changed(train=str(gold))
        given: dict[str, str | None] = {}
        if self.labels is not None:
            given["labels"] = self.labels
        if self.negative is not None:
            given["negative"] = self.negative or None
        return self.as_written(section).changed(**given, skip_bad_rows=None)

    def as_written(self, section: DataSection) -> DataSection:
        """Returns a section with what the command line says of how rows are written.

        Args:
            section: What the recipe or the run says.
        """
        ends, encoding = self.ends or section.ends, self.encoding or section.encoding
        return section.changed(ends=ends, encoding=encoding)


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads answer files and the rows that they answer.

    Args:
        task: Their task.
        data: How rows are read.
        labels: The labels, in the order of probabilities.
        decision: How labels are chosen where a file leaves that to its probabilities.
        percent: Whether numbers are percent.
        task_name: The task's name.
        told: Whether a run or a recipe says how many labels a row has.
        order: As in `AnswerOptions`.
        encoding: The encoding of answer files; that of the rows is in `data`.
    """

    task: Task[Any]
    data: DataSection
    labels: LabelList
    decision: Decision
    percent: bool = False
    task_name: str = USUAL
    told: bool = True
    order: str | None = None
    encoding: Encoding = "auto"

    def ordered(self, submission: Submission, pred: Path, seen: Iterable[str]) -> Submission:
        """Brings the probabilities of an answer file into the order of the labels.

        Args:
            submission: The file, read as if they were.
            pred: The file's name, for messages.
            seen: The labels of the labelled rows, in the rows' order.

        Raises:
            InputError: There is no such order of the labels, or the file names its labels.
        """
        if self.order is None:
            return submission
        if submission.probabilities is None or submission.named:
            names = "names its labels" if submission.probabilities is not None else "has no probs"
            what = f"this file {names}: there is no order to say"
            raise InputError(Fault(what, str(pred), next_step="leave out --probs-order"))
        columns = places(self.labels, self._order(self.order, seen))
        probabilities = submission.probabilities
        for start in range(0, len(probabilities), CHUNK):  # in place: it may be a large array
            part = slice(start, start + CHUNK)
            probabilities[part] = probabilities[part][:, columns]
        return submission

    def question_order(self, submission: Submission, pred: Path, seen: Iterable[str]) -> None:
        """Says in how many rows the label is not the most probable one, and what explains it.

        Args:
            submission: An answer file.
            pred: Its name, for messages.
            seen: The labels of the labelled rows, in the rows' order.
        """
        predicted, probabilities = submission.predicted, submission.probabilities
        if predicted is None or probabilities is None or predicted.ndim > 1:
            return
        orders = {} if submission.named else known_orders(self.labels, seen)
        found = doubt(self.labels, predicted, probabilities, orders, named=submission.named)
        if found.many:
            warn(f"{pred}: {found}")
        elif found.other:
            say(f"note: {pred}: {found}")

    def question_names(self, gold: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
        """Warns where labels look as if their ids had been looked up in another list.

        Args:
            gold: The class of each row, `(rows,)`.
            predicted: What was predicted, likewise; nothing is said of any number of labels.
        """
        if gold.ndim > 1 or not len(gold):
            return
        found = other_numbering(self.labels, gold, predicted, known_orders(self.labels))
        if found is not None:
            (numbered, read), share = found
            warn(
                f"{100 * (gold == predicted).mean():.1f} % of the labels are right; "
                f"{100 * share:.1f} % would be if ids in the order {numbered} had been looked up "
                f"in the order {read}: if they were, look them up again in that of the model"
            )

    def _order(self, order: str, seen: Iterable[str]) -> tuple[str, ...]:
        """Returns the labels in the order of this name, or of this file."""
        known = known_orders(self.labels, seen)
        if order in known:
            return known[order]
        if not Path(order).is_file():
            what = "there is no such order of the labels"
            allowed = f"a label file, or one of {', '.join(known)}"
            raise InputError(Fault(what, "--probs-order", shorten(order), allowed))
        names = read_labels(self.data.changed(labels=order, negative=None)).names
        if set(names) != set(self.labels.names):
            what = "this file lists other labels than the label list"
            lacks = shorten(sorted(set(self.labels.names) ^ set(names)))
            raise InputError(Fault(what, order, f"in one of both alone: {lacks}"))
        return names


def reader_without_run(options: AnswerOptions, gold: Path) -> AnswerReader:
    """Returns how answer files are read where no run says it.

    Args:
        options: What the command line says.
        gold: The labelled rows.

    Raises:
        InputError: There is no such task, or the labels or cut-offs cannot be read.
    """
    data, recipe = options.data(gold), options.recipe
    if recipe is not None:
        task = task_of(recipe, data)
    else:
        decide = usual_section(options.task_name, "decide", DecideSection)
        task = open_task(options.task_name, data, decide=decide)
    labels = task.read_labels()
    warn_of_alike(labels=labels.names)
    decision = chosen_decision(task.decision.given(labels), options.thresholds, labels)
    return AnswerReader(
        task,
        data,
        labels,
        decision,
        options.percent,
        options.task_name,
        told=recipe is not None,
        order=options.order,
        encoding=options.encoding or "auto",
    )


def chosen_decision(decision: Decision, thresholds: Path | None, labels: LabelList) -> Decision:
    """Returns a decision with the cut-offs of a file.

    Args:
        decision: The decision.
        thresholds: The file; None leaves the decision as it is.
        labels: The labels.

    Raises:
        InputError: The file cannot be read, or the decision has no cut-offs.
    """
    if thresholds is None:
        return decision
    return decision.with_thresholds(Cutoffs.load(thresholds, labels.names))
