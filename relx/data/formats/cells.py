"""Typed cells as plain Python values that mean what the same cells would mean as text."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, shorten

# What a file may unpack to. KLUE's training rows are 12 MB; a file of a few kilobytes can be
# written so that it unpacks to more than any machine holds.
MOST_BYTES = 2**30
MOST_CELLS = 2**25
# From here on a float cannot tell one whole number from the next.
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class NoText:
    """A cell that no text represents without a choice of how to write it, such as a date.

    Args:
        kind: What it is, with its article.
        shown: Its value, for messages.
    """

    kind: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"{self.kind}: {self.shown}"

    def fault(self, where: str) -> Fault:
        """Returns the fault of such a cell where text is wanted.

        Args:
            where: The file, row and column.

        Returns:
            The fault.
        """
        step = "make the column text where the file is written, and write the value as it is meant"
        what = f"the cell holds {self.kind}, not text"
        return Fault(what, where, shorten(self.shown), "text or a number", step, "cell of no text")


def cell(value: object) -> Any:
    """Returns a typed cell as a plain Python value.

    Args:
        value: What a library read: a Python or NumPy value, a date, a dictionary, a list.

    Returns:
        Text, bool, int, float, a dictionary or list of these, or `NoText`. A missing value (None,
        NaN, NaT) is empty text, as in a CSV; a whole float is an int.
    """
    found = _plain(value)
    return "" if found is None else found


def _plain(value: object) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, numbers.Real | Decimal):
        return _number(value)
    if isinstance(value, dict):  # a struct has every key in every row; one without a value has none
        pairs = ((str(key), _plain(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner is not None}
    if isinstance(value, list | tuple):
        if value and all(isinstance(inner, tuple) for inner in value):  # Arrow's maps
            return _plain(dict(value))
        return [_plain(inner) for inner in value]
    return _no_text(value)


def _number(value: numbers.Real | Decimal) -> Any:
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    number = float(value)
    if not number.is_integer():
        return None if math.isnan(number) else number
    if abs(number) < _EXACT:
        return int(number)
    return NoText("a number whose last digits are lost", str(number))


def _decimal(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None if value.is_nan() else float(value)
    return int(value) if value == value.to_integral_value() else float(value)


def _no_text(value: object) -> NoText | None:
    if value != value:  # NaT
        return None
    if isinstance(value, datetime.date):  # datetime.datetime is one
        return NoText("a date", str(value))
    if isinstance(value, datetime.time | datetime.timedelta):
        return NoText("a time", str(value))
    if isinstance(value, bytes):
        return NoText("bytes", shorten(value))
    return NoText(f"a value of type {type(value).__name__}", shorten(value))


def bounded(path: Path, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Passes rows on until there are more cells than any data set has.

    Args:
        path: The file, for the message.
        rows: The cells of each row.

    Yields:
        The rows.

    Raises:
        InputError: There are more than `MOST_CELLS` cells.
    """
    count = 0
    for row in rows:
        count += len(row)
        if count > MOST_CELLS:
            raise too_large(path, f"more than {MOST_CELLS:,} cells", f"{MOST_CELLS:,} cells")
        yield row


def too_large(path: Path, received: str, allowed: str) -> InputError:
    """Returns the error of a file that unpacks to more than is read.

    Args:
        path: The file.
        received: How large it is.
        allowed: How large it may be.

    Returns:
        The error.
    """
    step = "leave out the columns that relx does not read, or write the rows as JSON Lines"
    what = "the file unpacks to more than relx reads"
    return InputError(Fault(what, str(path), received, f"at most {allowed}", step, "too large"))


def not_installed(path: Path, library: str) -> InputError:
    """Returns the error of a file whose library is not installed.

    Args:
        path: The file.
        library: The library.

    Returns:
        The error.
    """
    what = f"this file is read with {library}, which is not installed"
    step = "pip install 'relx[tables]', or save the file as CSV in UTF-8"
    return InputError(Fault(what, str(path), next_step=step, kind="not installed"))


def first_line(error: Exception) -> str:
    """Returns what an error of a library says, in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
