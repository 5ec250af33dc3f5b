"""Changes of a text, and where its spans are afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from relx.spans import Span


class Edit(NamedTuple):
    """Characters that are replaced.

    Args:
        span: Which; an empty span is a place to insert at.
        text: By what.
    """

    span: Span
    text: str


def edited(text: str, edits: Iterable[Edit], spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """Changes a text, and carries spans over.

    Args:
        text: The text.
        edits: What to change; no two overlap.
        spans: Spans of the text. One that is replaced as a whole becomes what replaces it; what is
            inserted at its start or end stays outside.

    Returns:
        The new text, and where the spans are in it.
    """
    ordered = sorted(edits, key=lambda edit: edit.span)
    parts, at = list[str](), 0
    for span, new in ordered:
        parts += [text[at : span.start], new]
        at = span.end
    return "".join([*parts, text[at:]]), [_carried(span, ordered) for span in spans]


def _carried(span: Span, edits: Sequence[Edit]) -> Span:
    start, end = span
    for edit in edits:
        grown = len(edit.text) - (edit.span.end - edit.span.start)
        if edit.span.end <= span.start:
            start, end = start + grown, end + grown
        elif edit.span.start < span.end:  # it, or a part of it
            end += grown
    return Span(start, end)
