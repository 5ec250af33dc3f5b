"""JSON: a list of objects, one object a line, or an object that holds rows in a form of pandas."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relx.data.formats.json_objects import rows_in
from relx.data.formats.rows import Row, Table, collected
from relx.faults import Fault, InputError, shorten
from relx.progress import say

FORMATS = "a CSV with a header, a JSON list of objects, or one JSON object a line"
_SPACE = re.compile(r"\s*")


def read_json_list(path: Path, text: str) -> Table:
    """Reads a JSON list of objects.

    Args:
        path: The file, for messages.
        text: Its content.

    Raises:
        InputError: It is not JSON.
    """
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


def read_json_lines(path: Path, text: str) -> Table:
    """Reads one JSON object a line, or an object that holds the rows.

    Args:
        path: The file, for messages.
        text: Its content.

    Raises:
        InputError: It is one object that holds no rows, or no line of it is JSON.
    """
    table = Table(path)
    whole = _whole_object(path, text)
    if whole is not None:
        table.rows = [Row(number, cells) for number, cells in enumerate(whole, 1)]
        table.columns = _columns(table.rows)
        return table
    lines = ((n, line) for n, line in enumerate(io.StringIO(text), 1) if line.strip())
    table.rows = collected(table, (_json_line(path, number, line) for number, line in lines))
    table.columns = _columns(table.rows)
    faults = [row.fault for row in table.rows if row.fault is not None]
    if len(faults) == len(table.rows):
        raise InputError(*faults)  # no column is known, and none is what is missing
    return table


def _whole_object(path: Path, text: str) -> list[dict[str, Any]] | None:
    """Returns the rows of a file that is one object; None where it has one object a line.

    Raises:
        InputError: It is one object over several lines, and holds no rows.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = rows_in(value)
    if found is not None:
        form, rows = found
        say(f"note: {path} is {form}: its rows are counted from 1")
        return rows
    if text.strip().count("\n") == 0:
        return None  # the one row of the file
    received = f"an object with the keys {shorten(list(value))}"
    fault = Fault("this JSON is no list of rows", str(path), received, FORMATS, kind="no rows")
    raise InputError(fault)


def _json_line(path: Path, number: int, line: str) -> Row:
    try:
        return _json_row(path, number, json.loads(line.rstrip("\r\n")))
    except (ValueError, RecursionError) as error:
        return Row(number, {}, line, _no_json(f"{path}:{number}", error))


def _json_row(path: Path, line: int, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(line, value)
    where = f"{path}:{line}"
    fault = Fault("a row is no object", where, shorten(value), "an object", kind="broken row")
    return Row(line, {}, json.dumps(value, ensure_ascii=False), fault)


def _no_json(where: str, error: Exception) -> Fault:
    received = "brackets nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Fault("this is not JSON", where, received, FORMATS, kind="JSON syntax")


def _columns(rows: list[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for row in rows for column in row.cells))
