"""The members of an ensemble: runs and answer files, and what they say of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.answers import AnswerOptions, AnswerReader, reader_without_run
from relx.data.rows.gold_rows import GoldRow
from relx.data.rows.reading import require_good
from relx.dataset import split_rows
from relx.dev_rows import path_of_a_run
from relx.ensemble import require_alike, require_same_list
from relx.faults import Fault, InputError
from relx.predict import Run
from relx.predict_file import write_answers
from relx.progress import say, warn
from relx.runs.folds import FoundRun, find_trained
from relx.score import ScoredRows, run_rows, submission_rows
from relx.scoring.blending.means import Floats
from relx.scoring.joined import join_on_id, some_of
from relx.scoring.predictions import Submission
from relx.sides import is_submission

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
    return [
        one if isinstance(one, Member) else Member(one.name, Run(one, backend, engine))
        for one in found
    ]


def _answer_files(name: str) -> Member | None:
    """Returns the member of an answer file; None where a run is named."""
    test, equals, measured = name.rpartition("=")
    if Path(name).is_file() or not equals:
        return Member(name, answers=Path(name)) if is_submission(name) else None
    return Member(test, answers=Path(test), measured=Path(measured))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Rows to answer, and what each member says of them.

    Args:
        rows: The rows; of answer files alone, their ids.
        shares: Each member's probabilities, `(rows, labels)`.
        reader: How the answers are written: task, labels and decision.
        whole: Whether the rows are all that their file says of them, and not ids alone.
    """

    rows: Sequence[Any]
    shares: list[Floats]
    reader: AnswerReader
    whole: bool


def reader_of(members: Sequence[Member], answers: AnswerOptions, gold: Path | None) -> AnswerReader:
    """Returns how rows and answer files are read: as the first run does, else as is said.

    Args:
        members: The members.
        answers: What the command line says.
        gold: Labelled rows, which show their labels where nothing else says them; None without.

    Raises:
        InputError: The labels cannot be read, or differ between the runs.
    """
    runs = [member.run for member in members if member.run is not None]
    if not runs:
        first = members[0].answers
        assert first is not None  # a member is a run or a file
        return reader_without_run(answers, gold or first)
    for run in runs[1:]:
        require_same_list(runs[0].labels, run.labels, runs[0].name, run.name)
    return runs[0].reader(answers)


def read_asked(members: Sequence[Member], reader: AnswerReader, test: Path | None) -> Asked:
    """Reads the rows to answer, and predicts them with each member.

    Args:
        members: The members.
        reader: How they are read.
        test: The rows; None for those that the runs' recipes name, or that the files answer.

    Returns:
        The rows in the order of their file, and what each member says.

    Raises:
        InputError: The rows cannot be read, or a member answers other ones.
    """
    files = {member.name: _read(member.answers, reader) for member in members if member.answers}
    file = test or _common_test(members)
    rows: Sequence[Any]
    if file is not None:
        with path_of_a_run("--test"):
            rows = require_good(reader.task.scan(file, None).whole(), None)
    else:
        first = next(iter(files.values()))
        if first.ids is None:
            what, step = "this file has no ids", "name the rows that it answers with --test"
            raise InputError(Fault(what, next(iter(files)), next_step=step))
        file, rows = Path(next(iter(files))), [GoldRow(id_, None) for id_ in first.ids]
    shares = []
    for member in members:
        if member.run is not None:
            say(f"predicting with {member.run.found.folder}")
            computed = member.run.predict(rows)
        else:
            assert member.answers is not None
            submission = files[member.name]
            joined = join_on_id(submission, rows, member.answers, file)
            assert submission.probabilities is not None  # `_read` requires them
            computed = submission.probabilities[joined]
        shares.append(reader.task.as_written(computed, [row.id for row in rows]))
    return Asked(rows, shares, reader, whole=not isinstance(rows[0], GoldRow))


def _read(path: Path, reader: AnswerReader) -> Submission:
    submission = reader.task.read(
        path, reader.labels, percent=reader.percent, encoding=reader.encoding
    )
    if submission.probabilities is None:
        what = "this file holds labels and no probabilities, of which there is no mean"
        step = "name the file that relx predict --probs wrote"
        raise InputError(Fault(what, str(path), next_step=step))
    return reader.ordered(submission, path, ())


