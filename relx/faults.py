"""What a user can get wrong, said so that it can be put right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Control characters but tab and line feed, what turns writing round, and halves of characters.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LONGEST_PART, _MOST_LINES = 1000, 9  # characters and lines of one part of a message
_LONGEST_NAME = 100  # characters of a name that is compared letter by letter


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
        lines = [_cut(head), *(f"  {name + ':':<10}{_cut(text)}" for name, text in rest if text)]
        return visible("\n".join(lines))


def _cut(text: str) -> str:
    """Returns a part of a message, without what nobody reads: a file's name or value can be any."""
    lines = text[: _LONGEST_PART + 1].split("\n")
    kept = "\n".join(lines[:_MOST_LINES])
    if len(text) <= _LONGEST_PART and len(lines) <= _MOST_LINES:
        return text
    return f"{kept[:_LONGEST_PART]} …"


class InputError(Exception):
    """The input cannot be used; carries every fault found, and ends a command with status 2.

    Args:
        faults: The faults, in the order in which a user meets them.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def visible(text: str) -> str:
    """Returns a text that only prints, whatever file it is from.

    A terminal obeys control characters: they could colour, hide, move or overwrite what is said.
    They and the marks that turn the direction of writing are shown as JSON escapes them, so that
    JSON stays what it is; line ends and tabs stay.

    Args:
        text: Any text.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Finds the known name that a misspelt one meant.

    Only a slip of the pen is one: other letters' case, other marks between words, the last part of
    a dotted name, or a letter in six (one in a short name) that is wrong, missing, too many or
    swapped with the next. What merely has much in common, as rembert and bert, is another name.

    Args:
        name: The name received.
        known: The names that exist.

    Returns:
        The nearest name, or None when nothing is near.
    """
    plain, last = _plain(name), _plain(name.rpartition(".")[2])
    best: tuple[int, str] | None = None
    for other in known:
        wanted = _plain(other)
        most = min(max(len(plain) // 6, 1), 3, len(plain) // 3)
        slips = 1 if wanted and wanted == last != plain else _slips(plain, wanted, most)
        if slips is not None and wanted and (best is None or slips < best[0]):
            best = slips, other
    return None if best is None else best[1]


def _plain(name: str) -> str:
    """Returns a name without case and without what stands between its words."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).casefold())


def _slips(first: str, second: str, most: int) -> int | None:
    """Counts letters wrong, missing, too many or swapped (Damerau 1964); None above `most`."""
    if abs(len(first) - len(second)) > most or max(len(first), len(second)) > _LONGEST_NAME:
        return 0 if first == second else None
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(second, 1):
            slips = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, first[i - 2]) == (second[j - 2], other):
                slips = min(slips, earlier[j - 2] + 1)
            row.append(slips)
    return row[-1] if row[-1] <= most else None


def shorten(value: object, width: int = 80) -> str:
    """Returns `repr(value)` cut to `width` characters, for messages.

    No more of the value is looked at than is shown, however large or deep it is.

    Args:
        value: Anything.
        width: The longest text returned, in characters.

    Returns:
        The text, ending in an ellipsis where it was cut.
    """
    text = ""
    for piece in _pieces(value, width):
        text += piece
        if len(text) > width:
            return text[: width - 1] + "…"
    return text


def _pieces(value: object, width: int) -> Iterator[str]:
    """Yields `repr(value)` piece by piece, a long text or number cut off beyond the width."""
    if isinstance(value, str | bytes):
        yield repr(value[: width + 1])
    elif isinstance(value, int) and value.bit_length() > 8 * width:
        yield f"a number of about {value.bit_length() * 3 // 10:,} digits"
    elif type(value) is dict and value:
        for i, (key, item) in enumerate(value.items()):
            yield ", " if i else "{"
            yield from _pieces(key, width)
            yield ": "
            yield from _pieces(item, width)
        yield "}"
    elif isinstance(value, list | tuple) and type(value) in (list, tuple) and value:
        yield from _items(value, width)
    else:
        yield repr(value)


def _items(values: list[object] | tuple[object, ...], width: int) -> Iterator[str]:
    opening, closing = "[]" if isinstance(values, list) else "()"
    for i, value in enumerate(values):
        yield ", " if i else opening
        yield from _pieces(value, width)
    yield f",{closing}" if closing == ")" and len(values) == 1 else closing
