"""What was found in a data file: good rows, bad rows, and what becomes of a file with bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from relx.data.rows.bad_rows import BadRow, write_bad_rows
from relx.data.rows.row import R
from relx.data.table import MOST_BAD_ROWS, OpenTable, Row
from relx.faults import Fault, InputError
from relx.garbage import uncollected
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

    def let_go(self) -> list[R]:
        """Returns the good rows, and keeps them no longer."""
        rows = self.examples
        self.examples, self.lines, self.readable = [], [], []
        return rows


class Scan(Generic[R]):
    """The rows of a file as they are read: all at once, or some at a time.

    Args:
        table: The file.
        read: Adds a row of the file to a reading, as a good row or as a bad one.
        settled: Says of all bad rows what shows only when all rows have been seen.

    Attributes:
        reading: What has been read so far, less the good rows that `chunks` has given.
    """

    def __init__(
        self,
        table: OpenTable,
        read: Callable[[Row, Reading[R]], None],
        settled: Callable[[list[BadRow]], list[BadRow]] = list,
    ) -> None:
        self.reading = Reading[R](table.path, name=table.name)
        self._rows, self._read, self._settled = table.rows, read, settled

    def whole(self) -> Reading[R]:
        """Reads all rows that are left.

        It stops at a file that has little but bad rows, which all have to be kept.

        Returns:
            The reading.

        Raises:
            InputError: The file cannot be read on.
        """
        with uncollected():
            for _ in self._steps():
                pass
        return self.reading

    def chunks(self, size: int) -> Iterator[list[R]]:
        """Gives the good rows, so many at a time, and keeps the bad ones alone.

        Args:
            size: The most rows at a time.

        Yields:
            Good rows, in the file's order.

        Raises:
            InputError: The file cannot be read on.
        """
        reading = self.reading
        for _ in self._steps():
            if len(reading.examples) == size:
                yield reading.let_go()
        if reading.examples:
            yield reading.let_go()

    def _steps(self) -> Iterator[None]:
        """Reads one row at each step."""
        reading, read = self.reading, self._read
        for row in self._rows:
            bad = len(reading.bad_rows)
            if are_too_many(bad, reading.rows):
                self._stop()
                break
            reading.rows += 1
            read(row, reading)
            yield
        reading.bad_rows = self._settled(reading.bad_rows)

    def _stop(self) -> None:
        """Notes why the rest of the file is not looked at."""
        reading, left = self.reading, 1 + sum(1 for _ in self._rows)
        reading.rows += left
        reading.stopped = too_many_faults(reading.name, len(reading.bad_rows), left)


def are_too_many(bad: int, rows: int) -> bool:
    """Tells whether a file has little but bad rows, so that the rest is not looked at.

    Args:
        bad: How many of the rows so far have faults.
        rows: How many there were.
    """
    return bad >= MOST_BAD_ROWS and 2 * bad > rows


def too_many_faults(name: str, bad: int, left: int) -> Fault:
    """Returns the fault of a file that is not looked at to its end.

    Args:
        name: The file.
        bad: How many rows have faults.
        left: How many rows were not looked at.
    """
    what = "most rows have faults: the rest of the file was not looked at"
    received = f"{bad:,} rows with faults, and {left:,} rows left"
    step = "see the faults of the first rows: they are likely of one kind"
    return Fault(what, name, received, "", step, "too many faults")


def require_good(reading: Reading[R], skip_bad_rows: str | None) -> list[R]:
    """Refuses a file with bad rows, unless they may be left out; see `require_usable`.

    Args:
        reading: The file.
        skip_bad_rows: As there.

    Returns:
        The good rows.

    Raises:
        InputError: Everything wrong with the file, at once.
    """
    require_usable(reading, skip_bad_rows)
    return reading.examples


def require_usable(reading: Reading[R], skip_bad_rows: str | None) -> None:
    """Refuses a file with bad rows, unless they may be left out.

    Args:
        reading: The file.
        skip_bad_rows: A CSV that receives the bad rows, which are then left out: of `bad.csv` and
            a data file `train.csv` it is `bad-train.csv`. None refuses the file.

    Raises:
        InputError: Everything wrong with the file, at once.
    """
    no_good_rows = len(reading.bad_rows) == reading.rows
    unusable = skip_bad_rows is None or no_good_rows or reading.stopped is not None
    if unusable and reading.faults:
        raise InputError(*reading.faults)
    if skip_bad_rows is not None and reading.bad_rows:
        skipped = Path(skip_bad_rows)
        skipped = skipped.with_stem(f"{skipped.stem}-{reading.path.stem}")
        write_bad_rows(skipped, reading.bad_rows)
        count = f"{len(reading.bad_rows)} of {reading.rows} rows"
        warn(f"{count} of {reading.path} are left out and written to {skipped}")
