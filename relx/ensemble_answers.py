"""Rows to answer by an ensemble: what each member says of them, and the files that are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.answers import AnswerOptions, AnswerReader
from relx.data.rows.gold_rows import GoldRow
from relx.data.rows.reading import require_good
from relx.dev_rows import path_of_a_run
from relx.ensemble import columns_of
from relx.ensemble_members import Member, read_answer_file
from relx.faults import Fault, InputError
from relx.files import require_place
from relx.predict import Run
from relx.predict_file import write_answers
from relx.progress import say
from relx.recipe import DataSection
from relx.scoring.blending.means import Floats
from relx.scoring.decisions.decision import Decision
from relx.scoring.joined import join_on_id, some_of
from relx.tasks.task import task_of

# What of a recipe's `data` is of no importance to how a row to predict is read.
_OTHER_KEYS = {"train", "test", "dev", "labels", "negative", "folds", "group", "skip_bad_rows"}


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Rows to answer, and what each member says of them.

    Args:
        rows: The rows; of answer files alone, their ids.
        shares: Each member's probabilities, `(rows, labels)`.
        reader: How the answers are written: task and labels.
        whole: Whether the rows are all that their file says of them, and not ids alone.
    """

    rows: Sequence[Any]
    shares: list[Floats]
    reader: AnswerReader
    whole: bool


def asked_file(members: Sequence[Member], test: Path | None) -> Path | None:
    """Returns the file of the rows to answer: as named, else what the runs' recipes name.

    Args:
        members: The members.
        test: The file that was named, or None.

    Returns:
        The file; None where there are no runs, and the answer files' own ids are answered.

    Raises:
        InputError: The runs' recipes name files of different rows, or one names none.
    """
    runs = [member.run for member in members if member.run is not None]
    if test is not None or not runs:
        return test
    named = {run.name: run.data.test for run in runs}
    told = [run.manifest.data.get("test") or {} for run in runs]
    digests = {(facts.get("format"), facts.get("digest")) for facts in told}
    same = len(set(named.values())) == 1 or (len(digests) == 1 and digests != {(None, None)})
    first = runs[0].data.test
    if first is None or None in named.values() or not same:
        received = ", ".join(f"{name}: {file}" for name, file in named.items())
        what = "the runs do not name one file of rows to predict"
        raise InputError(Fault(what, "data.test", received, next_step="name it with --test"))
    return Path(first)


def require_places(
    outputs: Mapping[str, Path | None], inputs: Sequence[Path | None], members: Sequence[Member]
) -> None:
    """Refuses to write over what is read, or two things into one file.

    Args:
        outputs: What is written, by its option.
        inputs: What is read.
        members: The members, whose files are read as well.

    Raises:
        InputError: A file would be replaced that is read, cannot be written, or is named twice.
    """
    files = [*inputs]
    for member in members:
        files += [member.answers, member.measured]
        if member.run is not None:
            data = member.run.recipe.data
            files += [Path(file) for file in (data.train, data.dev, data.test) if file]
    given = {option: path for option, path in outputs.items() if path is not None}
    for option, path in given.items():
        require_place(path, option, files)
    if len({path.resolve() for path in given.values()}) < len(given):
        received = str(next(iter(given.values())))
        raise InputError(Fault("these are one file", ", ".join(given), received, "two files"))


def read_asked(
    members: Sequence[Member], reader: AnswerReader, answers: AnswerOptions, file: Path | None
) -> Asked:
    """Reads the rows to answer, and predicts them with each member.

    Args:
        members: The members.
        reader: How they are read.
        answers: What the command line says.
        file: What `asked_file` returned.

    Returns:
        The rows in the order of their file, and what each member says.

    Raises:
        InputError: The rows cannot be read, or a member answers other ones.
    """
    paths = [member.answers for member in members if member.answers is not None]
    files = {path: read_answer_file(path, reader, answers) for path in paths}
    rows: Sequence[Any]
    if file is not None:
        with path_of_a_run("--test"):
            rows = require_good(reader.task.scan(file, None).whole(), None)
    else:
        file = next((path for path, read in files.items() if read.ids is not None), None)
        if file is None:
            what, step = "no file has ids", "name the rows that they answer with --test"
            raise InputError(Fault(what, ", ".join(map(str, files)), next_step=step))
        rows = [GoldRow(id_, None) for id_ in files[file].ids or ()]
    shares = []
    for member in members:
        if member.run is not None:
            computed = _predicted(member.run, reader, answers, rows, file)
        else:
            assert member.answers is not None
            submission = files[member.answers]
            joined = join_on_id(submission, rows, member.answers, file)
            assert submission.probabilities is not None  # `read_answer_file` requires them
            computed = submission.probabilities[joined]
        shares.append(reader.task.as_written(computed, [row.id for row in rows]))
    return Asked(rows, shares, reader, whole=not isinstance(rows[0], GoldRow))


def _predicted(
    run: Run, reader: AnswerReader, answers: AnswerOptions, rows: Sequence[Any], file: Path
) -> Floats:
    """Predicts rows with a run, which reads them itself where its recipe reads files otherwise."""
    say(f"predicting with {run.found.folder}")
    data = answers.as_written(run.data)
    if _reading(data) != _reading(reader.data):
        own = require_good(task_of(run.recipe, data).scan(file, None).whole(), None)
        if (found := [row.id for row in own]) != [row.id for row in rows]:
            what = "this run reads other rows of the file than the first one does"
            raise InputError(Fault(what, run.name, some_of(found), str(file)))
        rows = own
    return run.predict(rows)[:, columns_of(reader.labels, run.labels)]


def _reading(data: DataSection) -> dict[str, Any]:
    return data.model_dump(exclude=_OTHER_KEYS)


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
    answers = task.answers(labels, decision)
    if out is not None and answers.repeats_rows and not asked.whole:
        what, step = "the answer file repeats the rows that it answers", "name them with --test"
        raise InputError(Fault(what, "--out", str(out), next_step=step))
    forms = {out: answers, probs: task.probabilities(labels)}
    write_answers(forms, iter([(list(asked.rows), shares)]))
