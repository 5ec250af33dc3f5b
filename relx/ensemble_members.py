"""The members of an ensemble: runs and answer files, and what they say of labelled rows."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.answers import AnswerOptions, AnswerReader, chosen_decision, reader_without_run
from relx.ensemble import in_order, require_alike, require_same_labels
from relx.faults import Fault, InputError
from relx.predict import Run
from relx.progress import say
from relx.runs.folds import FoundRun, find_trained
from relx.score import ScoredRows, other_task_named, run_rows, submission_rows
from relx.scoring.joined import join_on_id
from relx.scoring.predictions import Submission
from relx.sides import common_backend, is_submission
from relx.trained_rows import require_unseen

if TYPE_CHECKING:
    from relx.engines.engine import EngineName
    from relx.scoring.decisions.decision import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A run, or an answer file and perhaps another one of rows to measure by.

    Args:
        name: As it was named.
        run: The run; None of an answer file.
        answers: The answer file; None of a run.
        measured: Its answers to rows that nobody trained on; None without, and of a run.
    """

    name: str
    run: Run | None = None
    answers: Path | None = None
    measured: Path | None = None


def open_members(
    names: Sequence[str],
    runs_dir: Path,
    backend: str | None = None,
    engine: EngineName | None = None,
) -> list[Member]:
    """Finds every member before any predicts, and says all that is wrong with the names at once.

    Args:
        names: Runs, and answer files: `TEST.csv`, or `TEST.csv=MEASURED.csv`.
        runs_dir: The folder of all runs.
        backend: What to compute with; None leaves it to the runs.
        engine: What predicts; None leaves it to the runs.

    Returns:
        The members.

    Raises:
        InputError: One cannot be found, comes twice, or they answer different tasks.
    """
    found: list[FoundRun | Member] = []
    faults: list[Fault] = []
    for name in names:
        try:
            found.append(_answer_files(name) or find_trained(runs_dir, name))
        except InputError as error:
            faults += error.faults
    if len(set(names)) < len(names):
        what, step = "a member is named twice", "give it twice the weight with --weights"
        faults.append(Fault(what, "A B …", " ".join(names), next_step=step))
    if faults:
        raise InputError(*faults)
    runs = [one for one in found if isinstance(one, FoundRun)]
    tasks = {one.recipe.task: one.name for one in runs}
    if len(tasks) > 1:
        received = ", ".join(f"{name}: {task}" for task, name in tasks.items())
        raise InputError(Fault("these runs are of different tasks", "A B …", received))
    chosen = backend or common_backend(runs)
    return [
        one if isinstance(one, Member) else Member(one.name, Run(one, chosen, engine))
        for one in found
    ]


def _answer_files(name: str) -> Member | None:
    """Returns the member of an answer file; None where a run is named."""
    test, equals, measured = name.rpartition("=")
    if Path(name).is_file() or not equals:
        return Member(name, answers=Path(name)) if is_submission(name) else None
    return Member(test, answers=Path(test), measured=Path(measured))


def reader_of(members: Sequence[Member], answers: AnswerOptions, gold: Path | None) -> AnswerReader:
    """Returns how rows and answer files are read: as the first run does, else as is said.

    Args:
        members: The members.
        answers: What the command line says.
        gold: Labelled rows, which show their labels where nothing else says them; None without.

    Returns:
        The reader; its decision has the cut-offs that are given, and none that were searched.

    Raises:
        InputError: The labels cannot be read, or runs have other labels or choose them otherwise.
    """
    runs = [member.run for member in members if member.run is not None]
    if not runs:
        first = members[0].answers
        assert first is not None  # a member is a run or a file
        with other_task_named(answers):
            return reader_without_run(answers, gold or first)
    labels = runs[0].labels
    for run in runs[1:]:
        require_same_labels(labels, run.labels, runs[0].name, run.name)
        _require_same_rule(runs[0], run)
    decision = chosen_decision(runs[0].task.decision.given(labels), answers.thresholds, labels)
    return replace(runs[0].reader(answers), decision=decision)


def _require_same_rule(first: Run, run: Run) -> None:
    """Refuses runs that choose labels by other rules, whatever their cut-offs are."""
    expected, found = (_rule(one.task.decision) for one in (first, run))
    if expected != found:
        what = f"this chooses labels in another way than {first.name}"
        step = "blend runs of one decide section"
        raise InputError(Fault(what, run.name, found, expected, step, "other decision"))


