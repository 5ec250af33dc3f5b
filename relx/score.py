"""Predictions against a gold file: rows joined on id, then every figure of `scoring.one_of`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.answers import AnswerOptions, AnswerReader, reader_without_run
from relx.data.rows.gold_rows import gold_rows
from relx.data.rows.reading import require_good
from relx.data.rows.row import Row, labels_of
from relx.faults import Fault, InputError
from relx.known_tasks import TASKS, USUAL
from relx.progress import say, warn
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.joined import join_on_id, some_of
from relx.tasks.task import Task

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.engines.engine import EngineName
    from relx.predict import Run
    from relx.recipe import DataSection
    from relx.runs.folds import FoundRun
    from relx.scoring.decisions.decision import Decision, Scores

_OF_COLUMNS = ("missing column", "no CSV")  # what a file of another task lacks, or is
USUAL_ANSWERS = AnswerOptions()


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Labelled rows and what was predicted for them.

    Args:
        name: Who predicted: a run's name, or a submission's file.
        gold_file: Where the labels are from, in words.
        examples: The rows.
        labels: The label list.
        gold: What is right, as the decision counts it: `(rows,)` int64 or `(rows, labels)` bool.
        predicted: What was predicted, likewise.
        probabilities: `(rows, labels)` float64, in label order; None of an answer file without.
        found: The run; None of a submission.
        decision: How labels are chosen and scored.
        own_dev: Whether they are the rows that the run chose its epoch by.
        task: The name of the rows' task.
        folds: Which fold of the run predicted each row out of fold, `(rows,)`; None where one
            model, or the mean of all, predicted them.
    """

    name: str
    gold_file: str
    examples: Sequence[Any]
    labels: LabelList
    gold: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float64] | None
    found: FoundRun | None = None
    decision: Decision = ONE_OF
    own_dev: bool = False
    task: str = USUAL
    folds: npt.NDArray[np.int64] | None = None

    @property
    def many(self) -> bool:
        """Whether a row may have any number of labels, and not just one."""
        return self.gold.ndim > 1

    @property
    def gold_cells(self) -> npt.NDArray[np.bool_]:
        """Which labels are right, `(rows, labels)`."""
        return self.decision.cells(self.gold, len(self.labels))

    @property
    def predicted_cells(self) -> npt.NDArray[np.bool_]:
        """Which labels were predicted, `(rows, labels)`."""
        return self.decision.cells(self.predicted, len(self.labels))

    def require_probabilities(self, what_for: str) -> npt.NDArray[np.float64]:
        """Returns the probabilities.

        Args:
            what_for: What needs them, in words.

        Raises:
            InputError: There are none.
        """
        if self.probabilities is None:
            what = f"this file holds labels and no probabilities, which {what_for} needs"
            step = "name the file that relx predict --probs wrote"
            raise InputError(Fault(what, self.name, next_step=step))
        return self.probabilities

    def scores(self) -> Scores:
        """Returns the figures; F1 goes by `predicted`, AUPRC by `probabilities`."""
        return self.decision.scores(self.gold, self.probabilities, self.labels, self.predicted)

    def fold_scores(self) -> dict[int, Scores]:
        """Returns the figures of the rows of each fold; empty where they are of one."""
        if self.folds is None or self.probabilities is None:
            return {}
        found = {}
        for fold in np.unique(self.folds).tolist():
            of = self.folds == fold
            shares, chosen = self.probabilities[of], self.predicted[of]
            found[fold] = self.decision.scores(self.gold[of], shares, self.labels, chosen)
        return found