def _common_test(members: Sequence[Member]) -> Path | None:
    """Returns the test file that all the runs' recipes name; None where there are no runs."""
    named = {m.run.name: m.run.data.test for m in members if m.run is not None}
    if len(set(named.values())) > 1 or None in named.values():
        received = ", ".join(f"{name}: {test}" for name, test in named.items())
        what = "the runs do not name one file of rows to predict"
        raise InputError(Fault(what, "data.test", received, next_step="name it with --test"))
    return Path(next(iter(named.values())) or "") if named else None


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
        The rows of each member.

    Raises:
        InputError: A file has no answers to such rows, the members' rows differ, or a run was
            trained on some.
    """
    lacking = [m.name for m in members if m.answers is not None and m.measured is None]
    if lacking:
        what = "weights need answers to labelled rows that nobody was trained on"
        step = f"name both files: {lacking[0]}=OUT-OF-FOLD.csv; or take --weights equal"
        raise InputError(Fault(what, ", ".join(lacking), next_step=step))
    found: dict[str, ScoredRows] = {}
    for member in sorted(members, key=lambda one: one.run is None):
        if member.run is not None:
            if gold is not None:
                _require_unseen(member.run, gold)
            rows = run_rows(member.run, gold, member.run.reader(answers))
        else:
            assert member.measured is not None
            rows = _measured_file(member.measured, reader, gold, found)
            say(f"{member.name}: that it was not trained on these rows is taken on trust")
        found[member.name] = replace(rows, name=member.name)
    ordered = [found[member.name] for member in members]
    require_alike(ordered)
    return ordered


def _measured_file(
    path: Path, reader: AnswerReader, gold: Path | None, found: dict[str, ScoredRows]
) -> ScoredRows:
    """Reads answers to labelled rows: those of a file, else those of the runs."""
    if gold is not None:
        return submission_rows(path, gold, reader)
    if not found:
        what = "answer files need the labels of the rows that they are measured by"
        raise InputError(Fault(what, "--gold", next_step="name them: --gold FILE"))
    like = next(iter(found.values()))
    submission = _read(path, reader)
    places = join_on_id(submission, like.examples, path, Path(like.gold_file))
    assert submission.probabilities is not None  # `_read` requires them
    shares = submission.probabilities[places]
    return replace(
        like,
        name=str(path),
        probabilities=shares,
        predicted=like.decision.choose(shares),
        found=None,
        folds=None,
    )


def _require_unseen(run: Run, gold: Path) -> None:
    """Refuses labelled rows that a run was trained on: weights found on them flatter it."""
    recipe, skipped = run.recipe, run.recipe.data.skip_bad_rows
    asked = require_good(run.task.scan(gold, run.labels).whole(), None)
    try:
        reading = run.task.scan(Path(recipe.data.train), run.labels, labelled=True).whole()
    except InputError:
        told = f"whether {run.name} was trained on {gold} is not known"
        warn(f"{recipe.data.train} cannot be read: {told}")
        return
    trained = require_good(reading, skipped)
    if recipe.data.dev is None and len(run.folds) == 1:
        trained, _ = split_rows(trained, recipe)
    keys = {row.key for row in trained}
    shared = [row.id for row in asked if row.key in keys]
    if shared:
        what = f"{run.name} was trained on {len(shared)} of these {len(asked)} rows"
        step = "leave --gold out, which takes the rows that the runs chose their epochs by"
        raise InputError(Fault(what, str(gold), some_of(shared), "rows it never saw", step))


def write_asked(
    asked: Asked, shares: Floats, decision: Decision, out: Path | None, probs: Path | None
) -> None:
    """Writes an ensemble's answers; both files, or none.

    Args:
        asked: The rows.
        shares: Their probabilities, `(rows, labels)`.
        decision: How labels are chosen.
        out: The answer file, or None.
        probs: The file of probabilities, or None.

    Raises:
        InputError: A file cannot be written, or the answer file needs rows of which the ids alone
            are known.
    """
    task, labels = asked.reader.task, asked.reader.labels
    if out is not None and not asked.whole and decision.takes_cutoffs:
        what, step = "the answer file repeats the rows that it answers", "name them with --test"
        raise InputError(Fault(what, "--out", str(out), next_step=step))
    forms = {out: task.answers(labels, decision), probs: task.probabilities(labels)}
    write_answers(forms, iter([(list(asked.rows), shares)]))
