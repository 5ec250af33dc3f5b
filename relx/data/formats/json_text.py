"""JSON: a list of objects, one object a line, or an object that holds rows in a form of pandas."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from relx.data.formats.json_list import NoJsonError, elements
from relx.data.formats.json_objects import rows_in
from relx.data.formats.rows import OpenTable, Row, Table, mostly_whole
from relx.data.formats.text_blocks import TextFile
from relx.faults import Fault, InputError, shorten
from relx.progress import say

FORMATS = "a CSV with a header, a JSON list of objects, or one JSON object a line"


def open_json_list(path: Path, text: TextFile) -> OpenTable:
    """Opens a JSON list of objects.

    Args:
        path: The file, for messages.
        text: Its content.

    Raises:
        InputError: It is not JSON.
    """

    def rows() -> Iterator[Row]:
        try:
            for line, value in elements(text.blocks()):
                yield _json_row(path, line, value)
        except (ValueError, RecursionError) as error:
            place = f":{error.line}" if isinstance(error, NoJsonError) else ""
            raise InputError(_no_json(f"{path}{place}", error)) from error

    return _opened(path, rows, text)


def open_json_lines(path: Path, text: TextFile) -> OpenTable:
    """Opens a file of one JSON object a line, or of an object that holds the rows.

    Args:
        path: The file, for messages.
        text: Its content.

    Raises:
        InputError: It is one object that holds no rows, or no line of it is JSON.
    """
    whole = _whole_object(path, text)
    if whole is not None:
        rows = [Row(number, cells) for number, cells in enumerate(whole, 1)]
        return Table(path, tuple(_columns(iter(rows))), rows=rows).opened()

    def lines() -> Iterator[Row]:
        numbered = ((n, line) for n, line in enumerate(text.json_lines(), 1) if line.strip())
        return mostly_whole(str(path), (_json_line(path, *pair) for pair in numbered))

    faults: list[Fault] = []
    for row in lines():
        if row.fault is None:
            return _opened(path, lines, text)
        faults.append(row.fault)
    raise InputError(*faults)  # no column is known, and none is what is missing


def _opened(path: Path, rows: Callable[[], Iterator[Row]], text: TextFile) -> OpenTable:
    """Opens rows whose columns are all the keys that any of them has.

    The rows of a small file are held; those of a large one are read twice.
    """
    if text.is_held:
        held = list(rows())
        return Table(path, _columns(iter(held)), rows=held).opened()
    columns = _columns(rows())
    found = rows()
    first = list(itertools.islice(found, 1))
    return OpenTable(path, columns, rows=itertools.chain(first, found), has_rows=bool(first))


def _whole_object(path: Path, text: TextFile) -> list[dict[str, Any]] | None:
    """Returns the rows of a file that is one object; None where it has one object a line.

    Raises:
        InputError: It is one object over several lines, and holds no rows.
    """
    first = list(itertools.islice((line for line in text.json_lines() if line.strip()), 2))
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(first[0])
        if len(first) > 1:
            return None
    try:
        value = json.loads(text.whole())
    except (ValueError, RecursionError):
        return None
    found = rows_in(value)
    if found is not None:
        form, rows = found
        say(f"note: {path} is {form}: its rows are counted from 1")
        return rows
    if len(first) == 1:
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


def _columns(rows: Iterator[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for row in rows for column in row.cells))
