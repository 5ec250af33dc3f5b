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

from relx.data.bad_rows import BadRow
from relx.data.formats.cells import NoText
from relx.data.labels import UNLABELLED, LabelList
from relx.data.reading import Reading, require_good
from relx.data.table import Row, Table, read_table
from relx.faults import Fault, InputError, nearest, shorten
from relx.recipe import DataSection
from relx.spans import Span
from relx.tasks.relation.entities import Entity, read_literal, span_hint

# The columns that every file needs, and the names each goes by.
_WANTED = {
    "id": ("id", "guid"),
    "sentence": ("sentence",),
    "subject_entity": ("subject_entity",),
    "object_entity": ("object_entity",),
}
_HEADER = "the columns id (or guid), sentence, subject_entity, object_entity, label, source"
_ENTITY = "{'word': '…', 'start_idx': 0, 'end_idx': 3, 'type': 'PER'}"
_EMPTY_SENTENCE = "the sentence is empty"
# JSON can write one half of a surrogate pair; no tokenizer takes it.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# The form in which pandas writes an entity; reading it without Python's parser saves seconds on
# KLUE's rows. Quotes and backslashes in a text are left to the parser.
_PLAIN_ENTITY = re.compile(
    r"\{'word': '([^'\\\r\n\0]*)', 'start_idx': (0|[1-9][0-9]{0,8}), "
    r"'end_idx': (0|[1-9][0-9]{0,8}), 'type': '([^'\\\r\n\0]*)'\}"
)
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,18}\s*")


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
    """

    id: str
    sentence: str
    subject: Entity
    object: Entity
    label: str | None
    source: str = ""

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
    reading = scan_examples(path, data, labels, require_labels=require_labels)
    return require_good(reading, data.skip_bad_rows)


def scan_examples(
    path: Path,
    data: DataSection,
    labels: LabelList | None,
    *,
    require_labels: bool = False,
    table: Table | None = None,
) -> Reading[Example]:
    """Reads a data file and collects the faults of its rows instead of raising them.

    Args:
        path: The competition's CSV, KLUE's JSON, JSON Lines, Parquet or Excel.
        data: How it is written: `ends`, `encoding` and `sheet`.
        labels: The labels that may be there; None leaves the label column unread.
        require_labels: Whether a row without a label is a fault.
        table: The file, where it has been read already; its rows are taken out of it.

    Returns:
        The good rows, and the bad ones with their faults.

    Raises:
        InputError: The file as a whole cannot be read, or a column is missing.
    """
    table = table or read_table(path, data.encoding, data.sheet)
    wanted = _WANTED if labels is None or not require_labels else {**_WANTED, "label": ("label",)}
    faults = list(_column_faults(table, wanted))
    if faults:
        raise InputError(*faults)
    reading = Reading[Example](path, rows=len(table.rows), name=table.name)
    reader = _RowReader(path, table.name, data, labels, require_labels)
    with warnings.catch_warnings():
        # A backslash in an entity's text makes Python warn of its own syntax.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        table.rows.reverse()
        while table.rows:  # a row's cells are let go as soon as it is read
            reader.read(table.rows.pop(), reading)
    return reading


def _column_faults(table: Table, wanted: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    """Yields what is wrong with the columns of a whole file."""
    path, columns = table.name, table.columns
    missing = [name for name, names in wanted.items() if not set(names) & set(columns)]
    if len(missing) == len(wanted) and columns:
        received = f"a first line of {shorten(', '.join(columns))}"
        step = "write the header as the first line, or name a file that is a CSV"
        yield Fault("no header with the columns of a row", path, received, _HEADER, step, "no CSV")
        return
    if not table.rows:
        yield Fault("the file has no rows", path, "", "at least one row", kind="empty file")
        return
    for name in missing:
        guess = nearest(name, [column for column in columns if column not in wanted])
        step = f"rename {guess} to {name}" if guess else f"add the column {name}"
        received = f"the columns {', '.join(columns)}"
        yield Fault(
            f"the column {name} is missing", path, received, _HEADER, step, "missing column"
        )
    for name in [name for name, count in Counter(columns).items() if name and count > 1]:
        yield Fault(f"the column {name} appears twice", path, kind="repeated column")


@dataclass(slots=True)
class _RowReader:
    """Turns rows into examples, and remembers which ids it has seen."""

    path: Path
    name: str
    data: DataSection
    labels: LabelList | None
    require_labels: bool
    _lines: dict[str, int] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _label_faults: int = 0
    _where: str = ""

    def read(self, row: Row, reading: Reading[Example]) -> None:
        """Adds the row to the reading, as an example or as a bad row."""
        self._faults = [] if row.fault is None else [row.fault]
        self._label_faults = 0
        example = self._example(row) if row.fault is None else None
        if example is not None and len(self._faults) == self._label_faults:
            reading.readable.append(example)
        if example is None or self._faults:
            reading.bad_rows.append(BadRow(self.path, row, tuple(self._faults)))
        else:
            reading.examples.append(example)
            reading.lines.append(row.line)

    def _example(self, row: Row) -> Example | None:
        cells = row.cells
        name = self._id(row, cells.get("id", cells.get("guid")))
        sentence = self._sentence(cells.get("sentence"))
        subject = self._entity("subject_entity", cells.get("subject_entity"), sentence)
        object_ = self._entity("object_entity", cells.get("object_entity"), sentence)
        count = len(self._faults)
        label = None if self.labels is None else self._label(cells.get("label"), self.labels)
        self._label_faults = len(self._faults) - count
        if sentence is None or subject is None or object_ is None:
            return None
        source = sys.intern(str(cells.get("source") or ""))
        texts = {"subject_entity": subject.type, "object_entity": object_.type, "source": source}
        for column, text in texts.items():
            if _HALF_CHARACTER.search(text):
                self._half_character(column, ascii(text))
        return Example(name, sentence, subject, object_, label, source)

    def _id(self, row: Row, value: Any) -> str:
        name = "" if value is None else str(value).strip()
        if _HALF_CHARACTER.search(name):
            name = ascii(name)
            self._half_character("id", name)
        self._where = f"{self.name}:{row.line} (id {name})" if name else f"{self.name}:{row.line}"
        if isinstance(value, NoText):
            self._faults.append(value.fault(f"{self._where}, column id"))
        elif not name:
            self._fault("id", "the id is empty", shorten(value), "a text or number", "", "empty id")
        elif name in self._lines:
            received = f"{shorten(name)}, which is already on line {self._lines[name]}"
            self._fault("id", "the id appears twice", received, "each id once", "", "duplicate id")
        self._lines.setdefault(name, row.line)
        return name

    def _half_character(self, column: str, received: str) -> None:
        what, kind = "this text contains half a character (a lone surrogate)", "broken character"
        self._fault(column, what, received, "whole characters", "", kind)

    def _sentence(self, value: Any) -> str | None:
        if isinstance(value, str) and value.strip():
            half = _HALF_CHARACTER.search(value)
            if half is None:
                return value
            received = f"{half[0]!r} at character {half.start()}"
            what, kind = (
                "the sentence contains half a character (a lone surrogate)",
                "broken character",
            )
            self._fault("sentence", what, received, "whole characters", "", kind)
            return None
        what = (
            "the sentence is not text" if value and not isinstance(value, str) else _EMPTY_SENTENCE
        )
        self._fault("sentence", what, shorten(value), "a sentence", "", "empty sentence")
        return None

    def _label(self, value: Any, labels: LabelList) -> str | None:
        if isinstance(value, NoText):
            self._faults.append(value.fault(f"{self._where}, column label"))
            return None
        name = "" if value is None else str(value)
        if name in labels:
            return sys.intern(name)
        if name in ("", UNLABELLED):
            if self.require_labels:
                what, kind = "the row has no label, and training needs one", "missing label"
                self._fault("label", what, shorten(value), "a label of data.labels", "", kind)
            return None
        self._faults.append(labels.unknown(name, f"{self._where}, column label"))
        return None

    def _entity(self, column: str, value: Any, sentence: str | None) -> Entity | None:
        """Reads an entity; None when it has a fault or no sentence to be in."""
        plain = _PLAIN_ENTITY.fullmatch(value) if sentence and isinstance(value, str) else None
        if plain and sentence:
            word, first, final, type_ = plain.groups()
            span = Span(int(first), int(final) + (self.data.ends == "inclusive"))
            if word and type_ and span.end <= len(sentence) and span.of(sentence) == word:
                return Entity(word, span, sys.intern(type_))
        return self._checked_entity(column, value, sentence)

    def _checked_entity(self, column: str, value: Any, sentence: str | None) -> Entity | None:
        count = len(self._faults)
        entity = self._parsed(column, value)
        if entity is None:
            return None
        word = self._text(column, entity, "word", "text")
        type_ = self._text(column, entity, "type", "entity_type")
        start = self._number(column, entity, "start_idx")
        last = self._number(column, entity, "end_idx")
        if len(self._faults) > count or sentence is None:
            return None
        span = Span(start, last + (self.data.ends == "inclusive"))
        if span.start < 0 or span.end > len(sentence) or span.of(sentence) != word or not word:
            self._span_fault(column, word, span, sentence)
            return None
        return Entity(word, span, type_)

    def _parsed(self, column: str, value: Any) -> dict[str, Any] | None:
        """Returns the entity as a dict, from a dict or from the text of one."""
        found = read_literal(value) if isinstance(value, str) else value
        if isinstance(found, dict):
            return found
        what = "the entity is empty" if value in ("", None) else "the entity cannot be read"
        self._fault(column, what, shorten(value, 120), _ENTITY, "", "unparsable entity")
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
        self._fault(column, what, shorten(value), "a text that is not empty", "", kind)
        return ""

    def _number(self, column: str, entity: dict[str, Any], key: str) -> int:
        """Returns a whole number, which may be written as text."""
        if key not in entity:
            self._missing_key(column, entity, (key,))
            return 0
        value = entity[key]
        if type(value) is int:
            return value
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return int(value)
        what, kind = f"the entity's {key} is not a whole number", "index not a number"
        self._fault(column, what, shorten(value), "a whole number, in characters from 0", "", kind)
        return 0

    def _missing_key(self, column: str, entity: dict[str, Any], keys: Sequence[str]) -> None:
        guess = nearest(keys[0], [str(key) for key in entity])
        received = f"the keys {', '.join(map(str, entity))}" if entity else "no keys"
        step = f"rename {guess} to {keys[0]}" if guess else ""
        what, kind = f"the entity has no {keys[0]}", "missing entity key"
        self._fault(column, what, received, _ENTITY, step, kind)

    def _span_fault(self, column: str, word: str, span: Span, sentence: str) -> None:
        ends, last = self.data.ends, span.end - (self.data.ends == "inclusive")
        length = len(sentence)
        if span.start < 0 or span.end < 0:
            what, kind = "the span has a negative index", "negative span"
        elif span.end <= span.start:
            what, kind = "the span is empty", "empty span"
        elif span.end > length:
            what, kind = "the span goes beyond the sentence", "span beyond the sentence"
        else:
            what, kind = "the text at the span differs from the word", "span text differs from word"
        stands = (
            f", which holds {shorten(span.of(sentence))}" if kind.startswith("span text") else ""
        )
        received = f"start_idx {span.start}, end_idx {last} ({ends}){stands}; word {shorten(word)}"
        allowed = f"a span of the word within the sentence's {length} characters"
        self._fault(column, what, received, allowed, span_hint(word, span, sentence, ends), kind)

    def _fault(
        self, column: str, what: str, received: str, allowed: str, next_step: str, kind: str
    ) -> None:
        where = f"{self._where}, column {column}"
        self._faults.append(Fault(what, where, received, allowed, next_step, kind))
