"""Reads a submission: id, pred_label, and probabilities in a list or in one column a label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from relx.data.encoding import Encoding
from relx.data.formats.cells import NoText
from relx.data.number_lists import read_numbers, remedy
from relx.data.table import Row, Table, read_table
from relx.faults import Fault, InputError, nearest, shorten
from relx.scoring.predictions import Submission
from relx.scoring.shares import as_shares

if TYPE_CHECKING:
    from relx.data.labels import LabelList

Floats = npt.NDArray[np.float64]
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
    table = read_table(path, encoding)
    columns = _columns(table, labels)
    reader = _Reader(table, labels, (ID, *columns, *(set(table.columns) & {LABEL, PROBS})))
    ids = [str(row.cells[ID]).strip() for row in table.rows]
    reader.place(ids)
    predicted = reader.labels_of(LABEL) if LABEL in table.columns else None
    probabilities = None
    if columns:
        probabilities = reader.numbers_of(columns)
    elif PROBS in table.columns:
        probabilities = reader.lists_of(PROBS)
    if probabilities is not None and not reader.unread:
        shares = probabilities / 100 if percent else probabilities
        probabilities, faults = as_shares(shares, reader.places, str(path))
        reader.faults += faults
    reader.raise_faults()
    return Submission(tuple(ids), predicted, probabilities, named=bool(columns))


def _columns(table: Table, labels: LabelList) -> tuple[str, ...]:
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
    if not faults and not table.rows:
        faults = [Fault("the file has a header and no rows", str(table.path), kind="empty file")]
    if faults:
        raise InputError(*faults)
    return own


def _column_of(label: str, columns: Sequence[str]) -> str | None:
    """Returns the column of a label: named like it, or `probs_` and its name."""
    names = (label, *(f"{head}{mark}{label}" for head in ("prob", "probs") for mark in "_:.- "))
    return next((name for name in names if name in columns), None)


def _no_column_of_labels(missing: Sequence[str], table: Table) -> Fault:
    what = f"there is no column of probabilities for {len(missing)} of the labels"
    received = f"the columns {shorten(', '.join(table.columns))}"
    step = "add them, or name the labels that the file is about with --labels"
    some = shorten(", ".join(missing))
    return Fault(what, f"{table.name}:1", received, f"also {some}", step, "missing column")


def _missing_column(name: str, table: Table) -> Fault:
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
    """Reads the columns of a submission and collects the faults of its rows."""

    table: Table
    labels: LabelList
    columns: tuple[str, ...]
    places: list[str] = field(default_factory=list)
    faults: list[tuple[int, Fault]] = field(default_factory=list)
    unread: bool = False

    def __post_init__(self) -> None:
        faults = [fault for row in self.table.rows if (fault := row.fault or self._cell_fault(row))]
        if faults:
            raise InputError(*faults)

    def _cell_fault(self, row: Row) -> Fault | None:
        """Returns the fault of a row that lacks a column, as in JSON, or has a date there."""
        where = f"{self.table.name}:{row.line}"
        for name in self.columns:
            if name not in row.cells:
                return Fault(f"the row has no {name}", where, kind="no value")
            cell = row.cells[name]
            if isinstance(cell, NoText):
                return cell.fault(f"{where}, column {name}")
        return None

    def place(self, ids: Sequence[str]) -> None:
        """Notes where each row is, and what is wrong with its id."""
        rows = self.table.rows
        self.places = [
            f"{self.table.name}:{row.line}, id {id_}" for row, id_ in zip(rows, ids, strict=True)
        ]
        self.faults += _id_faults(ids, rows, self.places)

    def labels_of(self, column: str) -> npt.NDArray[np.int64]:
        """Reads the predicted labels, `(rows,)`."""
        names = [str(row.cells[column]) for row in self.table.rows]
        for row, name in enumerate(names):
            if name not in self.labels:
                where = f"{self.places[row]}, column {column}"
                self.faults.append((row, self.labels.unknown(name, where)))
        found = [self.labels.index(name) if name in self.labels else 0 for name in names]
        return np.array(found, np.int64)

    def lists_of(self, column: str) -> Floats:
        """Reads a column of lists, `(rows, labels)`."""
        texts = [str(row.cells[column]) for row in self.table.rows]
        together = _read_together(texts, len(self.labels))
        if together is not None:
            return together
        found = np.full((len(texts), len(self.labels)), 1 / len(self.labels))
        for row, text in enumerate(texts):
            numbers = self._list(row, text, column)
            if numbers is not None:
                found[row] = numbers
        return found

    def _list(self, row: int, text: str, column: str) -> list[float] | None:
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
        self._no_number(row, what, column, text, allowed, step)
        return None

    def numbers_of(self, columns: Sequence[str]) -> Floats:
        """Reads one column a label, `(rows, labels)`."""
        found = np.full((len(self.table.rows), len(columns)), 1 / len(columns))
        for row, cells in enumerate(self.table.rows):
            for at, column in enumerate(columns):
                text = str(cells.cells[column])
                number = read_numbers(f"[{text}]")
                if isinstance(number, str) or len(number) != 1:
                    what, step = "this is not a number", "write the probability of the label"
                    self._no_number(row, what, column, text, "a number from 0 to 1", step)
                else:
                    found[row, at] = number[0]
        return found

    def _no_number(
        self, row: int, what: str, column: str, text: str, allowed: str, step: str
    ) -> None:
        self.unread = True
        where = f"{self.places[row]}, column {column}"
        self.faults.append((row, Fault(what, where, shorten(text), allowed, step, "probs")))

    def raise_faults(self) -> None:
        """Raises what was found, in the rows' order."""
        if self.faults:
            raise InputError(*(f for _, f in sorted(self.faults, key=lambda pair: pair[0])))


def _id_faults(
    ids: Iterable[str], rows: Sequence[Row], places: Sequence[str]
) -> Iterator[tuple[int, Fault]]:
    """Yields a fault, with its row, for each id that is empty or repeats an earlier one."""
    line_of: dict[str, int] = {}
    for row, id_ in enumerate(ids):
        where = f"{places[row]}, column id"
        if not id_:
            yield row, Fault("the row has no id", where, allowed="an id", kind="no id")
        elif id_ in line_of:
            what = f"the id {id_} is already in line {line_of[id_]}"
            yield row, Fault(what, where, id_, "each id once", kind="duplicate id")
        line_of.setdefault(id_, rows[row].line)


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
