"""A relation found in another program's file, and what is checked before it becomes a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from relx.faults import Fault, shorten
from relx.spans import Span

_HALF = re.compile("[\ud800-\udfff]")  # JSON can write half of a surrogate pair
NO_TYPE = "ENTITY"  # of entities that a format gives no type


@dataclass(frozen=True, slots=True)
class Mention:
    """An entity in a text.

    Args:
        span: Its characters, the end one past the last.
        type: Its type.
        word: What the file says that it is; empty where the file does not say.
    """

    span: Span
    type: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A relation between two entities of a text.

    Args:
        id: The row's id.
        text: The text.
        subject: The entity that has the relation.
        object: The entity that it has it with.
        label: The relation.
        where: Its place in the file, for messages.
    """

    id: str
    text: str
    subject: Mention
    object: Mention
    label: str
    where: str

    def faults(self) -> Iterator[Fault]:
        """Yields what is wrong with its spans."""
        for role, mention in (("subject", self.subject), ("object", self.object)):
            start, end = mention.span
            held = self.text[start:end] if 0 <= start < end <= len(self.text) else ""
            if not held.strip() or (mention.word and held != mention.word):
                what = "the text at the span differs from the entity"
                received = f"characters {start} to {end}, which hold {shorten(held)}"
                allowed = shorten(mention.word) if mention.word else "a span within the text"
                yield Fault(what, f"{self.where}, {role}", received, allowed, kind="span")
        if half := _HALF.search(self.text):
            what, received = "the text contains half a character", f"character {half.start()}"
            yield Fault(what, self.where, received, "whole characters", kind="broken character")
        if not self.text.strip():
            yield Fault("the text is empty", self.where, kind="empty sentence")

    def row(self) -> dict[str, Any]:
        """Returns the row as KLUE's JSON has it, the end index that of the last character."""
        return {
            "id": self.id,
            "sentence": self.text,
            "subject_entity": _entity(self.text, self.subject),
            "object_entity": _entity(self.text, self.object),
            "label": self.label,
        }


def _entity(text: str, mention: Mention) -> dict[str, Any]:
    start, end = mention.span
    return {
        "word": text[start:end],
        "start_idx": start,
        "end_idx": end - 1,
        "type": mention.type or NO_TYPE,
    }


def between(text: str, first: Mention, second: Mention) -> tuple[str, Mention, Mention]:
    """Narrows a text to the line that holds two entities; all of it where no line holds both."""
    begin = text.rfind("\n", 0, min(first.span.start, second.span.start) + 1) + 1
    end = text.find("\n", begin)
    end = len(text) if end < 0 else end
    if max(first.span.end, second.span.end) > end:
        return text, first, second
    return text[begin:end], _moved(first, begin), _moved(second, begin)


def _moved(mention: Mention, by: int) -> Mention:
    start, end = mention.span
    return Mention(Span(start - by, end - by), mention.type, mention.word)


def joined(tokens: Sequence[str]) -> tuple[str, list[int]]:
    """Joins tokens with blanks, and returns where each begins, and where the text ends."""
    starts, at = [], 0
    for token in tokens:
        starts.append(at)
        at += len(token) + 1
    return " ".join(tokens), [*starts, at]


def of_tokens(starts: Sequence[int], first: int, past: int, type_: str) -> Mention:
    """Returns the entity of tokens `first` to `past`, the end one past the last.

    Raises:
        IndexError: There are no such tokens.
    """
    if not 0 <= first < past < len(starts):
        raise IndexError(f"tokens {first} to {past} of {len(starts) - 1}")
    return Mention(Span(starts[first], starts[past] - 1), type_)
