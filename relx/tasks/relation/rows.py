"""The rows of relation extraction: a sentence, two entities, and the relation between them."""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relx.data.composed import composed, placed
from relx.data.labels import LabelList
from relx.data.literals import read_literal
from relx.data.rows.bad_rows import BadRow
from relx.data.rows.groups import group_faults, group_of
from relx.data.rows.reading import Reading, Scan, require_good
from relx.data.rows.row_checks import HALF_CHARACTER, RowChecks, whole_number
from relx.data.rows.span_hints import SpanKeys
from relx.data.table import OpenTable, Row, open_table
from relx.faults import Fault, InputError, nearest, shorten
from relx.recipe import DataSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity

# The columns that every file needs, and the names each goes by.
_WANTED = {
    "id": ("id", "guid"),
    "sentence": ("sentence",),
    "subject_entity": ("subject_entity",),
    "object_entity": ("object_entity",),
}
_HEADER = "the columns id (or guid), sentence, subject_entity, object_entity, label, source"
_ENTITY = "{'word': '…', 'start_idx': 0, 'end_idx': 3, 'type': 'PER'}"
_STARTS, _ENDS = ("start_idx", "start", "begin"), ("end_idx", "end")
# What flat columns of an entity are called after its role, as subject_start.
_PARTS = ("word", "text", "start_idx", "start", "end_idx", "end", "type")
# The form in which pandas writes an entity; reading it without Python's parser saves seconds on
# KLUE's rows. Quotes and backslashes in a text are left to the parser.
_PLAIN_ENTITY = re.compile(
    r"\{'word': '([^'\\\r\n\0]*)', 'start_idx': (0|[1-9][0-9]{0,8}), "
    r"'end_idx': (0|[1-9][0-9]{0,8}), 'type': '([^'\\\r\n\0]*)'\}"
)


@dataclass(frozen=True, slots=True)
class Example:
    """One row.

    Args:
        id: The row's id, as text.
        sentence: The sentence.
        subject: The subject entity.
        object: The object entity.
        label: The relation, or None where the row is unlabelled.
        source: Where the sentence comes from, as the data says; may be empty.
        group: What a split keeps together besides the sentence; may be empty.
    """

    id: str
    sentence: str
    subject: Entity
    object: Entity
    label: str | None
    source: str = ""
    group: str = field(default="", repr=False)  # digests of relx 0.1 are of what is printed

    @property
    def spans(self) -> tuple[Span, Span]:
        """The subject's span and the object's."""
        return self.subject.span, self.object.span

    @property
    def types(self) -> tuple[str, str]:
        """The subject's type and the object's."""
        return self.subject.type, self.object.type

    @property
    def gold(self) -> str | None:
        """The relation."""
        return self.label

    @property
    def key(self) -> tuple[str, Entity, Entity]:
        """What two rows have in common that ask for the relation of the same entities."""
        return self.sentence, self.subject, self.object


def read_examples(
    path: Path,
    data: DataSection,
    labels: LabelList | None,
    *,
    require_labels: bool = False,
) -> list[Example]:
    """Reads a data file; one row with a fault refuses the file, unless it may be skipped.

    Args:
        path: The competition's CSV, KLUE's JSON, JSON Lines, Parquet or Excel.
        data: How it is written: `ends`, `encoding`, `sheet`; and `skip_bad_rows`, a CSV file that
            receives the rows with faults, which are then left out: of `bad.csv` and a data file
            `train.csv` it is `bad-train.csv`.
        labels: The labels that may be there; None leaves the label column unread.
        require_labels: Whether a row without a label is a fault.

    Returns:
        The examples, in the file's order.

    Raises:
        InputError: Everything wrong with the file, at once.
    """
    table = open_table(path, data.encoding, data.sheet)
    reading = scan_examples(table, data, labels, require_labels=require_labels).whole()
    return require_good(reading, data.skip_bad_rows)


