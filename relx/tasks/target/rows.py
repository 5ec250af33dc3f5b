"""The rows of the task target: a sentence, a target in it or none, and its labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from relx.data.composed import composed, placed
from relx.data.formats.cells import NoText
from relx.data.labels import LabelList
from relx.data.literals import read_literal
from relx.data.rows.bad_rows import BadRow
from relx.data.rows.groups import group_faults, group_of
from relx.data.rows.reading import Reading, Scan
from relx.data.rows.row_checks import (
    HALF_CHARACTER,
    RowChecks,
    whole_number,
)
from relx.data.rows.span_hints import SpanKeys
from relx.data.table import OpenTable, Row
from relx.faults import Fault, InputError, nearest, shorten
from relx.recipe import DataSection
from relx.spans import Span
from relx.tasks.target.gold import GoldReader, gold_reader

# What a file may call the parts of a row, the first name being the one in messages.
IDS = ("id", "guid")
SENTENCES = ("sentence", "form", "text")
TARGETS = ("target", "word")
WORDS, STARTS, ENDS = ("form", "word", "text"), ("begin", "start_idx"), ("end", "end_idx")
NAMED = {*IDS, *SENTENCES, *TARGETS, *STARTS, *ENDS, "input", "source"}  # and no column of a label
_TARGET = '{"form": "…", "begin": 0, "end": 3}, or nulls where the whole sentence is meant'
_HEADER = (
    "the contest's id, input and output; or the columns id, sentence, target (or word, begin and "
    "end), and output, labels, label, or one column a label"
)


class Target(NamedTuple):
    """What a row asks about.

    Args:
        word: Its text; equal to `span.of(sentence)`.
        span: Where it is, in characters.
    """

    word: str
    span: Span


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One row.

    Args:
        id: The row's id, as text.
        sentence: The sentence.
        target: What is asked about; None where it is the whole sentence.
        gold: The labels that are true, or the one that is; None where the row is unlabelled.
        fields: The row as its file has it.
        group: What a split keeps together besides the sentence; may be empty.
    """

    id: str
    sentence: str
    target: Target | None
    gold: str | frozenset[str] | None
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    group: str = field(default="", repr=False)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The target's span, if there is a target."""
        return () if self.target is None else (self.target.span,)

    @property
    def types(self) -> tuple[str, ...]:
        """Nothing: targets have no types."""
        return ()

    @property
    def key(self) -> tuple[str, Target | None]:
        """What two rows have in common that ask about the same target."""
        return self.sentence, self.target


def scan_rows(
    table: OpenTable, data: DataSection, labels: LabelList | None, *, one: bool, required: bool
) -> Scan[TargetRow]:
    """Begins to read a data file; the faults of its rows are collected, and not raised.

    Args:
        table: The file.
        data: How it is written: `ends`.
        labels: The labels that may be there; None leaves labels unread.
        one: Whether exactly one label is true in a row.
        required: Whether a row without labels is a fault.

    Returns:
        The rows, to be read.

    Raises:
        InputError: A column is missing, or the file has no rows.
    """
    faults = [*_column_faults(table), *group_faults(table, data, required=required)]
    if faults:
        raise InputError(*faults)
    gold = None if labels is None else gold_reader(table, labels, one=one, required=required)
    reader = _RowReader(RowChecks(table.name), data, gold)
    return Scan(table, reader.read, reader.checks.settled)


