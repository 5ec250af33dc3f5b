"""Texts of one's own for stage 1: a text a line, or a column of a table, in files and folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from relx.data.encoding import Encoding
from relx.data.rows.row_checks import HALF_CHARACTER
from relx.data.table import Table, read_table, read_text
from relx.faults import Fault, InputError, shorten
from relx.progress import say
from relx.recipe import Recipe

COLUMNS = ("text", "sentence", "sentence_form", "document", "content", "form")
LINES = (".txt", ".text")
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
_ALLOWED = f"{', '.join(LINES)} with a text a line, or {', '.join(TABLES)}"
_MOST_FAULTS = 1000


def read_texts(recipe: Recipe) -> list[str]:
    """Reads the texts of `tapt.texts`, each once, in the order in which they first appear.

    Args:
        recipe: The recipe.

    Returns:
        The texts, without blanks around them and without empty ones.

    Raises:
        InputError: A file is missing, cannot be read, or holds no texts; all such faults at once.
    """
    found: dict[str, None] = {}
    faults: list[Fault] = []
    for file in _files(recipe.tapt.texts or ()):
        try:
            texts = [text for text in _texts_of(file, recipe.data.encoding) if text]
        except InputError as error:
            faults += error.faults
            continue
        if not texts:
            faults.append(Fault("the file has no texts", str(file), kind="empty file"))
        say(f"{len(texts):,} texts of {file}")
        found.update(dict.fromkeys(texts))
    if faults:
        raise InputError(*faults[:_MOST_FAULTS])
    return list(found)


def _files(paths: Sequence[str]) -> Iterator[Path]:
    """Yields the files, and those in folders, sorted by name."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        inside = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in (*LINES, *TABLES)
        )
        if not inside:
            fault = Fault("this folder holds no texts", str(path), "", _ALLOWED, kind="no texts")
            raise InputError(fault)
        yield from inside


def _texts_of(file: Path, encoding: Encoding) -> Iterator[str]:
    ending = file.suffix.lower()
    if file.is_file() and ending not in (*LINES, *TABLES):
        what = "whether this file has a text a line, or a table, is not known"
        step = "let its name end in .txt for a text a line"
        raise InputError(Fault(what, str(file), ending or "no ending", _ALLOWED, step, "no texts"))
    if ending in LINES:
        lines = read_text(file, encoding).splitlines()
        yield from (_whole(line, file, number) for number, line in enumerate(lines, 1))
        return
    table = read_table(file, encoding)
    column = _column(table)
    for row in table.rows:
        if row.fault is not None:
            raise InputError(row.fault)
        value = row.cells.get(column)
        if value is None or value != value:  # JSON's NaN
            continue
        if not isinstance(value, str):
            what, where = "this is no text", f"{table.name}:{row.line}, column {column}"
            raise InputError(Fault(what, where, shorten(value), "a text", kind="no text"))
        yield _whole(value, file, row.line)


def _whole(text: str, file: Path, line: int) -> str:
    """Returns a text without blanks around it; half a character in it is a fault."""
    half: Any = HALF_CHARACTER.search(text)
    if half is not None:
        what, where = "this text contains half a character (a lone surrogate)", f"{file}:{line}"
        raise InputError(Fault(what, where, ascii(half[0]), "whole characters"))
    return text.strip()


def _column(table: Table) -> str:
    """Finds the column of texts: of a usual name, or the only one."""
    named = [name for name in COLUMNS if name in table.columns]
    if named or len(table.columns) == 1:
        return (named or list(table.columns))[0]
    what, received = "this file has no column of texts", f"the columns {', '.join(table.columns)}"
    step = "rename the column of texts to text"
    allowed = f"a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}"
    raise InputError(Fault(what, str(table.path), received, allowed, step, "missing column"))
