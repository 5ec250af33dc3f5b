"""How a file of answers is written: a header, and the lines of some rows after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import R
from relx.files import whole_file

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class AnswerForm(Generic[R]):
    """What a file of answers looks like.

    Args:
        lines: Gives the text of rows and their probabilities, `(rows, labels)`, in parts that end
            with a line end; raises an `InputError` for what is no probability.
        header: What comes before the first row.
    """

    lines: Callable[[Sequence[R], Floats], Iterable[str]]
    header: str = ""

    @contextlib.contextmanager
    def file(self, path: Path) -> Iterator[Callable[[Sequence[R], Floats], None]]:
        """Opens a file that is there as a whole when the block ends, or not at all.

        Args:
            path: The file; its folder is created.

        Yields:
            What adds rows with their probabilities, `(rows, labels)`.

        Raises:
            InputError: The file cannot be written, or something is no probability.
        """
        with whole_file(path) as beside, beside.open("w", encoding="utf-8", newline="") as stream:
            stream.write(self.header)
            yield lambda rows, probabilities: stream.writelines(self.lines(rows, probabilities))
