"""The raw rows of a data file, with the line each begins on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError

MOST_BAD_ROWS = 10_000  # of a file with more bad rows than good ones; then it is something else
_SHOWN_BROKEN = 20  # rows


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is in the file.

    Args:
        line: The line of the file on which it begins, counted from 1; in Excel its row in the
            sheet, in Parquet its place among the rows.
        cells: Its cells by column; text in a CSV, any JSON value in JSON, and otherwise what
            `relx.data.formats.cells.cell` returns.
        raw: The text itself where it could not be cut into cells; else empty.
        fault: Why it could not, or None.
    """

    line: int
    cells: dict[str, Any]
    raw: str = ""
    fault: Fault | None = None


@dataclass(slots=True)
class Header:
    """What is known of a file before its rows.

    Args:
        path: The file.
        columns: The columns, in the order in which the file names them.
        sheet: The sheet of an Excel workbook; empty otherwise.
    """

    path: Path
    columns: tuple[str, ...] = ()
    sheet: str = ""

    @property
    def name(self) -> str:
        """What comes before a row's number in messages: the file, and its sheet if it has any."""
        return f"{self.path} (sheet {self.sheet})" if self.sheet else str(self.path)


@dataclass(slots=True)
class Table(Header):
    """All rows of a file.

    Args:
        rows: The rows, those that could not be cut into cells among them.
    """

    rows: list[Row] = field(default_factory=list)

    def opened(self) -> OpenTable:
        """Returns the rows as a file that is read; they are let go one by one."""
        rows, self.rows = self.rows[::-1], []
        taken = (rows.pop() for _ in range(len(rows)))
        return OpenTable(self.path, self.columns, self.sheet, taken, has_rows=bool(rows))


@dataclass(slots=True)
class OpenTable(Header):
    """A file whose rows are read as they are asked for, once.

    Args:
        rows: The rows, those that could not be cut into cells among them. Reading on may raise an
            `InputError`, where most of them cannot.
        has_rows: Whether there are any.
    """

    rows: Iterator[Row] = field(default_factory=lambda: iter(()))
    has_rows: bool = False

    def held(self) -> Table:
        """Reads all rows.

        Raises:
            InputError: Most of them are broken.
        """
        return Table(self.path, self.columns, self.sheet, list(self.rows))


def mostly_whole(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Passes rows on, unless most of them are broken: a row's fault takes more than the row.

    Args:
        name: The file, for messages.
        rows: Its rows.

    Yields:
        The rows.

    Raises:
        InputError: Most rows are broken; the first of them are named.
    """
    first: list[Fault] = []
    broken = 0
    for number, row in enumerate(rows, 1):
        if row.fault is not None:
            broken += 1
            if broken <= _SHOWN_BROKEN:
                first.append(row.fault)
        if broken >= MOST_BAD_ROWS and 2 * broken > number:
            what, received = "most rows of this file are broken", f"{broken:,} of {number:,}"
            step = "see the first of them: they are likely of one kind"
            raise InputError(*first, Fault(what, name, received, "", step, "broken row"))
        yield row
