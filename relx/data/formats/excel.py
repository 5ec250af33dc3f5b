"""Excel workbooks, read with openpyxl.

pandas would read errors as missing values, and keep silent about formulas that were not computed.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relx.data.formats.cells import (
    MOST_BYTES,
    NoText,
    bounded,
    cell,
    first_line,
    not_installed,
    too_large,
)
from relx.data.formats.rows import Row, Table
from relx.faults import Fault, InputError, nearest, shorten
from relx.progress import warn

_MOST_ROWS = 2**20  # of a sheet, by the format
_LONGEST = 32_767  # UTF-16 units of a cell; whatever writes a longer text cuts it off here
_CUT = f"a text of {_LONGEST:,} characters, where Excel cuts texts off"
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # how files of Office begin that are no zip archives
_WORKBOOK = "an Excel workbook (.xlsx)"
_SAVE_AS = "open it and save it as .xlsx, or as CSV in UTF-8"
# XML holds no control characters; Excel writes a carriage return as _x000D_.
_CONTROL = re.compile("_x00([01][0-9A-Fa-f])_")


def read_excel(path: Path, data: bytes, sheet: str | None = None) -> Table:
    """Reads all rows of one sheet; its first row that is not blank is the header.

    Args:
        path: The file, for messages.
        data: Its content.
        sheet: The sheet's name; None for the first, which is said where there are more.

    Returns:
        The rows that are not blank, with their numbers in the sheet.

    Raises:
        InputError: openpyxl is not installed, there is no such sheet, or the file is of another
            format, encrypted, damaged or unpacks to too much.
    """
    _refuse_others(path, data)
    try:
        import openpyxl  # noqa: F401 - whether it is there
    except ImportError as error:
        raise not_installed(path, "openpyxl") from error
    with _damage_said(path):
        book = _open(data, data_only=True)
        names = [worksheet.title for worksheet in book.worksheets]
    name = _chosen(path, names, sheet)
    with _damage_said(path):
        lines = [[_value(each) for each in line] for line in _lines(path, book[name])]
        if any(None in line for line in lines):
            _mark_formulas(lines, _lines(path, _open(data, data_only=False)[name]))
    return _table(path, lines, name)


def _refuse_others(path: Path, data: bytes) -> None:
    """Raises for files that are no workbook, or one that only Excel itself opens."""
    if data.startswith(_OLD):
        raise InputError(_old_fault(path, data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, error) from error
    names = [member.filename for member in members]
    if not any(name.startswith("xl/") for name in names) or "xl/workbook.bin" in names:
        raise InputError(_zip_fault(path, names))
    # No more than this is unpacked: zipfile reads a member to the size that its entry names.
    unpacked = sum(member.file_size for member in members)
    if unpacked > MOST_BYTES:
        raise too_large(path, f"{unpacked:,} bytes", f"{MOST_BYTES:,} bytes")


def _old_fault(path: Path, data: bytes) -> Fault:
    def holds(*names: str) -> bool:
        return any(name.encode("utf-16-le") in data for name in names)

    if holds("EncryptedPackage"):
        what, step = "this workbook is encrypted", "save it without a password"
    elif holds("Workbook", "Book"):
        what, step = "this is a workbook in Excel's format of before 2007 (.xls)", _SAVE_AS
    else:
        what, step = "this file of Office is no workbook that relx reads", _SAVE_AS
    return Fault(what, str(path), "", _WORKBOOK, step, "no workbook")


def _zip_fault(path: Path, names: Sequence[str]) -> Fault:
    if "xl/workbook.bin" in names:
        what, step = "this is a binary workbook (.xlsb)", _SAVE_AS
    elif "mimetype" in names and "content.xml" in names:
        what, step = "this is a file of OpenDocument (.ods)", _SAVE_AS
    else:
        what, step = "this is an archive, not a data file", "unpack it, and name the file in it"
    received = f"an archive of {shorten(', '.join(names))}"
    return Fault(what, str(path), received, _WORKBOOK, step, "no workbook")


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    """Turns what openpyxl raises of a damaged file, which is nearly anything, into a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and other things that are not read
        try:
            yield
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    what, step = "this workbook cannot be read", f"it may be cut off or damaged: {_SAVE_AS}"
    return InputError(Fault(what, str(path), first_line(error), _WORKBOOK, step, "broken file"))


