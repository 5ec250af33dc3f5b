"""The rows of a task: a sentence, its two entities, and the relation between them."""

from __future__ import annotations

from dataclasses import dataclass

from relx.spans import Span


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity mention, by its place in the sentence.

    Args:
        word: The text of the mention; equal to `span.of(sentence)`.
        span: Where it stands, in characters.
        type: Its type as the data names it, such as `PER`.
    """

    word: str
    span: Span
    type: str


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
