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
class Table:
    """All rows of a file.

    Args:
        path: The file.
        columns: The columns, in the order in which the file names them.
        rows: The rows, those that could not be cut into cells among them.
        sheet: The sheet of an Excel workbook; empty otherwise.
    """

    path: Path
    columns: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    sheet: str = ""

    @property
    def name(self) -> str:
        """What comes before a row's number in messages: the file, and its sheet if it has any."""
        return f"{self.path} (sheet {self.sheet})" if self.sheet else str(self.path)


def collected(table: Table, rows: Iterator[Row]) -> list[Row]:
    """Collects rows, unless most of them are broken: a row's fault takes more than the row.

    Args:
        table: The file, for messages.
        rows: Its rows.

    Raises:
        InputError: Most rows are broken; the first of them are named.
    """
    found: list[Row] = []
    broken = 0
    for row in rows:
        found.append(row)
        broken += row.fault is not None
        if broken >= MOST_BAD_ROWS and 2 * broken > len(found):
            first = [row.fault for row in found if row.fault is not None][:_SHOWN_BROKEN]
            what, received = "most rows of this file are broken", f"{broken:,} of {len(found):,}"
            step = "see the first of them: they are likely of one kind"
            raise InputError(*first, Fault(what, table.name, received, "", step, "broken row"))
    return found
