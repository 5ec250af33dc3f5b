"""Predictions against a gold file: rows joined on id, then every figure of `scoring.one_of`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.reading import require_good
from relx.data.row import Row
from relx.faults import Fault, InputError
from relx.progress import say, warn
from relx.scoring.one_of import ONE_OF, OneOf, Scores
from relx.scoring.predictions import Submission
from relx.tasks.task import USUAL, Task, open_task, task_of

if TYPE_CHECKING:
    from relx.data.labels import LabelList
    from relx.engines.engine import EngineName
    from relx.predict import Run
    from relx.recipe import DataSection
    from relx.runs.find import FoundStage

IDS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Labelled rows and what was predicted for them.

    Args:
        name: Who predicted: a run's name, or a submission's file.
        gold_file: Where the labels are from, in words.
        examples: The rows.
        labels: The label list.
        gold: The class of each row, `(rows,)`.
        predicted: The class predicted for each row, `(rows,)`.
        probabilities: `(rows, classes)` float64, the classes in label order.
        found: The run's `train/fold-K` stage; None of a submission.
        decision: How labels are chosen and scored.
        own_dev: Whether they are the rows that the run chose its epoch by.
    """

    name: str
    gold_file: str
    examples: tuple[Any, ...]
    labels: LabelList
    gold: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    found: FoundStage | None = None
    decision: OneOf = ONE_OF
    own_dev: bool = False

    def scores(self) -> Scores:
        """Returns the figures; F1 goes by `predicted`, AUPRC by `probabilities`."""
        return self.decision.scores(self.gold, self.probabilities, self.labels, self.predicted)


def submission_rows(
    pred: Path, gold: Path, data: DataSection, labels: LabelList, task_name: str = USUAL
) -> ScoredRows:
    """Reads a submission and the labelled rows that it predicted.

    Args:
        pred: The submission; its rows may be in any order.
        gold: A file of labelled rows with the same ids.
        data: How the gold file is read.
        labels: The label list, in the order of the submission's probs.
        task_name: The task of both files.

    Returns:
        The rows, in the gold file's order.

    Raises:
        InputError: Either file cannot be read, or their ids are not the same.
    """
    task = open_task(task_name, data)
    submission = task.read(pred, labels)
    examples = _labelled_rows(gold, task, labels, data)
    classes = gold_classes(examples, labels, gold)
    rows = join_on_id(submission, examples, pred, gold)
    if submission.overruled:
        say(f"note: in {submission.overruled} rows pred_label is not the most probable class")
    return ScoredRows(
        name=pred.name,
        gold_file=str(gold),
        examples=tuple(examples),
        labels=labels,
        gold=classes,
        predicted=submission.predicted[rows],
        probabilities=submission.probabilities[rows],
        decision=task.decision,
    )


def run_rows(run: Run, gold: Path | None, data: DataSection) -> ScoredRows:
    """Predicts labelled rows with a run, as its submission would.

    The run's own dev rows have their probabilities already, unless a device or an engine was asked
    for, or an earlier version of relx made the run.

    Args:
        run: A finished run.
        gold: A file of labelled rows; None for the rows that the run chose its epoch by.
        data: How the gold file is read.

    Returns:
        The rows, in the gold file's order.

    Raises:
        InputError: The gold file cannot be read or has unlabelled rows, or the run gives nan.
    """
    if gold is not None and gold.resolve() == Path(data.train).resolve():
        warn("these are the rows the run was trained on; how it does on new rows they cannot show")
    task = task_of(run.recipe, data)
    examples = run.dev_rows() if gold is None else _labelled_rows(gold, task, run.labels, data)
    file = gold or Path(data.dev or data.train)
    classes = gold_classes(examples, run.labels, file)
    kept = run.kept_predictions(examples)
    computed = run.predict(examples) if kept is None else kept
    probabilities = task.as_written(computed, [row.id for row in examples])
    return ScoredRows(
        name=run.name,
        gold_file=str(gold or data.dev or f"a fold of {data.train}"),
        examples=tuple(examples),
        labels=run.labels,
        gold=classes,
        predicted=task.decision.choose(probabilities),
        probabilities=probabilities,
        found=run.found,
        decision=task.decision,
        own_dev=gold is None or kept is not None,
    )


def _labelled_rows(gold: Path, task: Task[Any], labels: LabelList, data: DataSection) -> list[Any]:
    return require_good(task.scan(gold, labels), data.skip_bad_rows)


