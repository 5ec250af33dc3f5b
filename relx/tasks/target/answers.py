"""The contest's answers: the rows as JSON Lines with `output` filled in, and probabilities."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.encoding import Encoding
from relx.data.formats.cells import NoText
from relx.data.literals import read_literal
from relx.data.rows.reading import are_too_many, too_many_faults
from relx.data.rows.row_checks import HALF_CHARACTER, RowChecks
from relx.data.table import Row, open_table
from relx.faults import Fault, InputError, shorten
from relx.progress import warn
from relx.scoring.predictions import Submission
from relx.scoring.shares import Place
from relx.tasks.target.gold import OUTPUT, truth
from relx.tasks.target.rows import IDS, TargetRow, first_of

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Value = bool | int | float
NOTICED = 1.001  # numbers above it are percent; up to it, probabilities that are a little wrong
_VALUES = "True or False for each label, or a probability for each"


def answer_lines(rows: Sequence[TargetRow], chosen: Bools, labels: LabelList) -> Iterator[str]:
    """Yields rows with every field they had and `output` filled in, as JSON Lines.

    Args:
        rows: The rows.
        chosen: Which labels each has, `(rows, labels)`.
        labels: The label list.
    """
    texts = np.where(chosen, "True", "False").tolist()
    outputs = (dict(zip(labels.names, row, strict=True)) for row in texts)
    return (_line({**row.fields, OUTPUT: o}) for row, o in zip(rows, outputs, strict=True))


def probability_lines(
    rows: Sequence[TargetRow], probabilities: Floats, labels: LabelList
) -> Iterator[str]:
    """Yields `{"id": …, "output": {label: probability}}` lines.

    The numbers are written so that reading them gives back the same float64 values.

    Args:
        rows: The rows.
        probabilities: `(rows, labels)`.
        labels: The label list.
    """
    values = np.asarray(probabilities, np.float64).tolist()
    outputs = (dict(zip(labels.names, row, strict=True)) for row in values)
    return (_line({"id": row.id, OUTPUT: o}) for row, o in zip(rows, outputs, strict=True))


def _line(each: Mapping[str, Any]) -> str:
    text = json.dumps(each, ensure_ascii=False, default=str)
    if HALF_CHARACTER.search(text):  # which UTF-8 has no bytes for, and JSON an escape
        text = json.dumps(each, default=str)
    return text + "\n"


def require_probabilities(probabilities: Floats, ids: Sequence[str]) -> npt.NDArray[np.float64]:
    """Returns probabilities as float64.

    Args:
        probabilities: `(rows, labels)`.
        ids: The rows' ids, for messages.

    Raises:
        InputError: Some are not between 0 and 1.
    """
    values = np.asarray(probabilities, np.float64)
    wrong = ~((values >= 0) & (values <= 1)).all(axis=1)
    if wrong.any():
        index = int(wrong.argmax())
        where = f"prediction for id {ids[index]}, the first of {int(wrong.sum())} such"
        step = "if its training ended well its files are damaged; else lower the learning rate"
        what, received = "these are no probabilities", shorten(values[index].tolist())
        raise InputError(Fault(what, where, received, "numbers from 0 to 1", step))
    return values


def read_answers(
    path: Path,
    labels: LabelList,
    *,
    one: bool,
    percent: bool = False,
    encoding: Encoding = "auto",
) -> Submission:
    """Reads answers, probabilities, or a bare list of `{label: percent}` in the rows' order.

    Args:
        path: The file, in any format that data come in: rows with an id and `output`, an object;
            or with a column a label, with or without an id.
        labels: The label list.
        one: Whether exactly one label is true in a row.
        percent: Whether numbers are percent; else a number above 1 says so.
        encoding: The encoding of a text.

    Returns:
        The answers: labels where the file has True and False, else probabilities.

    Raises:
        InputError: The file cannot be read; else every fault of every row at once.
    """
    table = open_table(path, encoding)
    if not table.has_rows:
        raise InputError(Fault("the file has no rows", str(path), kind="empty file"))
    if OUTPUT not in table.columns and not set(labels.names) & set(table.columns):
        what = "the file has no answers"
        received = f"the columns {shorten(', '.join(table.columns))}"
        allowed = f"{OUTPUT}, an object with {_VALUES}; or a column a label"
        raise InputError(Fault(what, str(path), received, allowed, kind="missing column"))
    reader = _AnswerReader(labels, RowChecks(table.name), bool({*IDS} & {*table.columns}))
    for row in table.rows:
        reader.read(row)
        if are_too_many(reader.bad, len(reader.lines)):
            left = sum(1 for _ in table.rows)
            reader.faults.append(too_many_faults(table.name, reader.bad, left))
    if reader.faults:
        raise InputError(*reader.faults)
    return _submission(reader, one, percent)


@dataclass(slots=True)
class _AnswerReader:
    """Reads the rows of an answer file, and collects their faults.

    Args:
        labels: The label list.
        checks: What rows of every task are checked for.
        has_ids: Whether the rows have ids.
        lines: The line of each row.
        values: A value for each label, one row after the other.
        first: The first row that has a value of a type, and its values.
        faults: What is wrong.
        bad: How many rows have faults.
    """

    labels: LabelList
    checks: RowChecks
    has_ids: bool
    lines: array[int] = field(default_factory=lambda: array("Q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    first: dict[type, tuple[int, list[Value]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    bad: int = 0

    def read(self, row: Row) -> None:
        """Adds a row."""
        checks = self.checks
        checks.begin(row)
        checks.where = f"{checks.name}:{row.line}"
        if row.fault is None:
            if self.has_ids:
                checks.id(row, row.cells.get(first_of(row.cells, IDS)))
            values = self._values(row.cells)
            for value in values:
                if type(value) not in self.first:
                    self.first[type(value)] = len(self.lines), values
            self.values.extend(map(float, values))
        self.lines.append(row.line)
        self.faults += checks.faults
        self.bad += bool(checks.faults)

    def place(self, row: int) -> str:
        """Returns where a row is, in words."""
        return f"{self.checks.name}:{self.lines[row]}"

    def _values(self, cells: Mapping[str, Any]) -> list[Value]:
        output = cells.get(OUTPUT) if OUTPUT in cells else self._columns(cells)
        found = read_literal(output) if isinstance(output, str) and output else output
        if not isinstance(found, dict) or not found:
            what = "this row has no answer" if found in (None, "") else "the output is no object"
            self.checks.fault(OUTPUT, what, shorten(output), _VALUES, "", "output")
            return []
        checks, place = self.checks, f"{self.checks.where}, column {OUTPUT}"
        unknown = [str(name) for name in found if name not in self.labels]
        checks.faults += [self.labels.unknown(name, place) for name in unknown]
        missing = [name for name in self.labels.names if found.get(name) in (None, "")]
        if missing:
            what, kind = f"the answer has no value for {', '.join(missing)}", "missing label"
            checks.fault(OUTPUT, what, shorten(found), _VALUES, "", kind)
        known = [name for name in self.labels.names if name not in missing]
        values = [(name, _value(found[name])) for name in known]
        for name, value in values:
            if value is None:
                what, kind = "this is neither true or false nor a number", "no probability"
                checks.fault(f"{OUTPUT}.{name}", what, shorten(found[name]), _VALUES, "", kind)
        return [value for _, value in values if value is not None]

    def _columns(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Takes a column a label for the answer; without ids, every column is one."""
        if not self.has_ids:
            return dict(cells)
        return {name: cells[name] for name in self.labels.names if name in cells}


