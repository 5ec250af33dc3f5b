"""The column of a file that says which rows a split keeps together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from relx.data.table import OpenTable
from relx.faults import Fault, nearest, shorten
from relx.recipe import DataSection


def group_faults(table: OpenTable, data: DataSection, *, required: bool) -> Iterator[Fault]:
    """Yields what is wrong with the column of groups.

    Args:
        table: The file.
        data: The recipe's section; its `group` names the column.
        required: Whether rows are to be split: a file to predict needs no groups.
    """
    if required and data.group is not None and table.has_rows and data.group not in table.columns:
        guess = nearest(data.group, table.columns)
        step = f"did you mean {guess}?" if guess else "set data.group to null, or to a column"
        received, allowed = shorten(", ".join(table.columns)), f"a column {data.group} (data.group)"
        what = "the column of groups is missing"
        yield Fault(what, table.name, f"the columns {received}", allowed, step, "missing column")


def group_of(cells: Mapping[str, Any], data: DataSection) -> str:
    """Returns the group of a row, as text; empty where the file or the row has none.

    Args:
        cells: The row's cells.
        data: The recipe's section; its `group` names the column.
    """
    value = None if data.group is None else cells.get(data.group)
    return "" if value is None else str(value).strip()
