"""What was found in a data file: good rows, bad rows, and what becomes of a file with bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from relx.data.rows.bad_rows import BadRow, write_bad_rows
from relx.data.rows.row import R
from relx.data.table import MOST_BAD_ROWS, Row, Table
from relx.faults import Fault, InputError
from relx.progress import warn


@dataclass(slots=True)
class Reading(Generic[R]):
    """What was found in a data file.

    Args:
        path: The file.
        examples: The rows without a fault, in the file's order.
        lines: The line on which each example begins, counted from 1.
        bad_rows: The rows with a fault, in the file's order.
        rows: How many rows the file has.
        readable: The examples, and the rows that would be examples but for their labels, in the
            file's order: what is read where labels are left alone.
        name: What comes before a line in messages: the file, and its sheet if it has any.
        stopped: Why the rest of the file was not looked at; None where all of it was.
    """

    path: Path
    examples: list[R] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)
    rows: int = 0
    readable: list[R] = field(default_factory=list)
    name: str = ""
    stopped: Fault | None = None

    @property
    def faults(self) -> list[Fault]:
        """Every fault of every row, in the file's order."""
        found = [fault for bad in self.bad_rows for fault in bad.faults]
        return found if self.stopped is None else [*found, self.stopped]

    def taken(self, table: Table) -> Iterator[Row]:
        """Takes the rows out of a table, so that a row's cells are let go as soon as it is read.

        It stops at a file that has little but bad rows, which all have to be kept.

        Args:
            table: The file; it is empty afterwards.
        """
        table.rows.reverse()
        while table.rows:
            bad = len(self.bad_rows)
            if bad >= MOST_BAD_ROWS and bad > len(self.examples):
                what = "most rows have faults: the rest of the file was not looked at"
                received = f"{bad:,} rows with faults, and {len(table.rows):,} rows left"
                step = "see the faults of the first rows: they are likely of one kind"
                self.stopped = Fault(what, self.name, received, "", step, "too many faults")
                table.rows.clear()
                return
            yield table.rows.pop()


def require_good(reading: Reading[R], skip_bad_rows: str | None) -> list[R]:
    """Refuses a file with bad rows, unless they may be left out.

    Args:
        reading: The file.
        skip_bad_rows: A CSV that receives the bad rows, which are then left out: of `bad.csv` and
            a data file `train.csv` it is `bad-train.csv`. None refuses the file.

    Returns:
        The good rows.

    Raises:
        InputError: Everything wrong with the file, at once.
    """
    unusable = skip_bad_rows is None or not reading.examples or reading.stopped is not None
    if unusable and reading.faults:
        raise InputError(*reading.faults)
    if skip_bad_rows is not None and reading.bad_rows:
        skipped = Path(skip_bad_rows)
        skipped = skipped.with_stem(f"{skipped.stem}-{reading.path.stem}")
        write_bad_rows(skipped, reading.bad_rows)
        count = f"{len(reading.bad_rows)} of {reading.rows} rows"
        warn(f"{count} of {reading.path} are left out and written to {skipped}")
    return reading.examples
