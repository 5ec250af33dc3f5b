"""A time by which work has to be done, and whether another piece of it still fits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from relx.faults import Fault, InputError

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|min|m|s)")
_SECONDS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}
MARGIN = 1.1  # what was measured once may take a tenth longer the next time


@dataclass(frozen=True, slots=True)
class Deadline:
    """When work has to be done.

    Args:
        at: The time, in seconds of `clock`.
        clock: Tells the time.
    """

    at: float
    clock: Callable[[], float] = time.monotonic

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.at - self.clock()

    def fits(self, seconds: float) -> bool:
        """Says whether a piece of work can be done in time.

        Args:
            seconds: What it took before, to which a tenth is added.
        """
        return MARGIN * seconds <= self.left

    def earlier(self, seconds: float) -> Deadline:
        """Returns a deadline that leaves time for what comes after the work.

        Args:
            seconds: How long that takes.
        """
        return Deadline(self.at - MARGIN * seconds, self.clock)


def read_deadline(text: str, clock: Callable[[], float] = time.monotonic) -> Deadline:
    """Reads how long work may take, from now on.

    Args:
        text: Such as `6h`, `90min`, `1h30min` or `45s`.
        clock: Tells the time.

    Raises:
        InputError: It is no such text, or no time at all.
    """
    compact = "".join(text.split())
    parts = _PART.findall(compact)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != compact or seconds <= 0:
        what, allowed = "this is no length of time", "such as 6h, 90min, 1h30min or 45s"
        raise InputError(Fault(what, "--deadline", text, allowed))
    return Deadline(clock() + seconds, clock)


def in_words(seconds: float) -> str:
    """Says how long something takes, as a person would: `2 h 5 min`, `40 s`.

    Args:
        seconds: How long.
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
