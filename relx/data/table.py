"""The raw rows of a data file, CSV, JSON, Parquet or Excel, with the line each begins on."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relx.data.encoding import Encoding, decoded
from relx.faults import Fault, InputError, nearest, shorten
from relx.progress import say

if TYPE_CHECKING:
    from relx.data.formats.cells import TypedRows

_SPACE = re.compile(r"\s*")
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FORMATS = "a CSV with a header, a JSON list of objects, or one JSON object a line"
_TEXT = f"{_FORMATS}, in UTF-8 or cp949"
_ANY_FORMAT = f"{_TEXT}; a Parquet file, or an Excel workbook (.xlsx)"
# How Parquet begins, and what an Excel workbook is: a zip archive, or a file of Office of old.
_PARQUET = b"PAR1"
_EXCEL = (b"PK\3\4", b"PK\5\6", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
MOST_BAD_ROWS = 10_000  # of a file with more bad rows than good ones; then it is something else
_SHOWN_BROKEN = 20  # rows
# The longest cell that the csv module takes; a sentence is never near it.
_LONGEST_CELL = csv.field_size_limit()


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


def read_table(path: Path, encoding: Encoding = "auto", sheet: str | None = None) -> Table:
    """Reads the rows of a CSV, JSON, Parquet or Excel file; the content decides which it is.

    Args:
        path: The file.
        encoding: The encoding of a text; `auto` tries UTF-8 (with or without a mark), then cp949.
        sheet: The sheet of an Excel workbook; None for the first.

    Returns:
        The rows.

    Raises:
        InputError: There is no such file; it is empty, binary, damaged, or in another encoding or
            format; it has no such sheet; or what reads Parquet or Excel is not installed.
    """
    data = _read_bytes(path)
    if sheet is not None and not data.startswith(_EXCEL):
        say(f"note: {path} is no workbook, and has no sheet {sheet}: it is read as it is")
    typed = _typed_rows(path, data, sheet)
    if typed is not None:
        rows = [Row(n, dict(zip(typed.columns, row, strict=True))) for n, row in typed.rows]
        return Table(path, typed.columns, rows, typed.sheet)
    text = _text_of(path, data, encoding, _ANY_FORMAT)
    del data
    read_json = {"[": _json_list, "{": _json_lines}.get(text.lstrip()[:1])
    if read_json is not None:
        return read_json(path, text)
    lines = _LINE.findall(text)
    del text  # one character beyond U+FFFF makes it four bytes a character
    return _csv(path, lines)


def read_text(path: Path, encoding: Encoding = "auto") -> str:
    """Reads a text file in one of the encodings that Korean data come in.

    Args:
        path: The file.
        encoding: Its encoding; `auto` tries UTF-8 (with or without a mark), then cp949.

    Returns:
        The text, line ends as they are.

    Raises:
        InputError: There is no such file, or it is empty, binary, or in another encoding.
    """
    return _text_of(path, _read_bytes(path), encoding, _TEXT)


def _typed_rows(path: Path, data: bytes, sheet: str | None) -> TypedRows | None:
    """Returns the rows of a Parquet or Excel file, or None for a text."""
    if data.startswith(_PARQUET):
        from relx.data.formats.parquet import read_parquet

        return read_parquet(path, data)
    if data.startswith(_EXCEL):
        from relx.data.formats.excel import read_excel

        return read_excel(path, data, sheet)
    return None


def _text_of(path: Path, data: bytes, encoding: Encoding, allowed: str) -> str:
    if b"\0" in data:
        received = shorten(data[:24])
        raise InputError(Fault("this file is binary", str(path), received, allowed, kind="no text"))
    text = decoded(path, data, encoding)
    if not text.strip():
        step = "check the path, or write the file again"
        raise InputError(Fault("the file is empty", str(path), next_step=step, kind="empty file"))
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        beside = [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else []
        guess = nearest(path.name, beside)
        step = f"did you mean {path.parent / guess}?" if guess else "check the path"
        fault = Fault("there is no such file", str(path), next_step=step, kind="no such file")
        raise InputError(fault) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        fault = Fault("this is no file", str(path), allowed="a file", kind="no such file")
        raise InputError(fault) from error
    except PermissionError as error:
        fault = Fault("no permission to read this file", str(path), kind="no such file")
        raise InputError(fault) from error
    except (OSError, ValueError) as error:  # a name that no disk takes
        reason = getattr(error, "strerror", None) or str(error)
        fault = Fault("this file cannot be read", shorten(str(path)), reason, kind="no such file")
        raise InputError(fault) from error


def _csv(path: Path, lines: list[str]) -> Table:
    cut = ((covered, cells) for covered, cells in _cut(lines) if cells)
    covered, header = next(cut)
    if isinstance(header, str):
        raise InputError(_uncut(f"{path}:{covered.start + 1}", covered, header))
    table = Table(path, tuple(header))
    found = (_csv_row(table, lines, covered, cells) for covered, cells in cut)
    table.rows = _collected(table, found)
    return table


def _collected(table: Table, rows: Iterator[Row]) -> list[Row]:
    """Collects rows, unless most of them are broken: a row's fault takes more than the row."""
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


