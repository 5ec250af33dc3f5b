"""How answer files are read: as a run of their task reads them, or as the command line says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.known_tasks import USUAL
from relx.recipe import DataSection, DecideSection, Recipe
from relx.scoring.cutoffs import Cutoffs
from relx.tasks.task import Task, open_task, task_of, usual_section

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.scoring.decision import Decision


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
    """

    task: str | None = None
    recipe: Recipe | None = None
    labels: str | None = None
    negative: str | None = None
    ends: str | None = None
    thresholds: Path | None = None
    percent: bool = False
    encoding: str | None = None

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
    """

    task: Task[Any]
    data: DataSection
    labels: LabelList
    decision: Decision
    percent: bool = False
    task_name: str = USUAL
    told: bool = True


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
    decision = chosen_decision(task.decision.given(labels), options.thresholds, labels)
    percent, told = options.percent, recipe is not None
    return AnswerReader(task, data, labels, decision, percent, options.task_name, told)


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
