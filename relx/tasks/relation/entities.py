"""An entity: its word, its span and its type."""

from __future__ import annotations

from dataclasses import dataclass

from relx.spans import Span


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity mention, by its place in the sentence.

    Args:
        word: The text of the mention; equal to `span.of(sentence)`.
        span: Where it is, in characters.
        type: Its type as the data names it, such as `PER`.
    """

    word: str
    span: Span
    type: str
