"""Cells of CSV files that people open in a spreadsheet, which takes some texts for formulas."""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+(?:[.,]\d*)*|[.,]\d+)(?:[eE][-+]?\d+)?\s*%?\s*")


def cell(value: Any) -> Any:
    """Returns a value as it is written for spreadsheets: none of their formulas.

    A text that one of them would compute, such as `=1+1` or `@name`, begins with an apostrophe,
    which spreadsheets take for "this is text". Numbers, and texts of numbers, stay as they are.

    Args:
        value: A number or a text.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