def _open(data: bytes, data_only: bool) -> Any:
    """Opens a workbook whose formulas are their stored results, or the formulas themselves."""
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(data), read_only=True, data_only=data_only, keep_links=False)


def _chosen(path: Path, names: Sequence[str], sheet: str | None) -> str:
    """Returns the sheet that is meant; says which one where it was not named."""
    if not names:
        what = "no sheet of this workbook can be read"
        raise InputError(Fault(what, str(path), "", _WORKBOOK, _SAVE_AS, "broken file"))
    if sheet is None and len(names) > 1:
        others = ", ".join(names[1:])
        warn(f"{path} has {len(names)} sheets; the first, {names[0]}, is read, not {others}")
    if sheet is None or sheet in names:
        return names[0] if sheet is None else sheet
    if len(names) == 1:  # the name is another workbook's; here there is no choice
        warn(f"{path} has no sheet {sheet}; its only one, {names[0]}, is read")
        return names[0]
    guess = nearest(sheet, names)
    what, allowed = "the workbook has no sheet of this name", f"one of {', '.join(names)}"
    step = f"did you mean {guess}?" if guess else "set data.sheet, or null for the first sheet"
    raise InputError(Fault(what, str(path), sheet, allowed, step, "no such sheet"))


def _lines(path: Path, worksheet: Any) -> Iterator[Sequence[Any]]:
    """Yields the cells of each row of the sheet, blank rows among them."""
    worksheet.reset_dimensions()  # some programs write them wrong, and rows would be left out
    for number, line in enumerate(bounded(path, worksheet.iter_rows()), 1):
        if number > _MOST_ROWS:
            raise too_large(path, f"a sheet of more than {_MOST_ROWS:,} rows", "as many rows")
        yield line


def _value(found: Any) -> Any:
    """Returns a cell's value; None where there is none, which may be a formula never computed."""
    value = found.value
    if value is None:
        return "" if found.data_type == "str" else None  # a formula whose result is empty text
    if found.data_type == "e":
        return NoText("an error of Excel", str(value))
    if isinstance(value, str):
        text = _CONTROL.sub(lambda match: chr(int(match[1], 16)), value)
        return text if _units(value) < _LONGEST else NoText(_CUT, text)
    plain = cell(value)
    if type(plain) is int and set(found.number_format) == {"0"}:
        return str(plain).zfill(len(found.number_format))  # 7, shown as 007
    return plain


def _units(text: str) -> int:
    """Counts the UTF-16 units, of which Excel has at most `_LONGEST` in a cell."""
    return len(text) if len(text) < _LONGEST // 2 else len(text.encode("utf-16-le")) // 2


def _mark_formulas(lines: list[list[Any]], written: Iterator[Sequence[Any]]) -> None:
    """Marks formulas without a stored result, such as a program writes that does not compute."""
    for line, formulas in zip(lines, written, strict=True):
        for i, found in enumerate(formulas):
            if line[i] is None and found.data_type == "f":
                line[i] = NoText("a formula that was never computed", str(found.value))


def _table(path: Path, lines: list[list[Any]], name: str) -> Table:
    """Takes the first row that is not blank as the header, and cuts the others to its width."""
    filled = ((number, _texts(line)) for number, line in enumerate(lines, 1))
    rows = [(number, line) for number, line in filled if _is_filled(line)]
    header = [str(value) for value in rows.pop(0)[1]] if rows else []
    while header and not header[-1]:
        header.pop()
    width = len(header)
    cut = ((number, (line + [""] * width)[:width]) for number, line in rows)
    cells = ((n, dict(zip(header, row, strict=True))) for n, row in cut if _is_filled(row))
    return Table(path, tuple(header), name, [Row(*pair) for pair in cells])


def _texts(line: list[Any]) -> list[Any]:
    return ["" if value is None else value for value in line]


def _is_filled(line: list[Any]) -> bool:
    return any(value != "" for value in line)
