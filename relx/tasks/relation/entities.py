"""An entity: its word, its span and its type, and what is amiss where it is written wrongly."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

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


def read_literal(text: str) -> Any:
    """Reads the text of a Python or JSON object; None when it is neither."""
    if "\\" not in text:  # without escapes JSON means the same in Python, and is read sooner
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def span_hint(word: str, span: Span, sentence: str, ends: str) -> str:
    """Says how the indices would have to be read, or changed, for the span to hold the word."""
    start, end = span
    if not word:
        return ""
    if ends == "inclusive" and sentence[max(start, 0) : max(end - 1, 0)] == word:
        return "if the last index is one past the word in this file, set data.ends: exclusive"
    if ends == "exclusive" and sentence[max(start, 0) : end + 1] == word:
        return "if the last index is the word's last character, set data.ends: inclusive"
    places = [found.start() for found in re.finditer(f"(?={re.escape(word)})", sentence)]
    if start - 1 in places:
        return "the indices look counted from 1; they are counted from 0"
    if places:
        last = len(word) - (ends == "inclusive")
        listed = ", or ".join(f"start_idx {at}, end_idx {at + last}" for at in places[:3])
        return f"the word is at {listed}"
    if unicodedata.normalize("NFC", word) in unicodedata.normalize("NFC", sentence):
        return "word and sentence compose their characters differently: normalise both to NFC"
    return "the word is nowhere in the sentence"
