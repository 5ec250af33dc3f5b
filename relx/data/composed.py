"""Texts with their letters composed (NFC), and where spans of the text as written are in them."""

from __future__ import annotations

import unicodedata
from typing import Literal

from relx.spans import Span

Form = Literal["nfc"] | None


def composed(text: str, form: Form) -> str:
    """Returns a text in the form that `data.normalize` asks for.

    Args:
        text: The text.
        form: `nfc`; None leaves it as it is written.
    """
    return text if form is None else unicodedata.normalize("NFC", text)


def composed_index(text: str, index: int) -> int | None:
    """Carries an index over to the composed text.

    Args:
        text: The text as it is written.
        index: A character of it, or one past the last.

    Returns:
        The index in its NFC; None where it is inside a character of that.
    """
    before, after = (unicodedata.normalize("NFC", part) for part in (text[:index], text[index:]))
    return len(before) if before + after == unicodedata.normalize("NFC", text) else None


def placed(word: str, span: Span, sentence: str, form: Form) -> tuple[str, Span] | None:
    """Finds the words of a row where the row says that they are.

    Args:
        word: The words.
        span: Their characters.
        sentence: The sentence, as it is written.
        form: What `data.normalize` asks for. With `nfc` words and sentence may be composed
            differently, and the span is of the sentence as it is written, else of the composed one.

    Returns:
        Words and span in that form; None where the words are not there, or where the span parts a
        composed character.
    """
    own = span.of(sentence) if 0 <= span.start < span.end <= len(sentence) else None
    if form is None or (own == word and unicodedata.is_normalized("NFC", sentence)):
        return (word, span) if word and own == word else None
    word, whole = unicodedata.normalize("NFC", word), unicodedata.normalize("NFC", sentence)
    if own is not None and unicodedata.normalize("NFC", own) == word:
        start, end = composed_index(sentence, span.start), composed_index(sentence, span.end)
        return None if start is None or end is None else (word, Span(start, end))
    inside = 0 <= span.start < span.end <= len(whole)
    return (word, span) if inside and span.of(whole) == word else None
