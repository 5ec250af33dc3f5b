"""CSV: cells with commas, or what else a file has, between them."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from relx.data.formats.rows import Row, Table, collected
from relx.faults import Fault, InputError
from relx.progress import say

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
# The longest cell that the csv module takes; a sentence is never near it.
_LONGEST_CELL = csv.field_size_limit()
_OTHERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def lines_of(text: str) -> list[str]:
    """Cuts a text into lines, each with its end: a carriage return, a line feed, or both."""
    return _LINE.findall(text)


def read_csv(path: Path, lines: list[str]) -> Table:
    """Reads a CSV, with commas between its cells, or semicolons, tabs or bars.

    Args:
        path: The file, for messages.
        lines: Its lines.

    Returns:
        The rows, those that cannot be cut into cells among them.

    Raises:
        InputError: The header cannot be cut into cells, or most rows cannot.
    """
    delimiter = _delimiter(path, lines)
    quoted = delimiter != "\t" or _is_quoted(path, lines)
    rows = (found for found in _cut(lines, delimiter, quoted) if found[1])
    cut = itertools.dropwhile(lambda found: not "".join(found[1]).strip(), rows)
    covered, header = next(cut)
    if isinstance(header, str):
        raise InputError(_uncut(f"{path}:{covered.start + 1}", covered, header))
    table = Table(path, tuple(name.strip().strip("\ufeff").strip() for name in header))
    found = (_csv_row(table, lines, covered, cells) for covered, cells in cut)
    table.rows = collected(table, found)
    return table


def _delimiter(path: Path, lines: list[str]) -> str:
    """Finds what stands between the cells of the header, where that is no comma."""
    header = next(line for line in lines if line.strip())
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


def _is_quoted(path: Path, lines: list[str]) -> bool:
    """Tells whether quotes of a file with tabs hold cells together, or are letters as any other.

    Most files with tabs quote nothing: a lone quote would then swallow rows up to the next one.
    """
    for covered, cells in _cut(lines, "\t", True):
        torn = isinstance(cells, list) and any("\n" in cell and "\t" in cell for cell in cells)
        if torn or isinstance(cells, str):
            say(f"note: {path}:{covered.start + 1}: quotes in this file are read as letters")
            return False
    return True


def _cut(lines: list[str], delimiter: str, quoted: bool) -> Iterator[tuple[slice, list[str] | str]]:
    """Yields the lines that each row covers, with its cells or why it cannot be cut into cells."""
    if quoted:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, strict=True, quoting=csv.QUOTE_NONE)
    while reader.line_num < len(lines):
        first = reader.line_num
        found: list[str] | str
        try:
            found = next(reader)
        except csv.Error as error:
            found = str(error)
        yield slice(first, reader.line_num), found


def _csv_row(table: Table, lines: list[str], covered: slice, cells: list[str] | str) -> Row:
    if len(cells) == len(table.columns) and isinstance(cells, list):
        return Row(covered.start + 1, dict(zip(table.columns, cells, strict=True)))
    where = f"{table.path}:{covered.start + 1}"
    raw = "".join(lines[covered])
    if isinstance(cells, str):
        return Row(covered.start + 1, {}, raw, _uncut(where, covered, cells))
    fault = Fault(
        "the row has more or fewer cells than the header",
        where,
        f"{len(cells)} cells",
        f"{len(table.columns)} cells: {', '.join(table.columns)}",
        'a cell that holds a comma goes in quotes: "a, b"',
        "number of cells",
    )
    return Row(covered.start + 1, {}, raw, fault)


def _uncut(where: str, covered: slice, reason: str) -> Fault:
    return Fault(
        "the row cannot be cut into cells",
        where,
        f"{reason} (lines {covered.start + 1} to {covered.stop})",
        f"quotes in pairs, a quote inside a cell doubled, cells under {_LONGEST_CELL:,} characters",
        "look for a quote that opens on these lines and is never closed",
        "broken row",
    )