def _rule(decision: Decision) -> str:
    """Says how labels are chosen, but for the cut-offs."""
    if not decision.takes_cutoffs:
        return "one label a row"
    settings = decision.inputs()
    least = ", at least one" if settings["at_least_one"] else ""
    return f"any number of labels a row{least}, for a high {settings['measure']}"


def read_answer_file(path: Path, reader: AnswerReader, answers: AnswerOptions) -> Submission:
    """Reads an answer file with probabilities.

    Args:
        path: The file.
        reader: How it is read.
        answers: What the command line says.

    Returns:
        The file; its probabilities are in the order of the labels.

    Raises:
        InputError: The file cannot be read, or has no probabilities.
    """
    with contextlib.nullcontext() if reader.told else other_task_named(answers):
        submission = reader.task.read(
            path, reader.labels, percent=reader.percent, encoding=reader.encoding
        )
    if submission.probabilities is None:
        what = "this file holds labels and no probabilities, of which there is no mean"
        step = "name the file that relx predict --probs wrote"
        raise InputError(Fault(what, str(path), next_step=step))
    found = reader.ordered(submission, path, ())
    reader.question_order(found, path, ())
    return found


def read_measured(
    members: Sequence[Member], reader: AnswerReader, answers: AnswerOptions, gold: Path | None
) -> list[ScoredRows]:
    """Reads what each member gives to labelled rows that none of them was trained on.

    Args:
        members: The members.
        reader: How answer files are read.
        answers: What the command line says.
        gold: The labelled rows; None for those that the runs chose their epochs by.

    Returns:
        The rows of each member, with the reader's labels and decision.

    Raises:
        InputError: A file has no answers to such rows, the members' rows differ, or a run was
            trained on some.
    """
    lacking = [m.name for m in members if m.answers is not None and m.measured is None]
    if lacking:
        what = "there are no answers of this to labelled rows that nobody was trained on"
        step = f"name both files: {lacking[0]}=OUT-OF-FOLD.csv; or take --weights equal"
        raise InputError(Fault(what, ", ".join(lacking), next_step=step))
    found: dict[str, ScoredRows] = {}
    for member in sorted(members, key=lambda one: one.run is None):
        if member.run is not None:
            rows = _rows_of_run(member.run, reader, answers, gold)
        else:
            assert member.measured is not None
            rows = _measured_file(member.measured, reader, answers, gold, found)
            say(f"{member.name}: that it was not trained on these rows is taken on trust")
        found[member.name] = replace(rows, name=member.name)
    ordered = [found[member.name] for member in members]
    require_alike(ordered)
    return ordered


def _rows_of_run(
    run: Run, reader: AnswerReader, answers: AnswerOptions, gold: Path | None
) -> ScoredRows:
    """Reads what a run gives to labelled rows, once it is known that it was not trained on them."""
    own = run.reader(answers)
    if gold is not None:
        require_unseen(run, own.task.scan(gold, run.labels).whole().examples, str(gold))
    elif run.recipe.data.dev is not None:
        require_unseen(run, run.dev_rows(), run.recipe.data.dev)
    return in_order(run_rows(run, gold, own), reader.labels, reader.decision)


def _measured_file(
    path: Path,
    reader: AnswerReader,
    answers: AnswerOptions,
    gold: Path | None,
    found: dict[str, ScoredRows],
) -> ScoredRows:
    """Reads answers to labelled rows: those of a file, else those of the runs."""
    if gold is not None:
        rows = submission_rows(path, gold, reader)
        rows.require_probabilities("an ensemble")
        return rows
    if not found:
        what = "answer files need the labels of the rows that they are measured by"
        raise InputError(Fault(what, "--gold", next_step="name them: --gold FILE"))
    like = next(iter(found.values()))
    submission = read_answer_file(path, reader, answers)
    places = join_on_id(submission, like.examples, path, Path(like.gold_file))
    assert submission.probabilities is not None  # `read_answer_file` requires them
    shares = submission.probabilities[places]
    predicted: Any = like.decision.choose(shares)
    if submission.predicted is not None:
        predicted = submission.predicted[places]
    return replace(
        like, name=str(path), probabilities=shares, predicted=predicted, found=None, folds=None
    )