def submission_rows(
    pred: Path, gold: Path, reader: AnswerReader, *, labels_alone: bool = False
) -> ScoredRows:
    """Reads a submission and the labelled rows that it predicted.

    Args:
        pred: The submission; its rows may be in any order.
        gold: A file of labelled rows with the same ids.
        reader: How both are read.
        labels_alone: Whether ids and labels are all that is read of the labelled rows.

    Returns:
        The rows, in the gold file's order.

    Raises:
        InputError: Either file cannot be read, or their ids are not the same.
    """
    task, labels, decision = reader.task, reader.labels, reader.decision
    submission = task.read(pred, labels, percent=reader.percent, encoding=reader.encoding)
    examples: Sequence[Any]
    if labels_alone:
        examples = gold_rows(task.scan_gold(gold, labels), reader.data.skip_bad_rows)
    else:
        examples = _labelled_rows(gold, task, labels, reader.data)
    right = gold_of(examples, labels, gold, decision)
    if not reader.told:
        _question_one_label(right)
    rows = join_on_id(submission, examples, pred, gold)
    seen = [name for row in examples for name in labels_of(row)]
    submission = reader.ordered(submission, pred, seen)
    reader.question_order(submission, pred, seen)
    found = submission.probabilities
    probabilities = None if found is None else _in_order(found, rows)
    if submission.predicted is not None:
        predicted = submission.predicted[rows]
        reader.question_names(right, predicted)
    else:
        assert probabilities is not None  # a file has labels, or probabilities, or both
        predicted = _chosen(probabilities, decision, pred)
    return ScoredRows(
        name=pred.name,
        gold_file=str(gold),
        examples=examples,
        labels=labels,
        gold=right,
        predicted=predicted,
        probabilities=probabilities,
        decision=decision,
        task=reader.task_name,
    )