def _value(value: Any) -> Value | None:
    """Reads True, False or a number; a whole 0 or 1 stays an int, as it may be either."""
    if isinstance(value, bool):
        return value
    if isinstance(value, NoText):
        return None
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return truth(text)
    if text in ("0", "1"):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _submission(reader: _AnswerReader, one: bool, percent: bool) -> Submission:
    has_labels, has_numbers = (reader.first.get(kind) for kind in (bool, float))
    ids = reader.checks.ids if reader.has_ids else None
    if has_labels is not None and has_numbers is not None:
        place, shown = max(has_labels, has_numbers, key=lambda found: found[0])
        what = "the file has both labels (True, False) and numbers"
        raise InputError(Fault(what, reader.place(place), shorten(list(shown)), _VALUES))
    if has_labels is not None and percent:
        what, step = "the file holds labels, and no percentages", "leave out --percent"
        place, shown = has_labels
        raise InputError(Fault(what, reader.place(place), shorten(list(shown)), next_step=step))
    values = np.frombuffer(reader.values, np.float64).reshape(-1, len(reader.labels))
    if has_numbers is None and not percent:
        cells = values.astype(bool)
        return Submission(ids, _classes(cells, reader.place) if one else cells, None)
    return Submission(ids, None, _in_shares(values, reader.place, percent))


def _classes(cells: Bools, place: Place) -> npt.NDArray[np.int64]:
    """Returns the one label of each row."""
    counts = cells.sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        what = "a row has exactly one label that is True (decide.labels: one)"
        raise InputError(
            *(
                Fault(what, place(i), f"{counts[i]} labels", kind="number of labels")
                for i in wrong.tolist()
            )
        )
    return np.asarray(cells.argmax(axis=1), np.int64)


def _in_shares(
    values: npt.NDArray[np.float64], place: Place, percent: bool
) -> npt.NDArray[np.float64]:
    """Turns percent into probabilities, where numbers above 1 or an option say that they are."""
    noticed = not percent and bool((values > NOTICED).any())
    top = 100.0 if percent or noticed else 1.0
    faults = list(_range_faults(values, place, top))
    if faults:
        raise InputError(*faults)
    if noticed:
        first = place(int((values > NOTICED).any(axis=1).argmax()))
        warn(f"{first} has a number above 1: all numbers of the file are taken for percent")
    if top != 1:
        values /= top
    return values


def _range_faults(values: npt.NDArray[np.float64], place: Place, top: float) -> Iterator[Fault]:
    for index in np.flatnonzero(((values < 0) | (values > top)).any(axis=1)).tolist():
        what = "this is no percentage" if top > 1 else "this is no probability"
        row = values[index]
        received = shorten(row[(row < 0) | (row > top)].tolist())
        yield Fault(what, place(index), received, f"0 to {top:g}", kind="no probability")
