"""Reads a submission: id, pred_label, and probabilities in a list or in one column a label."""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.data.encoding import Encoding
from relx.data.formats.cells import NoText
from relx.data.number_lists import read_numbers, remedy
from relx.data.rows.reading import are_too_many, too_many_faults
from relx.data.rows.seen_ids import SeenIds
from relx.data.table import Header, OpenTable, Row, open_table
from relx.faults import Fault, InputError, nearest, shorten
from relx.scoring.predictions import Submission
from relx.scoring.shares import as_shares

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Floats = npt.NDArray[np.float64]
CHUNK = 4096  # rows that are read at a time
ID, LABEL, PROBS = "id", "pred_label", "probs"
_WANTED = "the columns id and pred_label, and the probabilities as probs or as one column a label"
# Characters that JSON needs for anything but numbers and lists, NaN and Infinity included.
_NO_NUMBERS = '"{tfnNI'


def read_submission(
    path: Path, labels: LabelList, *, percent: bool = False, encoding: Encoding = "auto"
) -> Submission:
    """Reads a submission, from here or from elsewhere.

    Other columns are left alone, and a pred_label that is not the most probable class is taken
    as it is.

    Args:
        path: A file with the column id, and with pred_label or probabilities or both: `probs`, a
            list in label order, or one column a label; in any format that data come in.
        labels: The label list that gives the order of probs.
        percent: Whether numbers are percent.
        encoding: The encoding of a text.

    Returns:
        The submission.

    Raises:
        InputError: The file cannot be read; else every fault of every row at once.
    """
    table = open_table(path, encoding)
    columns = _columns(table, labels)
    reader = _Reader(table, labels, columns)
    while rows := list(itertools.islice(table.rows, CHUNK)):
        reader.read(rows)
        if reader.is_hopeless:
            reader.stop(sum(1 for _ in table.rows))
    return reader.submission(percent=percent)


def _columns(table: OpenTable, labels: LabelList) -> tuple[str, ...]:
    """Returns the columns of probabilities, in label order; none where there is `probs` or nothing.

    Raises:
        InputError: The file has no rows, or lacks a column.
    """
    if PROBS in table.columns:
        own: tuple[str, ...] = ()
    else:
        named = {name: _column_of(name, table.columns) for name in labels.names}
        own = tuple(column for column in named.values() if column is not None)
        if own and len(own) < len(labels):
            missing = [name for name, column in named.items() if column is None]
            raise InputError(_no_column_of_labels(missing, table))
    missing = [ID] if ID not in table.columns else []
    if not own and PROBS not in table.columns and LABEL not in table.columns:
        missing.append(f"{LABEL} or {PROBS}")
    faults = [_missing_column(name, table) for name in missing]
    if not faults and not table.has_rows:
        faults = [Fault("the file has a header and no rows", str(table.path), kind="empty file")]
    if faults:
        raise InputError(*faults)
    return own


def _column_of(label: str, columns: Sequence[str]) -> str | None:
    """Returns the column of a label: named like it, or `probs_` and its name."""
    names = (label, *(f"{head}{mark}{label}" for head in ("prob", "probs") for mark in "_:.- "))
    return next((name for name in names if name in columns), None)


def _no_column_of_labels(missing: Sequence[str], table: Header) -> Fault:
    what = f"there is no column of probabilities for {len(missing)} of the labels"
    received = f"the columns {shorten(', '.join(table.columns))}"
    step = "add them, or name the labels that the file is about with --labels"
    some = shorten(", ".join(missing))
    return Fault(what, f"{table.name}:1", received, f"also {some}", step, "missing column")


def _missing_column(name: str, table: Header) -> Fault:
    guess = nearest(name, table.columns)
    return Fault(
        f"the column {name} is missing",
        f"{table.name}:1",
        shorten(", ".join(table.columns)),
        _WANTED,
        f"rename {guess} to {name}" if guess else "",
        "missing column",
    )


