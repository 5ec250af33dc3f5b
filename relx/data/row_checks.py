"""What rows of every task are checked for: an id of its own, a sentence, whole characters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from relx.data.formats.cells import NoText
from relx.data.labels import UNLABELLED, LabelList
from relx.data.table import Row
from relx.faults import Fault, shorten
from relx.spans import Span

EMPTY_SENTENCE = "the sentence is empty"
# JSON can write one half of a surrogate pair; no tokenizer takes it.
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,18}\s*")


@dataclass(slots=True)
class RowChecks:
    """Collects the faults of one row after the other, and remembers which ids it has seen.

    Args:
        name: What comes before a line in messages: the file, and its sheet if it has any.
        lines: The line of each id.
        faults: The faults of the row that is read.
        where: Its place, as `file:line (id ID)`.
    """

    name: str
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    where: str = ""

    def begin(self, row: Row) -> None:
        """Turns to a row."""
        self.faults = [] if row.fault is None else [row.fault]

    def fault(
        self, column: str, what: str, received: str, allowed: str, next_step: str, kind: str
    ) -> None:
        """Notes a fault of the row.

        Args:
            column: The column.
            what: What is wrong.
            received: What there is.
            allowed: What there may be.
            next_step: What to do; may be empty.
            kind: A short name that faults are counted by.
        """
        where = f"{self.where}, column {column}"
        self.faults.append(Fault(what, where, received, allowed, next_step, kind))

    def id(self, row: Row, value: Any) -> str:
        """Reads the row's id, by which its faults are named from here on."""
        name = "" if value is None else str(value).strip()
        if HALF_CHARACTER.search(name):
            name = ascii(name)
            self.half_character("id", name)
        self.where = f"{self.name}:{row.line} (id {name})" if name else f"{self.name}:{row.line}"
        if isinstance(value, NoText):
            self.no_text("id", value)
        elif not name:
            self.fault("id", "the id is empty", shorten(value), "a text or number", "", "empty id")
        elif name in self.lines:
            received = f"{shorten(name)}, which is already on line {self.lines[name]}"
            self.fault("id", "the id appears twice", received, "each id once", "", "duplicate id")
        self.lines.setdefault(name, row.line)
        return name

    def no_text(self, column: str, value: NoText) -> None:
        """Notes a cell that no text represents."""
        self.faults.append(value.fault(f"{self.where}, column {column}"))

    def half_character(self, column: str, received: str) -> None:
        """Notes half a character."""
        what, kind = "this text contains half a character (a lone surrogate)", "broken character"
        self.fault(column, what, received, "whole characters", "", kind)

    def sentence(self, value: Any, column: str = "sentence") -> str | None:
        """Reads the sentence; None when it has a fault."""
        if isinstance(value, str) and value.strip():
            half = HALF_CHARACTER.search(value)
            if half is None:
                return value
            received = f"{half[0]!r} at character {half.start()}"
            what = "the sentence contains half a character (a lone surrogate)"
            self.fault(column, what, received, "whole characters", "", "broken character")
            return None
        no_text = value and not isinstance(value, str)
        what = "the sentence is not text" if no_text else EMPTY_SENTENCE
        self.fault(column, what, shorten(value), "a sentence", "", "empty sentence")
        return None

    def label(self, value: Any, labels: LabelList, *, required: bool) -> str | None:
        """Reads one label of the column label; None where there is none, or a fault.

        Args:
            value: The cell.
            labels: The labels that may be there.
            required: Whether a row without a label is a fault.
        """
        if isinstance(value, NoText):
            self.no_text("label", value)
            return None
        name = "" if value is None else str(value)
        if name in labels:
            return name
        if name in ("", UNLABELLED):
            if required:
                what, kind = "the row has no label, and training needs one", "missing label"
                self.fault("label", what, shorten(value), "a label of data.labels", "", kind)
            return None
        self.faults.append(labels.unknown(name, f"{self.where}, column label"))
        return None


def whole_number(value: Any) -> int | None:
    """Reads a whole number, which may be written as text; None for anything else."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return None


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


def span_hint(word: str, span: Span, sentence: str, ends: str, keys: SpanKeys) -> str:
    """Says how the indices would have to be read, or changed, for the span to hold the word."""
    start, end = span
    if not word:
        return ""
    if 0 <= start < end <= len(sentence) and span.of(sentence) == word:
        return "widen the span to whole characters, or leave data.normalize out"
    if ends == "inclusive" and sentence[max(start, 0) : max(end - 1, 0)] == word:
        return "if the last index is one past the word in this file, set data.ends: exclusive"
    if ends == "exclusive" and sentence[max(start, 0) : end + 1] == word:
        return "if the last index is the word's last character, set data.ends: inclusive"
    places = [found.start() for found in re.finditer(f"(?={re.escape(word)})", sentence)]
    if start - 1 in places:
        return "the indices look counted from 1; they are counted from 0"
    if places:
        last = len(word) - (ends == "inclusive")
        listed = ", or ".join(f"{keys.start} {at}, {keys.end} {at + last}" for at in places[:3])
        return f"the word is at {listed}"
    if unicodedata.normalize("NFC", word) in unicodedata.normalize("NFC", sentence):
        return "word and sentence compose their characters differently: set data.normalize: nfc"
    return "the word is nowhere in the sentence"
