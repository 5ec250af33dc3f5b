"""A sentence with markers, and where its spans are in it."""

from __future__ import annotations

from dataclasses import dataclass

from relx.spans import Span


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A sentence with markers, and a second segment where there is one.

    Args:
        text: The segment that holds the sentence.
        spans: The words of each of the row's spans in `text`; every text of a task has as many.
            None where a row has no such words, and its whole sentence stands for them.
            Where another span begins or ends inside the words, its marker pieces are inside the
            span too. Where a mask replaces the words, the mask.
        starts: The character at which each span's opening marker begins, or its words where there
            is no marker: the place to pool. 0 where there is no span.
        inserted: The pieces of `text` that are not the sentence's, in order, one for every
            marker, with the spaces it adds. Without them `text` is the sentence; with masks, the
            sentence without the masked words.
        other: The other segment, such as a query.
        other_first: Whether `other` comes before `text`.
        separators: The pieces of `other` that are the separator token.
    """

    text: str
    spans: tuple[Span | None, ...]
    starts: tuple[int, ...]
    inserted: tuple[Span, ...] = ()
    other: str | None = None
    other_first: bool = False
    separators: tuple[Span, ...] = ()
