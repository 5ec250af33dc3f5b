"""Places in a sentence as a page's scripts count them: in UTF-16 code units."""

from __future__ import annotations

from relx.spans import Span


def code_unit_span(sentence: str, span: Span) -> tuple[int, int]:
    """Converts a span to UTF-16 code units: a character beyond the first plane has two.

    Args:
        sentence: The sentence.
        span: A span of its characters.

    Returns:
        The start and the end, exclusive.
    """
    start, end = (len(sentence[:at].encode("utf-16-le")) // 2 for at in span)
    return start, end
