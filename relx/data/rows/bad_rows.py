"""Rows that have faults, and the file that they are written to."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.data.formats.cells import NoText
from relx.data.table import Row
from relx.faults import Fault
from relx.files import whole_file


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is not used, and why.

    Args:
        path: The file that it is in.
        row: The row as it is there.
        faults: What is wrong with it.
    """

    path: Path
    row: Row
    faults: tuple[Fault, ...]


def write_bad_rows(path: Path, bad_rows: Sequence[BadRow]) -> None:
    """Writes rows with faults as a CSV: their file, line and faults, then the cells as they were.

    Args:
        path: The CSV to write; a row that could not be cut into cells is in column `raw`.
        bad_rows: The rows.
    """
    columns = dict.fromkeys(column for bad in bad_rows for column in bad.row.cells if column)
    names = ["file", "line", "fault", *columns, "raw"]
    with (
        whole_file(path) as beside,
        beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, names, extrasaction="ignore")
        writer.writeheader()
        for bad in bad_rows:
            cells = {name: _cell(value) for name, value in bad.row.cells.items()}
            fault = "; ".join(_in_one_line(fault) for fault in bad.faults)
            place = {"file": str(bad.path), "line": bad.row.line, "fault": fault}
            writer.writerow({**cells, **place, "raw": bad.row.raw})


def _cell(value: Any) -> str:
    return str(value) if isinstance(value, str | NoText) else json.dumps(value, ensure_ascii=False)


def _in_one_line(fault: Fault) -> str:
    received = f" ({fault.received})" if fault.received else ""
    return f"{fault.what}{received}"
