"""Why a span does not hold its word: how its indices were counted, or where the word is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from relx.faults import shorten
from relx.spans import Span

_PLACES_SHOWN = 3
_LONGEST = 2_000  # characters of a sentence that is counted in other ways, too

# What can be true of a whole file alone: that another span is right speaks against it.
FileWide = Literal["from one", "exclusive", "inclusive"]
FILE_WIDE: dict[FileWide, str] = {
    "from one": "the indices of all {count} spans look counted from 1; they are counted from 0",
    "exclusive": "in all {count} spans the last index is one past the word: set data.ends: "
    "exclusive (--ends exclusive)",
    "inclusive": "in all {count} spans the last index is the word's last character: set "
    "data.ends: inclusive (--ends inclusive)",
}


@dataclass(frozen=True, slots=True)
class SpanKeys:
    """What a file calls the ends of a span.

    Args:
        start: The first character's index.
        end: The last character's index, or one past it.
    """

    start: str = "start_idx"
    end: str = "end_idx"


def span_fault(
    word: str, span: Span, sentence: str, ends: str, keys: SpanKeys
) -> tuple[str, str, str, str, str]:
    """Says what is amiss with a span that does not hold its word.

    Args:
        word: The word.
        span: Its characters, the end one past the last.
        sentence: The sentence.
        ends: How the file writes the end: inclusive or exclusive.
        keys: What the file calls both.

    Returns:
        What is wrong, what was received, what is allowed, what to do, and the fault's kind.
    """
    last, length = span.end - (ends == "inclusive"), len(sentence)
    if span.start < 0 or span.end < 0:
        what, kind = "the span has a negative index", "negative span"
    elif span.end <= span.start:
        what, kind = "the span is empty", "empty span"
    elif span.end > length:
        what, kind = "the span goes beyond the sentence", "span beyond the sentence"
    elif span.of(sentence) == word:  # and yet it was not taken: `data.normalize` composes
        what, kind = "the span begins or ends inside a composed character", "span in a character"
    else:
        what, kind = "the text at the span differs from the word", "span text differs from word"
    stands = f", which holds {shorten(span.of(sentence))}" if kind.startswith("span text") else ""
    received = (
        f"{keys.start} {span.start}, {keys.end} {last} ({ends}){stands}; word {shorten(word)}"
    )
    allowed = f"a span of the word within the sentence's {length} characters"
    return what, received, allowed, span_hint(word, span, sentence, ends, keys), kind


def file_wide(word: str, span: Span, sentence: str, ends: str) -> FileWide | None:
    """Returns what would explain a span if it were so in the whole file.

    Args:
        word: The word.
        span: Its characters, the end one past the last.
        sentence: The sentence.
        ends: How the file is said to write the end: inclusive or exclusive.
    """
    start, end = span
    if not word or start < 0:
        return None
    if ends == "inclusive" and sentence[start : max(end - 1, 0)] == word:
        return "exclusive"
    if ends == "exclusive" and sentence[start : end + 1] == word:
        return "inclusive"
    shifted = start >= 1 and end > start and sentence[start - 1 : end - 1] == word
    return "from one" if shifted else None


def span_hint(word: str, span: Span, sentence: str, ends: str, keys: SpanKeys) -> str:
    """Says how the indices of one span were counted, or else where its word is."""
    if not word:
        return ""
    if 0 <= span.start < span.end <= len(sentence) and span.of(sentence) == word:
        return "widen the span to whole characters, or leave data.normalize out"
    places = list(_places(word, sentence))
    if not places:
        if unicodedata.normalize("NFC", word) in unicodedata.normalize("NFC", sentence):
            return "word and sentence compose their characters differently: set data.normalize: nfc"
        return "the word is nowhere in the sentence"
    last = len(word) - (ends == "inclusive")
    listed = [f"{keys.start} {at}, {keys.end} {at + last}" for at in places[:_PLACES_SHOWN]]
    where = f"the word is at {', or '.join(listed)}"
    where += ", or further on" if len(places) > _PLACES_SHOWN else ""
    for how, fits in _COUNTINGS.items():
        if len(sentence) <= _LONGEST and fits(word, span, sentence):
            return f"the indices count {how}; count characters: {where}"
    return where


def _places(word: str, sentence: str) -> Iterator[int]:
    """Yields where the word is, one place more than are shown at most."""
    at = sentence.find(word)
    for _ in range(_PLACES_SHOWN + 1):
        if at < 0:
            return
        yield at
        at = sentence.find(word, at + 1)


def _in_units(encoding: str, width: int) -> Callable[[str, Span, str], bool]:
    """Returns a test of whether a span is counted in the units of an encoding."""

    def fits(word: str, span: Span, sentence: str) -> bool:
        units = sentence.encode(encoding, "surrogatepass")
        if not 0 <= span.start < span.end <= len(units) // width:
            return False
        found = units[span.start * width : span.end * width]
        return found == word.encode(encoding, "surrogatepass")

    return fits


def _in_text(change: Callable[[str], str]) -> Callable[[str, Span, str], bool]:
    """Returns a test of whether a span is counted in another writing of the same text."""

    def fits(word: str, span: Span, sentence: str) -> bool:
        text = change(sentence)
        inside = 0 <= span.start < span.end <= len(text)
        return inside and text[span.start : span.end] == change(word)

    return fits


# How else indices are counted, and the test of it. Each needs a sentence where it makes a
# difference, so that a span which fits is no chance.
_COUNTINGS = {
    "UTF-16 units, as Java and JavaScript do, where an emoji is two": _in_units("utf-16-le", 2),
    "bytes of UTF-8": _in_units("utf-8", 1),
    r"each line end as two characters (\r\n), and here it is one": _in_text(
        lambda text: re.sub("\r?\n", "\r\n", text)
    ),
    r"each line end as one character, and here it is two (\r\n)": _in_text(
        lambda text: text.replace("\r\n", "\n")
    ),
    "decomposed characters (NFD, as macOS writes them)": _in_text(
        lambda text: unicodedata.normalize("NFD", text)
    ),
    "no blanks at the beginning of the sentence": _in_text(str.lstrip),
}
