"""What a user can get wrong, said so that it can be put right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the input: what, where, received, allowed, and what to do next.

    Args:
        what: The fault in one sentence, without a full stop.
        where: `file:row 12, column label`, or a recipe key such as `train.epochs`.
        received: What was there.
        allowed: What may be there.
        next_step: What the user can do about it, as a command where there is one.
        kind: A short name by which faults are counted, such as `unknown label`.
    """

    what: str
    where: str = ""
    received: str = ""
    allowed: str = ""
    next_step: str = ""
    kind: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        rest = [("received", self.received), ("allowed", self.allowed), ("next", self.next_step)]
        return "\n".join([head, *(f"  {name + ':':<10}{text}" for name, text in rest if text)])


class InputError(Exception):
    """The input cannot be used; carries every fault found, and ends a command with status 2.

    Args:
        faults: The faults, in the order in which a user meets them.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Finds the known name that a misspelt one most likely meant.

    Args:
        name: The name received.
        known: The names that exist.

    Returns:
        The nearest name, or None when nothing is near.
    """
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def shorten(value: object, width: int = 80) -> str:
    """Returns `repr(value)` cut to `width` characters, for messages.

    Args:
        value: Anything.
        width: The longest text returned, in characters.

    Returns:
        The text, ending in an ellipsis where it was cut.
    """
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"