def gold_classes(examples: Sequence[Row], labels: LabelList, gold: Path) -> npt.NDArray[np.int64]:
    """Looks up the class of each gold row.

    Args:
        examples: The gold rows.
        labels: The label list.
        gold: Their file, for messages.

    Returns:
        The classes, `(rows,)`.

    Raises:
        InputError: Some rows have no label.
    """
    unlabelled = [example.id for example in examples if example.gold is None]
    if unlabelled:
        what = f"{len(unlabelled)} of {len(examples)} rows have no label to score against"
        allowed = "a file in which every row has its label; 100 means none"
        step = "name a labelled file with --gold, such as the dev file, not the competition's test"
        raise InputError(Fault(what, str(gold), _some(unlabelled), allowed, step, "unlabelled"))
    return np.array([labels.index(str(example.gold)) for example in examples], dtype=np.int64)


def join_on_id(
    submission: Submission, examples: Sequence[Row], pred: Path, gold: Path
) -> npt.NDArray[np.int64]:
    """Finds the submission's row of each gold row.

    Args:
        submission: The submission.
        examples: The gold rows.
        pred: The submission's file, for messages.
        gold: The gold rows' file, for messages.

    Returns:
        Indices into the submission's rows, in the gold rows' order, `(rows,)`.

    Raises:
        InputError: An id is in one file alone, or twice in the gold file.
    """
    row_of = {id_: row for row, id_ in enumerate(submission.ids)}
    gold_ids = dict.fromkeys(example.id for example in examples)
    missing = [id_ for id_ in gold_ids if id_ not in row_of]
    extra = [id_ for id_ in row_of if id_ not in gold_ids]
    faults = [*_id_faults(missing, pred, gold), *_id_faults(extra, gold, pred)]
    if len(gold_ids) < len(examples):
        what = f"{len(examples) - len(gold_ids)} rows repeat an earlier id"
        faults.append(Fault(what, str(gold), allowed="each id once", kind="duplicate id"))
    if faults:
        raise InputError(*faults)
    return np.array([row_of[example.id] for example in examples], dtype=np.int64)


def _id_faults(ids: Sequence[str], absent_from: Path, present_in: Path) -> list[Fault]:
    """Returns a fault if there are ids that are in one file alone."""
    if not ids:
        return []
    what = f"{len(ids)} ids of {present_in} are missing here"
    allowed = "the same ids in both files, in any order"
    step = "predict the gold file's rows: relx predict --test GOLD --out CSV"
    return [Fault(what, f"{absent_from}, column id", _some(ids), allowed, step, "missing id")]


def _some(ids: Iterable[str]) -> str:
    """Names the first few ids."""
    listed = list(ids)
    shown = ", ".join(listed[:IDS_SHOWN])
    return shown if len(listed) <= IDS_SHOWN else f"{shown}, … ({len(listed)} in all)"


def predicted_rows(
    gold: Path | None,
    *,
    runs_dir: Path,
    pred: Path | None = None,
    run_name: str | None = None,
    labels: str | None = None,
    negative: str | None = None,
    ends: str | None = None,
    backend: str | None = None,
    engine: EngineName | None = None,
) -> ScoredRows:
    """Reads a submission, or predicts with a run.

    Args:
        gold: The labelled rows, needed with `pred`; None for those that the run chose its epoch by.
        runs_dir: The folder of all runs.
        pred: The submission; None to predict with the run.
        run_name: The run's name; None for the latest finished one, where there is no submission.
        labels: Of a submission without a run: `klue` or a label file; None for `klue`.
        negative: Likewise: the label that micro-F1 leaves out, "" for none; None for no_relation.
        ends: Whether an entity's end index is its last character: inclusive or exclusive; None
            leaves it to the run, or takes inclusive.
        backend: What the run computes with; None leaves it to the run.
        engine: What predicts; None leaves it to the run.

    Returns:
        The rows and what was predicted for them; with both a run and a submission those of the
        submission, and the run's folder.

    Raises:
        InputError: A file or the run cannot be used.
    """
    if pred is not None and gold is not None and run_name is None:
        from relx.data.labels import read_labels

        section = submission_data(labels, negative, ends)
        return submission_rows(pred, gold, section, read_labels(section))
    from relx.predict import open_run

    run = open_run(runs_dir, run_name, backend, engine)
    data = run.data.changed(ends=ends or run.data.ends)
    if pred is None or gold is None:
        return run_rows(run, gold, data)
    rows = submission_rows(pred, gold, data, run.labels, run.recipe.task)
    return replace(rows, found=run.found)


def submission_data(labels: str | None, negative: str | None, ends: str | None) -> DataSection:
    """Returns how the rows of a submission are read where no run says it.

    Args:
        labels: `klue` or a label file; None for `klue`.
        negative: The label that micro-F1 leaves out, "" for none; None for no_relation.
        ends: inclusive or exclusive; None for inclusive.
    """
    from relx.recipe import DataSection

    return DataSection().changed(
        labels=labels or "klue",
        negative="no_relation" if negative is None else negative or None,
        ends=ends or "inclusive",
    )


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
