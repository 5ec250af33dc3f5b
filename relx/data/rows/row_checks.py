"""What rows of every task are checked for: an id of its own, a sentence, whole characters."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field, replace
from typing import Any

from relx.data.formats.cells import NoText
from relx.data.labels import UNLABELLED, LabelList
from relx.data.names import name_of
from relx.data.rows.bad_rows import BadRow
from relx.data.rows.seen_ids import SeenIds
from relx.data.rows.span_hints import FILE_WIDE, FileWide, SpanKeys, file_wide, span_fault
from relx.data.table import Row
from relx.faults import Fault, shorten
from relx.spans import Span

EMPTY_SENTENCE = "the sentence is empty"
# JSON can write one half of a surrogate pair; no tokenizer takes it.
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_STEP_100 = (
    f"{UNLABELLED} means unlabelled; if it is a class here, list it in data.labels with the others"
)
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,18}\s*")


@dataclass(slots=True)
class RowChecks:
    """Collects the faults of one row after the other, and remembers which ids it has seen.

    Args:
        name: What comes before a line in messages: the file, and its sheet if it has any.
        ids: The ids so far.
        lines: The line of each of them.
        faults: The faults of the row that is read.
        where: Its place, as `file:line (id ID)`.
        good_spans: How many spans of the file hold their words.
        bad_spans: How many do not.
        explained: The faults of spans by what would explain them if it were so in the whole file.
    """

    name: str
    ids: SeenIds = field(default_factory=SeenIds)
    lines: array[int] = field(default_factory=lambda: array("Q"))
    faults: list[Fault] = field(default_factory=list)
    where: str = ""
    good_spans: int = 0
    bad_spans: int = 0
    explained: dict[FileWide, set[Fault]] = field(default_factory=dict)

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
        place = self.ids.add(name)
        self.lines.append(row.line)
        if isinstance(value, NoText):
            self.no_text("id", value)
        elif not name:
            self.fault("id", "the id is empty", shorten(value), "a text or number", "", "empty id")
        elif place < len(self.ids) - 1:
            received = f"{shorten(name)}, which is already on line {self.lines[place]}"
            self.fault("id", "the id appears twice", received, "each id once", "", "duplicate id")
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

    def span(
        self, column: str, word: str, span: Span, sentence: str, ends: str, keys: SpanKeys
    ) -> None:
        """Notes a span that does not hold its word; see `span_fault`."""
        self.fault(column, *span_fault(word, span, sentence, ends, keys))
        self.bad_spans += 1
        if (why := file_wide(word, span, sentence, ends)) is not None:
            self.explained.setdefault(why, set()).add(self.faults[-1])

    def settled(self, bad_rows: list[BadRow]) -> list[BadRow]:
        """Says of bad spans what explains every span of the file, if anything does.

        Args:
            bad_rows: All bad rows of the file.
        """
        for why, faults in self.explained.items():
            if not self.good_spans and len(faults) == self.bad_spans > 1:
                step = FILE_WIDE[why].format(count=self.bad_spans)
                return [
                    replace(
                        bad,
                        faults=tuple(
                            replace(fault, next_step=step) if fault in faults else fault
                            for fault in bad.faults
                        ),
                    )
                    for bad in bad_rows
                ]
        return bad_rows

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
        name = name_of(value)
        if name in labels:
            return name
        if name in ("", UNLABELLED):
            if required:
                what, kind = "the row has no label, and training needs one", "missing label"
                step = _STEP_100 if name else "leave the row out, or label it"
                self.fault("label", what, shorten(value), "a label of data.labels", step, kind)
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
