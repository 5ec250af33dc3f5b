"""Rows in one JSON object: the forms of pandas' to_json, and a list under a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Cells = dict[str, Any]
# Columns that tell a mapping of columns from one of rows.
_USUAL = {"id", "guid", "sentence", "sentence_form", "text", "label", "input", "output"}
_USUAL |= {"token", "sents"}  # of records of data sets


def rows_in(value: Mapping[str, Any]) -> tuple[str, list[Cells]] | None:
    """Finds the rows that an object holds.

    Args:
        value: The object.

    Returns:
        What its form is called, and the rows; None where it is a row itself, or something else.
    """
    data = value.get("data")
    if isinstance(data, list) and isinstance(value.get("columns"), list):
        columns = value["columns"]
        if all(isinstance(row, list) and len(row) == len(columns) for row in data):
            named = [str(name) for name in columns]
            return "pandas' orient split", [dict(zip(named, row, strict=True)) for row in data]
    for key, listed in value.items():
        if isinstance(listed, list) and listed and all(isinstance(row, dict) for row in listed):
            others = [other for name, other in value.items() if name != key]
            if not _USUAL & set(value) and not any(_is_rows(other) for other in others):
                return f"a list under the key {key}", listed
    return _of_mappings(value)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(row, dict) for row in value)


def _of_mappings(value: Mapping[str, Any]) -> tuple[str, list[Cells]] | None:
    """Reads {column: {index: cell}} and {index: {column: cell}}."""
    inner = list(value.values())
    if not inner or not all(isinstance(each, dict) and each for each in inner):
        return None
    keys = list(inner[0])
    if any(list(each) != keys for each in inner):
        return None
    if _USUAL & set(value):
        rows = [{name: cells[key] for name, cells in value.items()} for key in keys]
        return "pandas' orient columns", rows
    return ("pandas' orient index", list(inner)) if _USUAL & set(keys) else None
