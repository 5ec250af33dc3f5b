"""Prediction of a file: few rows at once, many a part at a time, and the files that are written."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from relx import progress
from relx.data.rows.reading import require_usable
from relx.data.tokenizing.coverage import Coverage, Texts, require_covered
from relx.dev_rows import path_of_a_run
from relx.faults import Fault, InputError
from relx.files import folder_for_now, require_place
from relx.predict import Run, open_run
from relx.tasks.answer_form import AnswerForm

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

    from relx.engines.engine import EngineName

AT_ONCE = 1 << 14  # rows that are held; more are read twice, to find their faults beforehand

T = TypeVar("T")


def predict_file(
    runs_dir: Path,
    name: str | None,
    test: Path | None,
    out: Path | None,
    batch_size: int | None = None,
    backend: str | None = None,
    engine: EngineName | None = None,
    *,
    probs: Path | None = None,
    thresholds: Path | None = None,
) -> None:
    """Predicts the rows of a file and writes the answer file.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        test: The rows; None for the test file of the run's recipe.
        out: The answer file to write; None where probabilities alone are wanted.
        batch_size: Rows a batch; the recipe's `predict.batch_size` unless given.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.
        probs: The file of probabilities to write; None without.
        thresholds: A file of cut-offs; None for the run's own.

    Raises:
        InputError: The run, the rows or the place to write to cannot be used.
    """
    run = open_run(runs_dir, name, backend, engine)
    if test is None and run.data.test is None:
        fault = Fault("the run's recipe names no test file", "data.test", next_step="name --test")
        raise InputError(fault)
    file = test or Path(run.data.test or "")
    _require_places({"--out": out, "--probs": probs}, file, thresholds)
    decision = run.decision_by(thresholds)
    if out is not None and (how := decision.described()):
        progress.say(how)
    progress.say(f"predicting the rows of {file}")
    forms = {out: run.task.answers(run.labels, decision), probs: run.task.probabilities(run.labels)}
    with folder_for_now(out or probs or file) as folder:
        with path_of_a_run("--test") if test is None else contextlib.nullcontext():
            found = _rows_of(run, file, folder)
        began = time.monotonic()
        write_answers(forms, _predicted(run, found, batch_size))
        seconds = time.monotonic() - began
    written = " and ".join(str(path) for path in (out, probs) if path is not None)
    progress.say(
        f"{found.rows:,} rows in {seconds:.1f} s, {found.rows / seconds:.1f} sentences/s, "
        f"loading included; written to {written}"
    )


def write_out_of_fold(
    runs_dir: Path,
    name: str | None,
    probs: Path,
    backend: str | None = None,
    engine: EngineName | None = None,
) -> None:
    """Writes what a run gives to the rows that it chose its epochs by, none trained on.

    Args:
        runs_dir: The folder of all runs.
        name: The run's name; None for the latest finished one.
        probs: The file of probabilities to write.
        backend: What to compute with in place of the recipe's backend, or None.
        engine: The engine to use in place of the recipe's, or None.

    Raises:
        InputError: The run, the rows or the place to write to cannot be used.
    """
    run = open_run(runs_dir, name, backend, engine)
    data = run.data
    require_place(probs, "--probs", [Path(file) for file in (data.train, data.dev) if file])
    rows = run.dev_rows()
    shares = run.task.as_written(run.dev_probabilities(rows), [row.id for row in rows])
    write_answers({probs: run.task.probabilities(run.labels)}, iter([(rows, shares)]))
    progress.say(f"{len(rows):,} rows of {data.dev or data.train}; written to {probs}")


def _predicted(
    run: Run, found: _Found, batch_size: int | None
) -> Iterator[tuple[list[Any], npt.NDArray[np.float64]]]:
    """Yields the rows, a part at a time, with their probabilities."""
    done, known = 0, found.tokens is not None
    for rows in found.parts:
        yield rows, run.predict(rows, batch_size, known=known, cache=found.tokens)
        done += len(rows)
        if known:
            progress.say(f"{done:,} of {found.rows:,} rows are predicted")
    if done != found.rows:
        what, received = "the file was changed while it was predicted", f"{done:,} rows"
        allowed = f"the {found.rows:,} rows that were looked at"
        raise InputError(Fault(what, str(found.file), received, allowed, "predict it again"))


class _ElsewhereError(Exception):
    """Carries what went wrong with a prediction past the files, which would say it of themselves.

    Args:
        error: What went wrong.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def write_answers(
    forms: Mapping[Path | None, AnswerForm[Any]],
    found: Iterator[tuple[list[Any], npt.NDArray[np.float64]]],
) -> None:
    """Writes rows and their probabilities to the files that are wanted; to all, or to none.

    Args:
        forms: What each file looks like; None stands for one that is not wanted.
        found: Rows with their probabilities, a part at a time.

    Raises:
        InputError: A file cannot be written, or something is no probability.
    """
    try:
        with contextlib.ExitStack() as stack:
            wanted = ((path, form) for path, form in forms.items() if path is not None)
            files = [stack.enter_context(form.file(path)) for path, form in wanted]
            for rows, probabilities in _carried(found):
                for file in files:
                    file.add(rows, probabilities)
            for file in files:
                file.flush()  # of them all, before the first takes its name
    except _ElsewhereError as carrier:
        raise carrier.error from None