def _cut(lines: list[str]) -> Iterator[tuple[slice, list[str] | str]]:
    """Yields the lines that each row covers, with its cells or why it cannot be cut into cells."""
    reader = csv.reader(lines, strict=True)
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


def _json_list(path: Path, text: str) -> Table:
    table = Table(path)
    try:
        table.rows = [_json_row(path, line, value) for line, value in _elements(text)]
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(_no_json(f"{path}{line}", error)) from error
    table.columns = _columns(table.rows)
    return table


def _elements(text: str) -> Iterator[tuple[int, Any]]:
    """Yields each element of a JSON list with the line on which it begins."""
    decoder = json.JSONDecoder()
    at, line, counted = _after_space(text, text.index("[") + 1), 1, 0
    while text[at : at + 1] != "]":
        line, counted = line + text.count("\n", counted, at), at
        value, end = decoder.raw_decode(text, at)
        yield line, value
        at = _after_space(text, end)
        if text[at : at + 1] == ",":
            at = _after_space(text, at + 1)
            if text[at : at + 1] == "]":
                raise json.JSONDecodeError("a comma before the closing bracket", text, at)
        elif text[at : at + 1] != "]":
            raise json.JSONDecodeError("a comma or a closing bracket is missing", text, at)
    if text[at + 1 :].strip():
        raise json.JSONDecodeError("text after the closing bracket", text, at + 1)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_lines(path: Path, text: str) -> Table:
    _refuse_one_object(path, text)
    table = Table(path)
    lines = ((n, line) for n, line in enumerate(io.StringIO(text), 1) if line.strip())
    table.rows = _collected(table, (_json_line(path, number, line) for number, line in lines))
    table.columns = _columns(table.rows)
    faults = [row.fault for row in table.rows if row.fault is not None]
    if len(faults) == len(table.rows):
        raise InputError(*faults)  # no column is known, and none is what is missing
    return table


def _json_line(path: Path, number: int, line: str) -> Row:
    try:
        return _json_row(path, number, json.loads(line.rstrip("\r\n")))
    except (ValueError, RecursionError) as error:
        return Row(number, {}, line, _no_json(f"{path}:{number}", error))


def _refuse_one_object(path: Path, text: str) -> None:
    """Raises when the whole file is one object written over several lines."""
    if text.strip().count("\n") == 0:
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    received = f"an object with the keys {shorten(list(value))}"
    fault = Fault("this JSON is no list of rows", str(path), received, _FORMATS, kind="no rows")
    raise InputError(fault)


def _json_row(path: Path, line: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    where = f"{path}:{line}"
    fault = Fault("a row is no object", where, shorten(value), "an object", kind="broken row")
    return Row(line, {}, json.dumps(value, ensure_ascii=False), fault)


def _no_json(where: str, error: Exception) -> Fault:
    received = "brackets nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Fault("this is not JSON", where, received, _FORMATS, kind="JSON syntax")


def _columns(rows: list[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for row in rows for column in row.cells))
