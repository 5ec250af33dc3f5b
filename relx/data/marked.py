"""A sentence with markers, and where its entities are in it."""

from __future__ import annotations

from dataclasses import dataclass

from relx.spans import Span


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A sentence with markers, and a second segment where there is one.

    Args:
        text: The segment that holds the sentence.
        subject: The subject's words in `text`. Where the other entity begins or ends inside
            them, its marker pieces stand inside the span too. In style entity_mask the mask.
        object: The object's words in `text`, likewise.
        subject_start: The character at which the subject's opening marker begins, or its words
            where there is no marker: the place to pool.
        object_start: The same for the object.
        inserted: The pieces of `text` that are not the sentence's, in order, one for every
            marker, with the spaces it adds. Without them `text` is the sentence; in style
            entity_mask the sentence without the entities' words.
        other: The query, or in style none `subject SEP object`.
        other_first: Whether `other` stands before `text`.
        separators: The pieces of `other` that are the separator token.
    """

    text: str
    subject: Span
    object: Span
    subject_start: int
    object_start: int
    inserted: tuple[Span, ...] = ()
    other: str | None = None
    other_first: bool = False
    separators: tuple[Span, ...] = ()
