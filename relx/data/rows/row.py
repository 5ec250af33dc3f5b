"""A row of a task, as everything that is not the task itself sees it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from typing import Protocol, TypeVar

from relx.files import digest
from relx.spans import Span

# What a digest of rows is made of. Another number where it is made of something else: digests of
# different formats say nothing about each other. Format 1 was of what Python prints of the rows,
# and nothing noted its number.
ROWS_FORMAT = 2


class Row(Protocol):
    """A sentence to classify, and the words in it that the question is about."""

    @property
    def id(self) -> str:
        """The row's id, as text."""

    @property
    def sentence(self) -> str:
        """The sentence; a split never puts one sentence on both sides."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """The words that the question is about, in characters of the sentence."""

    @property
    def types(self) -> tuple[str, ...]:
        """The type of each span, as the data names it; empty where spans have none."""

    @property
    def gold(self) -> str | frozenset[str] | None:
        """The label, or the labels; None where the row is unlabelled."""

    @property
    def group(self) -> str:
        """What `data.group` names, which a split never tears apart either; may be empty."""

    @property
    def key(self) -> Hashable:
        """What two rows have in common that ask the same question."""


R = TypeVar("R", bound=Row)


def rows_digest(rows: Iterable[Row], format_: int | None = ROWS_FORMAT) -> str:
    """Hashes what rows say: ids, sentences, spans, types and labels, in the rows' order.

    Args:
        rows: The rows.
        format_: What the digest to compare with was made of: `ROWS_FORMAT`; None for what a run of
            relx 0.1 noted, which a test keeps as it was.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    if format_ is None:
        return digest(map(repr, rows))
    return digest([f"rows {ROWS_FORMAT}", *map(_written, rows)])


def _written(row: Row) -> str:
    gold = sorted(row.gold) if isinstance(row.gold, frozenset) else row.gold
    spans = [[span.start, span.end] for span in row.spans]
    return json.dumps([row.id, row.sentence, spans, list(row.types), gold])


def labels_of(row: Row) -> tuple[str, ...]:
    """Lists the labels of a row, sorted: none, one, or as many as are true.

    Args:
        row: The row.
    """
    gold = row.gold
    if isinstance(gold, frozenset):
        return tuple(sorted(gold))
    return () if gold is None else (gold,)


def types_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Lists the types of all spans of rows, sorted, each once."""
    return tuple(sorted({type_ for row in rows for type_ in row.types}))
