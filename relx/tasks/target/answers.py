"""The contest's answers: the rows as JSON Lines with `output` filled in, and probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.encoding import Encoding
from relx.data.formats.cells import NoText
from relx.data.literals import read_literal
from relx.data.rows.row_checks import HALF_CHARACTER, RowChecks
from relx.data.table import Row, Table, read_table
from relx.faults import Fault, InputError, shorten
from relx.files import whole_file
from relx.progress import warn
from relx.scoring.predictions import Submission
from relx.tasks.target.gold import OUTPUT, truth
from relx.tasks.target.rows import IDS, TargetRow, first_of

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Value = bool | int | float
NOTICED = 1.001  # numbers above it are percent; up to it, probabilities that are a little wrong
_VALUES = "True or False for each label, or a probability for each"


def write_answers(path: Path, rows: Sequence[TargetRow], chosen: Bools, labels: LabelList) -> None:
    """Writes the rows with every field they had and `output` filled in, whole or not at all.

    Args:
        path: The JSON Lines file; its folder is created.
        rows: The rows.
        chosen: Which labels each has, `(rows, labels)`.
        labels: The label list.
    """
    texts = np.where(chosen, "True", "False").tolist()
    outputs = (dict(zip(labels.names, row, strict=True)) for row in texts)
    _write_lines(path, ({**row.fields, OUTPUT: o} for row, o in zip(rows, outputs, strict=True)))


def write_probabilities(
    path: Path, rows: Sequence[TargetRow], probabilities: Floats, labels: LabelList
) -> None:
    """Writes `{"id": …, "output": {label: probability}}` lines, whole or not at all.

    The numbers are written so that reading them gives back the same float64 values.

    Args:
        path: The JSON Lines file; its folder is created.
        rows: The rows.
        probabilities: `(rows, labels)`.
        labels: The label list.
    """
    values = np.asarray(probabilities, np.float64).tolist()
    outputs = (dict(zip(labels.names, row, strict=True)) for row in values)
    _write_lines(path, ({"id": row.id, OUTPUT: o} for row, o in zip(rows, outputs, strict=True)))


def _write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        for each in objects:
            text = json.dumps(each, ensure_ascii=False, default=str)
            if HALF_CHARACTER.search(text):  # which UTF-8 has no bytes for, and JSON an escape
                text = json.dumps(each, default=str)
            stream.write(text + "\n")


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
    table = read_table(path, encoding)
    if OUTPUT not in table.columns and not set(labels.names) & set(table.columns) and table.rows:
        what = "the file has no answers"
        received = f"the columns {shorten(', '.join(table.columns))}"
        allowed = f"{OUTPUT}, an object with {_VALUES}; or a column a label"
        raise InputError(Fault(what, str(path), received, allowed, kind="missing column"))
    reader = _AnswerReader(labels, RowChecks(table.name), "id" in _idents(table), [])
    found = [reader.read(row) for row in table.rows]
    if not table.rows:
        reader.faults.append(Fault("the file has no rows", str(path), kind="empty file"))
    if reader.faults:
        raise InputError(*reader.faults)
    ids = tuple(name for name, _ in found) if reader.has_ids else None
    places = [f"{table.name}:{row.line}" for row in table.rows]
    return _submission([values for _, values in found], ids, places, one, percent)


def _idents(table: Table) -> set[str]:
    return {"id" for name in IDS if name in table.columns}


@dataclass(slots=True)
class _AnswerReader:
    """Reads the rows of an answer file, and collects their faults."""

    labels: LabelList
    checks: RowChecks
    has_ids: bool
    faults: list[Fault]

    def read(self, row: Row) -> tuple[str, list[Value]]:
        """Returns the row's id and a value for each label; empty where the row has a fault."""
        checks = self.checks
        checks.begin(row)
        checks.where = f"{checks.name}:{row.line}"
        values: list[Value] = []
        name = ""
        if row.fault is None:
            if self.has_ids:
                name = checks.id(row, row.cells.get(first_of(row.cells, IDS)))
            values = self._values(row.cells)
        self.faults += checks.faults
        return name, values

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


def _submission(
    rows: Sequence[Sequence[Value]],
    ids: tuple[str, ...] | None,
    places: Sequence[str],
    one: bool,
    percent: bool,
) -> Submission:
    has_labels, has_numbers = (_first_of(rows, kind) for kind in (bool, float))
    if has_labels is not None and has_numbers is not None:
        place = max(has_labels, has_numbers)
        what = "the file has both labels (True, False) and numbers"
        raise InputError(Fault(what, places[place], shorten(list(rows[place])), _VALUES))
    if has_labels is not None and percent:
        what, step = "the file holds labels, and no percentages", "leave out --percent"
        received = shorten(list(rows[has_labels]))
        raise InputError(Fault(what, places[has_labels], received, next_step=step))
    values = np.array(rows, np.float64)
    if has_numbers is None and not percent:
        cells = values.astype(bool)
        return Submission(ids, _classes(cells, places) if one else cells, None)
    return Submission(ids, None, _in_shares(values, places, percent))


def _first_of(rows: Sequence[Sequence[Value]], kind: type) -> int | None:
    """Returns the first row that has a value of a type; None where none has."""
    return next((i for i, row in enumerate(rows) if any(type(v) is kind for v in row)), None)


def _classes(cells: Bools, places: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the one label of each row."""
    counts = cells.sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        what = "a row has exactly one label that is True (decide.labels: one)"
        raise InputError(
            *(
                Fault(what, places[i], f"{counts[i]} labels", kind="number of labels")
                for i in wrong.tolist()
            )
        )
    return np.asarray(cells.argmax(axis=1), np.int64)


def _in_shares(
    values: npt.NDArray[np.float64], places: Sequence[str], percent: bool
) -> npt.NDArray[np.float64]:
    """Turns percent into probabilities, where numbers above 1 or an option say that they are."""
    noticed = not percent and bool((values > NOTICED).any())
    top = 100.0 if percent or noticed else 1.0
    faults = list(_range_faults(values, places, top))
    if faults:
        raise InputError(*faults)
    if noticed:
        place = places[int((values > NOTICED).any(axis=1).argmax())]
        warn(f"{place} has a number above 1: all numbers of the file are taken for percent")
    return values / top


def _range_faults(
    values: npt.NDArray[np.float64], places: Sequence[str], top: float
) -> Iterator[Fault]:
    for index in np.flatnonzero(((values < 0) | (values > top)).any(axis=1)).tolist():
        what = "this is no percentage" if top > 1 else "this is no probability"
        row = values[index]
        received = shorten(row[(row < 0) | (row > top)].tolist())
        yield Fault(what, places[index], received, f"0 to {top:g}", kind="no probability")