def _in_order(
    probabilities: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Puts each row once into another order, in place: a second array might be one too many."""
    if not np.array_equal(rows, np.arange(len(rows))):
        for column in probabilities.T:
            column[:] = column[rows]
    return probabilities


def _question_one_label(right: npt.NDArray[Any]) -> None:
    """Warns where every row of any number of labels, `(rows, labels)`, has exactly one."""
    if right.ndim > 1 and (right.sum(axis=1) == 1).all():
        warn(
            "every row has exactly one label, and is scored as if it could have more or none; "
            "where one is meant, name a recipe with decide.labels: one (--recipe)"
        )


def _chosen(
    probabilities: npt.NDArray[np.float64], decision: Decision, pred: Path
) -> npt.NDArray[Any]:
    """Chooses the labels of a file that holds probabilities alone, and says by what."""
    predicted = decision.choose(probabilities)
    if how := decision.described():
        say(f"{pred} holds probabilities alone; {how}")
    if decision.takes_cutoffs and not predicted.any():
        highest = f"the highest is {probabilities.max():.3f}"
        step = "name the cut-offs with --thresholds FILE, or the run with --run"
        warn(f"no probability of {pred} reaches its cut-off, {highest}: {step}")
    return predicted


def run_rows(run: Run, gold: Path | None, reader: AnswerReader) -> ScoredRows:
    """Predicts labelled rows with a run, as its submission would.

    The run's own dev rows have their probabilities already, unless a device or an engine was asked
    for, or an earlier version of relx made the run.

    Args:
        run: A finished run.
        gold: A file of labelled rows; None for the rows that the run chose its epoch by.
        reader: How the gold file is read, and labels are chosen.

    Returns:
        The rows, in the gold file's order.

    Raises:
        InputError: The gold file cannot be read or has unlabelled rows, or the run gives nan.
    """
    task, data, decision = reader.task, reader.data, reader.decision
    if how := decision.described():
        say(f"{run.name}: {how}")
    if gold is not None and gold.resolve() == Path(data.train).resolve():
        warn("these are the rows the run was trained on; how it does on new rows they cannot show")
    examples = run.dev_rows() if gold is None else _labelled_rows(gold, task, run.labels, data)
    file = gold or Path(data.dev or data.train)
    right = gold_of(examples, run.labels, file, decision)
    kept = run.dev_probabilities(examples) if gold is None else run.kept_predictions(examples)
    computed = run.predict(examples) if kept is None else kept
    probabilities = task.as_written(computed, [row.id for row in examples])
    own_dev = kept is not None
    cutoffs = decision.cutoffs
    if own_dev and cutoffs is not None and cutoffs.source != "given" and decision is run.decision:
        say("note: the run's cut-offs were chosen by these rows, and flatter them a little")
    return ScoredRows(
        name=run.name,
        gold_file=str(gold or data.dev or _folds_of(run, data)),
        examples=examples,
        labels=run.labels,
        gold=right,
        predicted=decision.choose(probabilities),
        probabilities=probabilities,
        found=run.found,
        decision=decision,
        own_dev=own_dev,
        task=reader.task_name,
        folds=run.dev_folds() if gold is None else None,
    )


def _folds_of(run: Run, data: DataSection) -> str:
    count = len(run.found.folds)
    if count == 1:
        return f"a fold of {data.train}"
    if count == data.folds:
        return f"{data.train}, out of fold"
    return f"{count} folds of {data.train}, out of fold"


def _labelled_rows(gold: Path, task: Task[Any], labels: LabelList, data: DataSection) -> list[Any]:
    return require_good(task.scan(gold, labels).whole(), data.skip_bad_rows)


def gold_of(
    examples: Sequence[Row], labels: LabelList, gold: Path, decision: Decision
) -> npt.NDArray[Any]:
    """Looks up what is right in each gold row.

    Args:
        examples: The gold rows.
        labels: The label list.
        gold: Their file, for messages.
        decision: How labels are counted.

    Returns:
        The classes, `(rows,)` int64, or which labels are true, `(rows, labels)` bool.

    Raises:
        InputError: Some rows have no label.
    """
    unlabelled = [example.id for example in examples if example.gold is None]
    if unlabelled:
        what = f"{len(unlabelled)} of {len(examples)} rows have no label to score against"
        allowed = "a file in which every row has its labels; 100 and an empty cell mean none"
        step = "name a labelled file with --gold, such as the dev file, not the competition's test"
        raise InputError(Fault(what, str(gold), some_of(unlabelled), allowed, step, "unlabelled"))
    return decision.right(examples, labels)


def predicted_rows(
    gold: Path | None,
    *,
    runs_dir: Path,
    pred: Path | None = None,
    run_name: str | None = None,
    answers: AnswerOptions = USUAL_ANSWERS,
    backend: str | None = None,
    engine: EngineName | None = None,
    labels_alone: bool = False,
) -> ScoredRows:
    """Reads a submission, or predicts with a run.

    Args:
        gold: The labelled rows, needed with `pred`; None for those that the run chose its epoch by.
        runs_dir: The folder of all runs.
        pred: The submission; None to predict with the run.
        run_name: The run's name; None for the latest finished one, where there is no submission.
        answers: How the submission and the rows are read.
        backend: What the run computes with; None leaves it to the run.
        engine: What predicts; None leaves it to the run.
        labels_alone: Whether ids and labels are all that a submission needs of the labelled rows.

    Returns:
        The rows and what was predicted for them; with both a run and a submission those of the
        submission, and the run's folder.

    Raises:
        InputError: A file or the run cannot be used.
    """
    if pred is not None and gold is not None and run_name is None:
        with other_task_named(answers):
            reader = reader_without_run(answers, gold)
            return submission_rows(pred, gold, reader, labels_alone=labels_alone)
    from relx.predict import open_run

    run = open_run(runs_dir, run_name, backend, engine)
    reader = run.reader(answers)
    if pred is None or gold is None:
        return run_rows(run, gold, reader)
    rows = submission_rows(pred, gold, reader, labels_alone=labels_alone)
    return replace(rows, found=run.found)


@contextlib.contextmanager
def other_task_named(answers: AnswerOptions) -> Iterator[None]:
    """Says how to name another task, where the usual one was supposed and does not fit.

    Args:
        answers: What the command line says.

    Raises:
        InputError: What was raised within, with another next step.
    """
    try:
        yield
    except InputError as error:
        faults, last = error.faults[:-1], error.faults[-1]
        if answers.task is None and answers.recipe is None and last.kind in _OF_COLUMNS:
            others = " or ".join(f"--task {name}" for name in TASKS if name != answers.task_name)
            step = f"if the file answers another task than {answers.task_name}: {others}"
            raise InputError(*faults, replace(last, next_step=step)) from error
        raise


def warn_of_collapse(found: Scores) -> None:
    """Warns where every row was given one class although the gold rows have several.

    Args:
        found: The figures of the rows.
    """
    if found.collapsed:
        warn(
            f"every one of the {found.rows} rows was predicted to be {found.collapsed_to}: "
            "a collapsed model"
        )
