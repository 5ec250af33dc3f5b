"""How a file of answers is written: a header, and the lines of some rows after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TextIO

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import R
from relx.files import disk_faults, whole_file

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class AnswerFile(Generic[R]):
    """A file of answers that is being written.

    Args:
        path: The file.
        stream: What it is written through.
        lines: As in `AnswerForm`.
    """

    path: Path
    stream: TextIO
    lines: Callable[[Sequence[R], Floats], Iterable[str]]

    def add(self, rows: Sequence[R], probabilities: Floats) -> None:
        """Adds rows.

        Args:
            rows: The rows.
            probabilities: `(rows, labels)`.

        Raises:
            InputError: The disk is full, or something is no probability.
        """
        with disk_faults(self.path):
            self.stream.writelines(self.lines(rows, probabilities))

    def flush(self) -> None:
        """Hands everything to the system, which may refuse it.

        Raises:
            InputError: The disk is full.
        """
        with disk_faults(self.path):
            self.stream.flush()


@dataclass(frozen=True, slots=True)
class AnswerForm(Generic[R]):
    """What a file of answers looks like.

    Args:
        lines: Gives the text of rows and their probabilities, `(rows, labels)`, in parts that end
            with a line end; raises an `InputError` for what is no probability.
        header: What comes before the first row.
        repeats_rows: Whether rows are written with what their file says of them besides their ids.
    """

    lines: Callable[[Sequence[R], Floats], Iterable[str]]
    header: str = ""
    repeats_rows: bool = False

    @contextlib.contextmanager
    def file(self, path: Path) -> Iterator[AnswerFile[R]]:
        """Opens a file that is there as a whole when the block ends, or not at all.

        Args:
            path: The file; its folder is created.

        Yields:
            The file, to add rows to.

        Raises:
            InputError: The file cannot be written.
        """
        with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
            stream.write(self.header)
            yield AnswerFile(path, stream, self.lines)
