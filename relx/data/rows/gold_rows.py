"""Ids and labels alone: all that a score needs of labelled rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from relx.data.rows.bad_rows import BadRow
from relx.data.rows.reading import Reading, Scan, require_usable
from relx.data.rows.row_checks import RowChecks
from relx.data.rows.seen_ids import PackedTexts
from relx.data.table import Header, OpenTable, Row
from relx.faults import Fault, InputError, nearest, shorten
from relx.spans import Span

CHUNK = 1024  # rows that are held at a time, but for their ids and labels
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
    group: str = ""

    @property
    def key(self) -> str:
        """The id: nothing else is known of what the row asks."""
        return self.id


class GoldRows(Sequence[GoldRow]):
    """Rows of which only ids and labels are known, in little memory.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Iterable[GoldRow]) -> None:
        self._ids, self._gold = PackedTexts(), list[Gold]()
        held: dict[Gold, Gold] = {}  # each set of labels once
        for row in rows:
            self._ids.append(row.id)
            self._gold.append(held.setdefault(row.gold, row.gold))

    def __len__(self) -> int:
        return len(self._gold)

    @overload
    def __getitem__(self, place: int) -> GoldRow: ...
    @overload
    def __getitem__(self, place: slice) -> list[GoldRow]: ...
    def __getitem__(self, place: int | slice) -> GoldRow | list[GoldRow]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return GoldRow(self._ids[place], self._gold[place])

    def __iter__(self) -> Iterator[GoldRow]:
        return map(GoldRow, self._ids, self._gold)


def gold_rows(scan: Scan[GoldRow], skip_bad_rows: str | None) -> GoldRows:
    """Reads ids and labels to the end; refuses a file with bad rows, unless they may be left out.

    Args:
        scan: The rows.
        skip_bad_rows: As in `require_usable`.

    Returns:
        The good rows.

    Raises:
        InputError: Everything wrong with the file, at once.
    """
    rows = GoldRows(itertools.chain.from_iterable(scan.chunks(CHUNK)))
    require_usable(scan.reading, skip_bad_rows)
    return rows


def scan_gold(table: OpenTable, ids: Sequence[str], read: ReadGold) -> Scan[GoldRow]:
    """Begins to read ids and labels, and leaves everything else alone.

    Args:
        table: The file.
        ids: What the column of ids may be called.
        read: Reads the labels of a row's cells, and notes what is wrong with them.

    Returns:
        The rows, to be read; the faults of bad ones are collected.

    Raises:
        InputError: The file has no rows or no ids.
    """
    column = next((name for name in ids if name in table.columns), None)
    if not table.has_rows:
        raise InputError(Fault("the file has no rows", table.name, kind="empty file"))
    if column is None:
        raise InputError(no_column(ids[0], table))
    checks = RowChecks(table.name)

    def add(row: Row, reading: Reading[GoldRow]) -> None:
        checks.begin(row)
        if row.fault is None:
            found = GoldRow(checks.id(row, row.cells.get(column)), read(row.cells, checks))
        if checks.faults:
            reading.bad_rows.append(BadRow(table.path, row, tuple(checks.faults)))
        else:
            reading.examples.append(found)
            reading.readable.append(found)
            reading.lines.append(row.line)

    return Scan(table, add)


def no_column(name: str, table: Header) -> Fault:
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