@dataclass(slots=True)
class _Reader:
    """Reads the rows of a submission, some at a time, and collects their faults.

    Args:
        header: The file.
        labels: The label list.
        columns: The columns of probabilities, in label order; empty where they are lists, or none.
        ids: The ids.
        lines: The line of each row.
        predicted: The label of each row.
        numbers: The numbers of all rows, one row after the other.
        faults: What is wrong, with the number of its row.
        no_cells: Which rows lack a column or cannot be cut; then nothing else is said.
        unread: Whether numbers could not be read.
        count: How many rows were read.
    """

    header: Header
    labels: LabelList
    columns: tuple[str, ...]
    ids: SeenIds = field(default_factory=SeenIds)
    lines: array[int] = field(default_factory=lambda: array("Q"))
    predicted: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[float] = field(default_factory=lambda: array("d"))
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    no_cells: list[Fault] = field(default_factory=list)
    unread: bool = False
    count: int = 0

    def read(self, rows: Sequence[Row]) -> None:
        """Adds rows."""
        self.count += len(rows)
        self.no_cells += [fault for row in rows if (fault := row.fault or self._cell_fault(row))]
        if not self.no_cells:
            first = len(self.ids)
            for row in rows:
                self._identify(row)
            if LABEL in self.header.columns:
                self._read_labels([str(row.cells[LABEL]) for row in rows], first)
            if self.columns:
                self._add(self._numbers_of(rows, first))
            elif PROBS in self.header.columns:
                self._add(self._lists_of([str(row.cells[PROBS]) for row in rows], first))

    @property
    def bad(self) -> int:
        """How many rows have faults."""
        return len(self.no_cells) or len({row for row, _ in self.faults})

    @property
    def is_hopeless(self) -> bool:
        """Whether little but rows with faults has been read."""
        return are_too_many(self.bad, self.count)

    def stop(self, left: int) -> None:
        """Notes that rows are not looked at.

        Args:
            left: How many.
        """
        fault = too_many_faults(self.header.name, self.bad, left)
        if self.no_cells:
            self.no_cells.append(fault)
        self.faults.append((self.count, fault))

    def submission(self, *, percent: bool) -> Submission:
        """Returns what was read.

        Args:
            percent: Whether numbers are percent.

        Raises:
            InputError: Every fault of every row.
        """
        probabilities = None
        if self.numbers and not self.unread and not self.no_cells:
            shares = np.frombuffer(self.numbers, np.float64).reshape(-1, len(self.labels))
            if percent:
                shares /= 100
            self.faults += as_shares(shares, self._place, str(self.header.path))
            probabilities = shares
        self._raise_faults()
        predicted = None
        if LABEL in self.header.columns:
            predicted = np.frombuffer(self.predicted, np.int64)
        return Submission(self.ids, predicted, probabilities, named=bool(self.columns))

    def _cell_fault(self, row: Row) -> Fault | None:
        """Returns the fault of a row that lacks a column, as in JSON, or has a date there."""
        where = f"{self.header.name}:{row.line}"
        given = [name for name in (LABEL, PROBS) if name in self.header.columns]
        for name in (ID, *self.columns, *given):
            if name not in row.cells:
                return Fault(f"the row has no {name}", where, kind="no value")
            cell = row.cells[name]
            if isinstance(cell, NoText):
                return cell.fault(f"{where}, column {name}")
        return None

    def _place(self, row: int) -> str:
        return f"{self.header.name}:{self.lines[row]}, id {self.ids[row]}"

    def _identify(self, row: Row) -> None:
        """Notes the row's id, its line, and what is wrong with the id."""
        id_, number = str(row.cells[ID]).strip(), len(self.ids)
        same = self.ids.add(id_)
        self.lines.append(row.line)
        if not id_:
            where = f"{self._place(number)}, column id"
            fault = Fault("the row has no id", where, allowed="an id", kind="no id")
            self.faults.append((number, fault))
        elif same < number:
            what, where = f"the id {id_} is already in line", f"{self._place(number)}, column id"
            what, kind = f"{what} {self.lines[same]}", "duplicate id"
            self.faults.append((number, Fault(what, where, id_, "each id once", kind=kind)))

    def _read_labels(self, names: Sequence[str], first: int) -> None:
        """Reads the predicted labels."""
        for row, name in enumerate(names, first):
            if name in self.labels:
                self.predicted.append(self.labels.index(name))
                continue
            self.predicted.append(0)
            where = f"{self._place(row)}, column {LABEL}"
            self.faults.append((row, self.labels.unknown(name, where)))

    def _add(self, numbers: Floats) -> None:
        self.numbers.frombytes(np.ascontiguousarray(numbers).tobytes())

    def _lists_of(self, texts: Sequence[str], first: int) -> Floats:
        """Reads lists, `(rows, labels)`."""
        together = _read_together(texts, len(self.labels))
        if together is not None:
            return together
        found = np.full((len(texts), len(self.labels)), 1 / len(self.labels))
        for row, text in enumerate(texts):
            numbers = self._list(first + row, text)
            if numbers is not None:
                found[row] = numbers
        return found

    def _list(self, row: int, text: str) -> list[float] | None:
        numbers = read_numbers(text)
        count = len(self.labels)
        step = ""
        if isinstance(numbers, str):
            what, step = numbers, remedy(text)
        elif len(numbers) != count:
            what = f"this list has {len(numbers)} numbers, the label list {count} labels"
            step = "name the labels that the file is about with --labels"
        else:
            return numbers
        allowed = f"a list of {count} numbers such as [0.9, 0.1], in label order"
        self._no_number(row, what, PROBS, text, allowed, step)
        return None

    def _numbers_of(self, rows: Sequence[Row], first: int) -> Floats:
        """Reads one column a label, `(rows, labels)`."""
        found = np.full((len(rows), len(self.columns)), 1 / len(self.columns))
        for row, cells in enumerate(rows):
            for at, column in enumerate(self.columns):
                text = str(cells.cells[column])
                number = read_numbers(f"[{text}]")
                if isinstance(number, str) or len(number) != 1:
                    what, step = "this is not a number", "write the probability of the label"
                    self._no_number(first + row, what, column, text, "a number from 0 to 1", step)
                else:
                    found[row, at] = number[0]
        return found

    def _no_number(
        self, row: int, what: str, column: str, text: str, allowed: str, step: str
    ) -> None:
        self.unread = True
        where = f"{self._place(row)}, column {column}"
        self.faults.append((row, Fault(what, where, shorten(text), allowed, step, "probs")))

    def _raise_faults(self) -> None:
        """Raises what was found, in the rows' order."""
        faults = [fault for _, fault in sorted(self.faults, key=lambda pair: pair[0])]
        if faults := self.no_cells or faults:
            raise InputError(*faults)


def _read_together(texts: Sequence[str], classes: int) -> Floats | None:
    """Reads all rows as one JSON text, `(rows, classes)`; None if any of them needs a look."""
    joined = ",".join(texts)
    if any(mark in joined for mark in _NO_NUMBERS):
        return None
    # Brackets around every row: else one row could close in the next and the count still agree.
    if not all(text.startswith("[") and text.endswith("]") for text in texts):
        return None
    try:
        values: Floats = np.array(json.loads(f"[{joined}]"), dtype=np.float64)
    except (ValueError, OverflowError, RecursionError):
        return None
    return values if values.shape == (len(texts), classes) else None
