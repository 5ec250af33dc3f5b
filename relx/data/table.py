"""The raw rows of a data file, CSV, JSON, Parquet or Excel, with the line each begins on."""

from __future__ import annotations

from pathlib import Path

from relx.data.encoding import Encoding
from relx.data.formats.csv_text import open_csv
from relx.data.formats.file_bytes import FileBytes
from relx.data.formats.json_text import FORMATS, open_json_lines, open_json_list
from relx.data.formats.rows import MOST_BAD_ROWS as MOST_BAD_ROWS
from relx.data.formats.rows import Header as Header
from relx.data.formats.rows import OpenTable as OpenTable
from relx.data.formats.rows import Row as Row
from relx.data.formats.rows import Table as Table
from relx.data.formats.text_blocks import TextFile
from relx.progress import say

_TEXT = f"{FORMATS}, in UTF-8 or cp949"
_ANY_FORMAT = f"{_TEXT}; a Parquet file, or an Excel workbook (.xlsx)"
# How Parquet begins, and what an Excel workbook is: a zip archive, or a file of Office of old.
_PARQUET = b"PAR1"
_EXCEL = (b"PK\3\4", b"PK\5\6", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def open_table(path: Path, encoding: Encoding = "auto", sheet: str | None = None) -> OpenTable:
    """Opens a CSV, JSON, Parquet or Excel file; the content decides which it is.

    All but a workbook, and a text that is not in UTF-8, is read as its rows are asked for.

    Args:
        path: The file.
        encoding: The encoding of a text; `auto` tries UTF-8 (with or without a mark), then cp949.
        sheet: The sheet of an Excel workbook; None for the first.

    Returns:
        The rows, to be read once.

    Raises:
        InputError: There is no such file; it is empty, binary, damaged, or in another encoding or
            format; it has no such sheet; or what reads Parquet or Excel is not installed.
    """
    source = FileBytes(path)
    if sheet is not None and not source.head.startswith(_EXCEL):
        say(f"note: {path} is no workbook, and has no sheet {sheet}: it is read as it is")
    if source.head.startswith(_PARQUET):
        from relx.data.formats.parquet import open_parquet

        return open_parquet(source)
    if source.head.startswith(_EXCEL):
        from relx.data.formats.excel import read_excel

        return read_excel(path, source.whole(), sheet).opened()
    text = TextFile(source, encoding, _ANY_FORMAT)
    opened = {"[": open_json_list, "{": open_json_lines}.get(text.first(), open_csv)
    return opened(path, text)


def read_table(path: Path, encoding: Encoding = "auto", sheet: str | None = None) -> Table:
    """Reads all rows of a file; see `open_table`.

    Args:
        path: The file.
        encoding: As there.
        sheet: As there.

    Returns:
        The rows.

    Raises:
        InputError: As there; or most rows are broken.
    """
    return open_table(path, encoding, sheet).held()


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
    return TextFile(FileBytes(path), encoding, _TEXT).whole()
