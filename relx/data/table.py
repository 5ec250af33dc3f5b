"""The raw rows of a data file, CSV, JSON, Parquet or Excel, with the line each begins on."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING

from relx.data.encoding import Encoding, decoded
from relx.data.formats.containers import refuse_container
from relx.data.formats.csv_text import lines_of, read_csv
from relx.data.formats.json_text import FORMATS, read_json_lines, read_json_list
from relx.data.formats.rows import MOST_BAD_ROWS as MOST_BAD_ROWS
from relx.data.formats.rows import Row as Row
from relx.data.formats.rows import Table as Table
from relx.faults import Fault, InputError, nearest, shorten
from relx.progress import say

if TYPE_CHECKING:
    from relx.data.formats.cells import TypedRows

_TEXT = f"{FORMATS}, in UTF-8 or cp949"
_ANY_FORMAT = f"{_TEXT}; a Parquet file, or an Excel workbook (.xlsx)"
# How Parquet begins, and what an Excel workbook is: a zip archive, or a file of Office of old.
_PARQUET = b"PAR1"
_EXCEL = (b"PK\3\4", b"PK\5\6", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
    read_json = {"[": read_json_list, "{": read_json_lines}.get(text.lstrip()[:1])
    if read_json is not None:
        return read_json(path, text)
    lines = lines_of(text)
    del text  # one character beyond U+FFFF makes it four bytes a character
    return read_csv(path, lines)


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
    refuse_container(path, data, allowed)
    if b"\0" in data and not (encoding == "auto" and data.startswith(_UTF16)):
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
