"""Which tokens of a row a classifier reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # it imports tokenizers, which a score needs not wait for
    from relx.data.tokenizing.token_rows import TokenRows


@dataclass(frozen=True, slots=True)
class Pooling:
    """The places whose states a classifier reads, the same for every row.

    Args:
        spans: How many spans a row has.
        reads: What is read of each span: the state of its `start`, which is its opening marker
            (Soares et al. 2019, arXiv 1906.03158); of its `ends`, which are its start and the last
            token of its words; the `mean` over its words; or nothing.
        first: Whether the first token, such as `[CLS]`, is read before them.
    """

    spans: int
    reads: Literal["start", "ends", "mean"] | None
    first: bool = False

    @property
    def count(self) -> int:
        """How many places are read."""
        return self.first + self.spans * {None: 0, "ends": 2}.get(self.reads, 1)

    @property
    def single(self) -> bool:
        """Whether every place is one token, whatever the row."""
        return self.reads != "mean"

    def places(self, rows: TokenRows) -> npt.NDArray[np.int32]:
        """Names the tokens to read.

        Args:
            rows: Tokenised rows.

        Returns:
            First token and one past the last of each place, (rows, places, 2) int32.
        """
        count, ends = len(rows), 2 * self.spans
        first = np.broadcast_to(np.array([[[0, 1]]], np.int32), (count, int(self.first), 2))
        if self.reads is None:
            return first
        words = rows.places[:, :ends].reshape(count, self.spans, 2)
        starts = rows.places[:, ends:].reshape(count, self.spans)
        at_start = np.stack([starts, starts + 1], axis=2)
        if self.reads == "mean":
            return np.concatenate([first, words], axis=1)
        if self.reads == "start":
            return np.concatenate([first, at_start], axis=1)
        at_end = np.stack([words[:, :, 1] - 1, words[:, :, 1]], axis=2)
        both = np.stack([at_start, at_end], axis=2).reshape(count, 2 * self.spans, 2)
        return np.concatenate([first, both], axis=1)