def _carried(found: Iterator[T]) -> Iterator[T]:
    try:
        yield from found
    except Exception as error:
        raise _ElsewhereError(error) from error


# --- the rows -----------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The rows of a file, which can all be predicted.

    Args:
        file: The file.
        rows: How many there are.
        parts: The rows, a part at a time.
        tokens: Where their tokens are kept, and all has been said that is doubtful about them;
            None where neither is so.
    """

    file: Path
    rows: int
    parts: Iterable[list[Any]]
    tokens: Path | None = None


def _rows_of(run: Run, file: Path, tokens: Path) -> _Found:
    """Reads all rows, and refuses any that cannot be predicted.

    Few rows are held, and looked at where they are predicted. Many are read a part at a time, now
    and once more; their tokens are kept on disk from one time to the other.
    """
    # What can be read once, such as a pipe, is held whatever its size.
    size = AT_ONCE if file.is_file() else sys.maxsize
    scan = run.task.scan(file, None)
    parts = scan.chunks(size)
    held = list(itertools.islice(parts, 2))
    if len(held) < 2:
        require_usable(scan.reading, None)
        return _Found(file, sum(map(len, held)), held)
    progress.say(f"looking at all rows of {file} before any is predicted")
    check = _Check(run, tokens)
    while held:
        check.add(held.pop(0))
        held = held or list(itertools.islice(parts, 1))
    require_usable(scan.reading, None)
    check.settle(file)
    return _Found(file, check.count, run.task.scan(file, None).chunks(size), tokens)


@dataclass(slots=True)
class _Check:
    """What is wrong with rows, or doubtful, of which a part is seen at a time.

    Args:
        run: The run.
        tokens: Where their tokens are kept.
        count: How many rows there are.
        faults: Why rows cannot be predicted.
        coverage: What of their texts the tokenizer knows.
        types: A row of each pair of types.
        lost: The most tokens of one part that the tokenizer does not know.
        texts: Gives the texts of that part.
        tokenizer: The tokenizer.
    """

    run: Run
    tokens: Path
    count: int = 0
    faults: list[Fault] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    types: dict[tuple[str, ...], Any] = field(default_factory=dict)
    lost: int = -1
    texts: Texts = tuple
    tokenizer: PreTrainedTokenizerFast | None = None

    def add(self, rows: list[Any]) -> None:
        """Looks at rows."""
        self.count += len(rows)
        for row in rows:
            self.types.setdefault(row.types, row)
        try:
            self.run.trained.rows(rows, self._note, self.tokens)
        except InputError as error:
            self.faults += error.faults

    def settle(self, file: Path) -> None:
        """Says what is doubtful.

        Raises:
            InputError: Rows cannot be predicted, or the tokenizer does not know the texts.
        """
        if self.faults:
            raise InputError(*self.faults)
        self.run.question_types(list(self.types.values()))
        if self.tokenizer is not None:
            require_covered(self.coverage, self.texts, self.tokenizer, str(file))

    def _note(
        self, coverage: Coverage, texts: Texts, tokenizer: PreTrainedTokenizerFast, file: str
    ) -> None:
        self.coverage, self.tokenizer = self.coverage + coverage, tokenizer
        if coverage.lost > self.lost:
            self.lost, self.texts = coverage.lost, texts


def _require_places(places: Mapping[str, Path | None], rows: Path, thresholds: Path | None) -> None:
    """Refuses to write over the rows that are predicted, or two things into one file."""
    named = {option: path for option, path in places.items() if path is not None}
    for option, path in named.items():
        if path.exists() and rows.exists() and path.samefile(rows):
            what = "the submission would replace the rows that are predicted"
            raise InputError(Fault(what, option, str(path), next_step="name another file"))
        require_place(path, option, [thresholds])
    if len({path.resolve() for path in named.values()}) < len(named):
        what, received = "these are one file", str(next(iter(named.values())))
        raise InputError(Fault(what, ", ".join(named), received, next_step="name two files"))
