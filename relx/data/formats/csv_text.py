"""CSV: cells with commas, or what else a file has, between them."""

from __future__ import annotations

import csv
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from relx.data.formats.rows import Header, OpenTable, Row, mostly_whole
from relx.data.formats.text_blocks import TextFile
from relx.faults import Fault, InputError
from relx.progress import say

# The longest cell that the csv module takes; a sentence is never near it.
_LONGEST_CELL = csv.field_size_limit()
# What some programs write in front of the header for Excel, which does not show it.
_SAID = re.compile(r"sep=(\S|\t)[ ;,]*\r?\n?")
_OTHERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class _Cut(NamedTuple):
    """A row of the file: its first line and its last, their text, and its cells or why it has none.

    The lines are those of this row until the next one is asked for.
    """

    first: int
    last: int
    lines: Sequence[str]
    cells: list[str] | str


def open_csv(path: Path, text: TextFile) -> OpenTable:
    """Opens a CSV, with commas between its cells, or semicolons, tabs or bars.

    Args:
        path: The file, for messages.
        text: Its content.

    Returns:
        The rows, those that cannot be cut into cells among them.

    Raises:
        InputError: There is no header, or it cannot be cut into cells.
    """
    lines = list(itertools.islice((line for line in text.lines() if line.strip()), 2))
    said = _SAID.fullmatch(lines[0]) if len(lines) > 1 else None
    delimiter = said[1] if said else _delimiter(path, lines[0])
    quoted = delimiter != "\t" or _is_quoted(path, text)
    cut = _cut(text.lines(), delimiter, quoted)
    filled = (found for found in cut if "".join(found.cells).strip())
    head = next(itertools.islice(filled, int(said is not None), None), None)
    if head is None:
        what, allowed = "the file has no header", "a first line with the names of the columns"
        raise InputError(Fault(what, str(path), "blank cells", allowed, kind="empty file"))
    if isinstance(head.cells, str):
        raise InputError(_uncut(path, head, head.cells))
    header = Header(path, tuple(name.strip().strip("\ufeff").strip() for name in head.cells))
    found = mostly_whole(header.name, map(functools.partial(_csv_row, header), cut))
    first = list(itertools.islice(found, 1))
    return OpenTable(path, header.columns, rows=itertools.chain(first, found), has_rows=bool(first))


def _delimiter(path: Path, header: str) -> str:
    """Finds what stands between the cells of the header, where that is no comma."""
    try:
        (cells,) = csv.reader([header], strict=True)
    except (csv.Error, ValueError):
        return ","
    if len(cells) > 1 and "\t" not in header:  # which no column's name has
        return ","
    counts = {other: header.count(other) for other in _OTHERS}
    other = "\t" if counts["\t"] else max(counts, key=lambda name: counts[name])
    if not counts[other]:
        return ","
    say(f"note: {path} has {_OTHERS[other]} between its cells, and is read so")
    return other


def _is_quoted(path: Path, text: TextFile) -> bool:
    """Tells whether quotes of a file with tabs hold cells together, or are letters as any other.

    Most files with tabs quote nothing: a lone quote would then swallow rows up to the next one.
    """
    for found in _cut(text.lines(), "\t", True):
        cells = found.cells
        torn = isinstance(cells, list) and any("\n" in cell and "\t" in cell for cell in cells)
        if torn or isinstance(cells, str):
            say(f"note: {path}:{found.first}: quotes in this file are read as letters")
            return False
    return True


def _cut(lines: Iterable[str], delimiter: str, quoted: bool) -> Iterator[_Cut]:
    """Yields the rows, cut into cells where they can be."""
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    if quoted:
        reader = csv.reader(noted(), delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(noted(), delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    while True:
        taken.clear()
        first = reader.line_num + 1
        found: list[str] | str
        try:
            found = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            found = str(error)
        if found:  # a blank line is no row
            yield _Cut(first, reader.line_num, taken, found)


def _csv_row(header: Header, found: _Cut) -> Row:
    cells = found.cells
    if isinstance(cells, list) and len(cells) == len(header.columns):
        return Row(found.first, dict(zip(header.columns, cells, strict=True)))
    raw = "".join(found.lines)
    if isinstance(cells, str):
        return Row(found.first, {}, raw, _uncut(header.path, found, cells))
    fault = Fault(
        "the row has more or fewer cells than the header",
        f"{header.path}:{found.first}",
        f"{len(cells)} cells",
        f"{len(header.columns)} cells: {', '.join(header.columns)}",
        'a cell that holds a comma goes in quotes: "a, b"',
        "number of cells",
    )
    return Row(found.first, {}, raw, fault)


def _uncut(path: Path, found: _Cut, reason: str) -> Fault:
    return Fault(
        "the row cannot be cut into cells",
        f"{path}:{found.first}",
        f"{reason} (lines {found.first} to {found.last})",
        f"quotes in pairs, a quote inside a cell doubled, cells under {_LONGEST_CELL:,} characters",
        "look for a quote that opens on these lines and is never closed",
        "broken row",
    )
