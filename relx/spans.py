"""A span of characters: the one way in which relx says where something is in a text."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A half-open range of characters, `text[start:end]`.

    Args:
        start: The first character.
        end: One past the last character.
    """

    start: int
    end: int

    def of(self, text: str) -> str:
        """Returns the characters of `text` that the span covers."""
        return text[self.start : self.end]

    def moved(self, by: int) -> Span:
        """Returns the span shifted by that many characters."""
        return Span(self.start + by, self.end + by)
