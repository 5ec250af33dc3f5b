"""Ids and labels alone: all that a score needs of labelled rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relx.data.rows.bad_rows import BadRow
from relx.data.rows.reading import Reading
from relx.data.rows.row_checks import RowChecks
from relx.data.table import Table
from relx.faults import Fault, InputError, nearest, shorten
from relx.spans import Span

Gold = str | frozenset[str] | None
ReadGold = Callable[[Mapping[str, Any], RowChecks], Gold]


@dataclass(frozen=True, slots=True)
class GoldRow:
    """A row of which only the id and the labels are known.

    Args:
        id: The row's id, as text.
        gold: Its label or labels; None where it is unlabelled.
    """

    id: str
    gold: Gold
    sentence: str = ""
    spans: tuple[Span, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The id: nothing else is known of what the row asks."""
        return self.id


def scan_gold(table: Table, ids: Sequence[str], read: ReadGold) -> Reading[GoldRow]:
    """Reads ids and labels, and leaves everything else alone.

    Args:
        table: The file; its rows are taken out of it.
        ids: What the column of ids may be called.
        read: Reads the labels of a row's cells, and notes what is wrong with them.

    Returns:
        The good rows, and the bad ones with their faults.

    Raises:
        InputError: The file has no rows or no ids.
    """
    column = next((name for name in ids if name in table.columns), None)
    if not table.rows:
        raise InputError(Fault("the file has no rows", table.name, kind="empty file"))
    if column is None:
        raise InputError(no_column(ids[0], table))
    checks, reading = RowChecks(table.name), Reading[GoldRow](table.path, name=table.name)
    reading.rows = len(table.rows)
    for row in reading.taken(table):
        checks.begin(row)
        if row.fault is None:
            found = GoldRow(checks.id(row, row.cells.get(column)), read(row.cells, checks))
        if checks.faults:
            reading.bad_rows.append(BadRow(table.path, row, tuple(checks.faults)))
        else:
            reading.examples.append(found)
            reading.lines.append(row.line)
    reading.readable = reading.examples
    return reading


def no_column(name: str, table: Table) -> Fault:
    """Returns the fault of a labelled file that lacks a column.

    Args:
        name: The column.
        table: The file.
    """
    guess = nearest(name, table.columns)
    step = f"rename {guess} to {name}" if guess else "name a labelled file with --gold"
    received = f"the columns {shorten(', '.join(table.columns))}"
    what, allowed = f"the column {name} is missing", "the ids of rows and their labels"
    return Fault(what, table.name, received, allowed, step, "missing column")
