"""Whether another epoch ends before a deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from relx import progress
from relx.deadline import Deadline, in_words


class TimeLeft:
    """How long epochs take, and whether another one ends in time.

    Args:
        deadline: When the training has to be done; None where nobody waits.
    """

    def __init__(self, deadline: Deadline | None) -> None:
        self.deadline = deadline
        self.ended = False
        self._longest = 0.0
        self._began = 0.0 if deadline is None else deadline.clock()

    def has_ended(self, left: int, history: Sequence[Mapping[str, float]]) -> bool:
        """Notes that an epoch is done; says whether there is no time for the next one.

        Args:
            left: How many epochs are left.
            history: The figures of earlier epochs, which may be of an earlier sitting.
        """
        if self.deadline is None or left == 0:
            return False
        now = self.deadline.clock()
        earlier = max((figures["seconds"] for figures in history), default=0.0)
        self._longest, self._began = max(self._longest, now - self._began, earlier), now
        self.ended = not self.deadline.fits(self._longest)
        if self.ended:
            epochs = "epoch was" if left == 1 else "epochs were"
            progress.warn(
                f"{left} {epochs} left out: the next takes {in_words(self._longest)}, and "
                f"{in_words(max(self.deadline.left, 0))} are left; --fresh trains it whole"
            )
        return self.ended

    def facts(self) -> dict[str, Any]:
        """Returns what the results say of it: nothing where there was time enough."""
        return {"ended_by_deadline": True} if self.ended else {}