def first_of(cells: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Returns the first of the names that the cells have, else the first name."""
    return next((name for name in names if name in cells), names[0])


def _column_faults(table: OpenTable) -> Iterator[Fault]:
    columns, path = table.columns, table.name
    if not table.has_rows:
        yield Fault("the file has no rows", path, "", "at least one row", kind="empty file")
        return
    wanted = {"id": IDS} | ({} if "input" in columns else {"sentence": SENTENCES})
    missing = [name for name, names in wanted.items() if not set(names) & set(columns)]
    for name in missing:
        guess = nearest(name, [column for column in columns if column not in NAMED])
        step = f"rename {guess} to {name}" if guess else f"add the column {name}"
        received = f"the columns {shorten(', '.join(columns))}" if columns else "no columns"
        what = f"the column {name} is missing"
        yield Fault(what, path, received, _HEADER, step, "missing column")
    for name in sorted({name for name in columns if name and columns.count(name) > 1}):
        yield Fault(f"the column {name} appears twice", path, kind="repeated column")


def _whole(value: Any) -> int | None:
    """Reads a whole number; pandas writes those of a column with gaps as 2.0."""
    return whole_number(value.strip().removesuffix(".0") if isinstance(value, str) else value)


@dataclass(slots=True)
class _RowReader:
    """Turns rows of a file into rows of the task."""

    checks: RowChecks
    data: DataSection
    gold: GoldReader | None

    def read(self, row: Row, reading: Reading[TargetRow]) -> None:
        """Adds the row to the reading, as a good row or as a bad one."""
        self.checks.begin(row)
        found = self._row(row) if row.fault is None else None
        faults = list(self.checks.faults)
        if found is not None and not faults:
            reading.readable.append(found)
        gold = None
        if self.gold is not None and row.fault is None:
            gold = self.gold.read(row.cells, self.checks)
        if found is None or self.checks.faults:
            reading.bad_rows.append(BadRow(reading.path, row, tuple(self.checks.faults)))
            return
        labelled = replace(found, gold=gold)
        reading.examples.append(labelled)
        reading.lines.append(row.line)
        reading.readable[-1] = labelled

    def _row(self, row: Row) -> TargetRow | None:
        cells, checks = row.cells, self.checks
        name = checks.id(row, cells.get(first_of(cells, IDS)))
        nested = "input" in cells
        prefix, inner = ("input.", self._input(cells["input"])) if nested else ("", cells)
        column = first_of(inner, ("form", *SENTENCES) if prefix else SENTENCES)
        if prefix and not inner:
            return None
        sentence = checks.sentence(inner.get(column), prefix + column)
        target = self._target(inner, prefix, sentence)
        if sentence is None:
            return None
        sentence, group = composed(sentence, self.data.normalize), group_of(cells, self.data)
        return TargetRow(name, sentence, target, None, cells, group)

    def _input(self, value: Any) -> Mapping[str, Any]:
        found = read_literal(value) if isinstance(value, str) and value else value
        if isinstance(found, dict) and found:
            return found
        allowed = '{"form": "…", "target": …}'
        self.checks.fault("input", "the input is no object", shorten(value), allowed, "", "input")
        return {}

    def _target(self, cells: Mapping[str, Any], prefix: str, sentence: str | None) -> Target | None:
        """Reads the target; None where there is none, or a fault."""
        column = first_of(cells, TARGETS)
        value = cells.get(column)
        if isinstance(value, NoText):
            self.checks.no_text(prefix + column, value)
            return None
        text = value.strip() if isinstance(value, str) else ""
        parsed = read_literal(text) if text.startswith("{") else value
        if isinstance(parsed, dict):
            return self._checked(parsed, WORDS, prefix + column, sentence)
        if any(name in cells for name in (*STARTS, *ENDS)):
            return self._checked(cells, (column,), prefix + column, sentence)
        if value in (None, ""):
            return None
        if isinstance(value, str):
            return self._only_place(value, prefix + column, sentence)
        what, kind = "the target cannot be read", "unparsable target"
        self.checks.fault(prefix + column, what, shorten(value, 120), _TARGET, "", kind)
        return None

    def _checked(
        self, parts: Mapping[str, Any], words: tuple[str, ...], column: str, sentence: str | None
    ) -> Target | None:
        """Checks word, begin and end; all three empty mean that there is no target."""
        keys = SpanKeys(first_of(parts, STARTS), first_of(parts, ENDS))
        word = parts.get(first_of(parts, words))
        ends = [parts.get(keys.start), parts.get(keys.end)]
        given = [value not in (None, "") for value in (word, *ends)]
        if not any(given):
            return None
        start, last = map(_whole, ends)
        if not all(given) or not isinstance(word, str) or start is None or last is None:
            self._partly(parts, (first_of(parts, words), keys.start, keys.end), column)
            return None
        if HALF_CHARACTER.search(word):
            self.checks.half_character(column, ascii(word))
            return None
        span = Span(start, last + (self.data.ends == "inclusive"))
        if sentence is None:
            return None
        found = placed(word, span, sentence, self.data.normalize)
        if found is None:
            self.checks.span(column, word, span, sentence, self.data.ends, keys)
            return None
        self.checks.good_spans += 1
        return Target(*found)

    def _partly(self, parts: Mapping[str, Any], names: tuple[str, ...], column: str) -> None:
        shown = ", ".join(f"{name}: {shorten(parts.get(name))}" for name in names)
        what = "the target needs a text and two whole numbers, or none of them"
        step = "give all three, or leave all three empty for the whole sentence"
        self.checks.fault(column, what, shown, _TARGET, step, "target in part")

    def _only_place(self, word: str, column: str, sentence: str | None) -> Target | None:
        """Finds a word that comes without its place, where it is there once."""
        if sentence is None:
            return None
        word, sentence = (composed(text, self.data.normalize) for text in (word, sentence))
        places = [at for at in range(len(sentence)) if sentence.startswith(word, at)]
        if len(places) == 1:
            return Target(word, Span(places[0], places[0] + len(word)))
        what = f"the target is in the sentence {len(places)} times, and nothing says where"
        step = "add the columns begin and end" if places else "write it as the sentence does"
        self.checks.fault(column, what, shorten(word), _TARGET, step, "target not found")
        return None