def scan_examples(
    table: OpenTable,
    data: DataSection,
    labels: LabelList | None,
    *,
    require_labels: bool = False,
) -> Scan[Example]:
    """Begins to read a data file; the faults of its rows are collected, and not raised.

    Args:
        table: The competition's CSV, KLUE's JSON, JSON Lines, Parquet or Excel.
        data: How it is written: `ends`, and `normalize`.
        labels: The labels that may be there; None leaves the label column unread.
        require_labels: Whether a row without a label is a fault.

    Returns:
        The rows, to be read.

    Raises:
        InputError: The file has no rows, or a column is missing.
    """
    wanted = _WANTED if labels is None or not require_labels else {**_WANTED, "label": ("label",)}
    faults = [*_column_faults(table, wanted), *group_faults(table, data, required=require_labels)]
    if faults:
        raise InputError(*faults)
    reader = _RowReader(table.path, table.name, data, labels, require_labels)
    return Scan(table, reader.read, reader.checks.settled)


def _column_faults(table: OpenTable, wanted: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yields what is wrong with the columns of a whole file."""
    path, columns = table.name, table.columns
    flat = {f"{role}_entity" for role in ("subject", "object") if _is_flat(columns, role)}
    wanted = {name: names for name, names in wanted.items() if name not in flat}
    missing = [name for name, names in wanted.items() if not set(names) & set(columns)]
    others = [column for column in columns if not any(column in names for names in wanted.values())]
    guesses = {name: nearest(name, others) for name in missing}
    if len(missing) == len(wanted) and columns and not any(guesses.values()):
        received = f"a first line of {shorten(', '.join(columns))}"
        step = "write the header as the first line, or name a file that is a CSV"
        yield Fault("no header with the columns of a row", path, received, _HEADER, step, "no CSV")
        return
    if not table.has_rows:
        yield Fault("the file has no rows", path, "", "at least one row", kind="empty file")
        return
    for name in missing:
        guess = guesses[name]
        step = f"rename {guess} to {name}" if guess else f"add the column {name}"
        received = f"the columns {shorten(', '.join(columns))}"
        yield Fault(
            f"the column {name} is missing", path, received, _HEADER, step, "missing column"
        )
    for name in [name for name, count in Counter(columns).items() if name and count > 1]:
        yield Fault(f"the column {name} appears twice", path, kind="repeated column")


def first_key(entity: Mapping[str, Any], names: Sequence[str]) -> str:
    """Returns the first of the names that an entity has, else the first name."""
    return next((name for name in names if name in entity), names[0])


def _entity_in(cells: Mapping[str, Any], role: str) -> Any:
    """Returns the cell of an entity, or the parts of one that are columns of their own."""
    if f"{role}_entity" in cells:
        return cells[f"{role}_entity"]
    parts = {part: cells[f"{role}_{part}"] for part in _PARTS if f"{role}_{part}" in cells}
    if parts and role in cells:
        parts.setdefault("word", cells[role])
    return parts or None


def _literal(text: str) -> Any:
    """Reads the text of an entity; a backslash in it makes Python warn of its own syntax."""
    if "\\" not in text:
        return read_literal(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return read_literal(text)


def _is_flat(columns: Sequence[str], role: str) -> bool:
    """Tells whether a file has the parts of an entity as columns of their own."""
    return any(f"{role}_{part}" in columns for part in _STARTS)


@dataclass(slots=True)
class _RowReader:
    """Turns rows into examples."""

    path: Path
    name: str
    data: DataSection
    labels: LabelList | None
    require_labels: bool
    checks: RowChecks = field(init=False)
    label_faults: int = 0

    def __post_init__(self) -> None:
        self.checks = RowChecks(self.name)

    def read(self, row: Row, reading: Reading[Example]) -> None:
        """Adds the row to the reading, as an example or as a bad row."""
        self.checks.begin(row)
        self.label_faults = 0
        example = self._example(row) if row.fault is None else None
        faults = self.checks.faults
        if example is not None and len(faults) == self.label_faults:
            reading.readable.append(example)
        if example is None or faults:
            reading.bad_rows.append(BadRow(self.path, row, tuple(faults)))
        else:
            reading.examples.append(example)
            reading.lines.append(row.line)

    def _example(self, row: Row) -> Example | None:
        cells, checks = row.cells, self.checks
        name = checks.id(row, cells.get("id", cells.get("guid")))
        sentence = checks.sentence(cells.get("sentence"))
        subject = self._entity("subject_entity", _entity_in(cells, "subject"), sentence)
        object_ = self._entity("object_entity", _entity_in(cells, "object"), sentence)
        count = len(checks.faults)
        label = self._label(cells.get("label"))
        self.label_faults = len(checks.faults) - count
        if sentence is None or subject is None or object_ is None:
            return None
        source = sys.intern(str(cells.get("source") or ""))
        texts = {"subject_entity": subject.type, "object_entity": object_.type, "source": source}
        for column, text in texts.items():
            if HALF_CHARACTER.search(text):
                checks.half_character(column, ascii(text))
        sentence, group = composed(sentence, self.data.normalize), group_of(cells, self.data)
        return Example(name, sentence, subject, object_, label, source, group)

    def _label(self, value: Any) -> str | None:
        if self.labels is None:
            return None
        label = self.checks.label(value, self.labels, required=self.require_labels)
        return None if label is None else sys.intern(label)

    def _entity(self, column: str, value: Any, sentence: str | None) -> Entity | None:
        """Reads an entity; None when it has a fault or no sentence to be in."""
        plain = _PLAIN_ENTITY.fullmatch(value) if sentence and isinstance(value, str) else None
        if plain and sentence:
            word, first, final, type_ = plain.groups()
            span = Span(int(first), int(final) + (self.data.ends == "inclusive"))
            found = placed(word, span, sentence, self.data.normalize) if type_ else None
            if found is not None:
                self.checks.good_spans += 1
                return Entity(*found, sys.intern(composed(type_, self.data.normalize)))
        return self._checked_entity(column, value, sentence)

    def _checked_entity(self, column: str, value: Any, sentence: str | None) -> Entity | None:
        count = len(self.checks.faults)
        entity = self._parsed(column, value)
        if entity is None:
            return None
        word = self._text(column, entity, "word", "text", "name", "form")
        type_ = self._text(column, entity, "type", "entity_type", "label")
        keys = SpanKeys(*(first_key(entity, names) for names in (_STARTS, _ENDS)))
        start = self._number(column, entity, keys.start)
        last = self._number(column, entity, keys.end)
        if len(self.checks.faults) > count or sentence is None:
            return None
        span = Span(start, last + (self.data.ends == "inclusive"))
        found = placed(word, span, sentence, self.data.normalize)
        if found is None:
            self.checks.span(column, word, span, sentence, self.data.ends, keys)
            return None
        self.checks.good_spans += 1
        return Entity(*found, composed(type_, self.data.normalize))

    def _parsed(self, column: str, value: Any) -> dict[str, Any] | None:
        """Returns the entity as a dict, from a dict or from the text of one."""
        found = _literal(value) if isinstance(value, str) else value
        if isinstance(found, dict):
            return found
        what = "the entity is empty" if value in ("", None) else "the entity cannot be read"
        self.checks.fault(column, what, shorten(value, 120), _ENTITY, "", "unparsable entity")
        return None

    def _text(self, column: str, entity: dict[str, Any], *keys: str) -> str:
        """Returns the text under the first of the keys that is there."""
        key = next((key for key in keys if key in entity), None)
        if key is None:
            self._missing_key(column, entity, keys)
            return ""
        value = entity[key]
        if isinstance(value, str) and value:
            return value
        what, kind = f"the entity's {key} is not text", "entity text"
        self.checks.fault(column, what, shorten(value), "a text that is not empty", "", kind)
        return ""

    def _number(self, column: str, entity: dict[str, Any], key: str) -> int:
        """Returns a whole number, which may be written as text."""
        if key not in entity:
            self._missing_key(column, entity, (key,))
            return 0
        number = whole_number(entity[key])
        if number is None:
            what, kind = f"the entity's {key} is not a whole number", "index not a number"
            allowed = "a whole number, in characters from 0"
            self.checks.fault(column, what, shorten(entity[key]), allowed, "", kind)
        return number or 0

    def _missing_key(self, column: str, entity: dict[str, Any], keys: Sequence[str]) -> None:
        guess = nearest(keys[0], [str(key) for key in entity])
        received = f"the keys {', '.join(map(str, entity))}" if entity else "no keys"
        step = f"rename {guess} to {keys[0]}" if guess else ""
        what, kind = f"the entity has no {keys[0]}", "missing entity key"
        self.checks.fault(column, what, received, _ENTITY, step, kind)
