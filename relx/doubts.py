"""What is doubtful in rows that have no fault: repeats, contradictions, names, shared sentences."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relx.data.labels import LabelList
from relx.data.names import alike, alike_message
from relx.data.rows.reading import Reading
from relx.data.rows.repeats import repeated, shared
from relx.data.rows.row import Row, labels_of, types_of
from relx.data.tokenizing.uncovered import NFC, is_decomposed
from relx.window import TokenCounts

SHOWN_PLACES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something doubtful that does not keep the files from being used.

    Args:
        kind: A short name that tells findings apart.
        message: What was found, in one sentence.
        count: How many rows, pairs of entities, sentences or labels it concerns.
        places: The first of them, as `file:line (id ID)`, or the labels.
    """

    kind: str
    message: str
    count: int
    places: tuple[str, ...] = ()


def repeated_rows(rows: Sequence[Row]) -> list[list[int]]:
    """Groups rows that ask the same question of the same sentence.

    Args:
        rows: The rows of one file.

    Returns:
        The indices of each group of two or more rows, in the file's order.
    """
    return repeated(row.key for row in rows)


def contradictions(rows: Sequence[Row]) -> list[list[int]]:
    """Groups repeated rows that do not all have the same labels.

    Args:
        rows: The rows of one file.

    Returns:
        The indices of each such group, in the file's order.
    """
    return [group for group in repeated_rows(rows) if len({rows[i].gold for i in group}) > 1]


def doubts(reading: Reading[Any], asked: str) -> list[Finding]:
    """Finds what is doubtful in one file by itself."""
    every = (_repeats(reading, asked), _rows_of_no_label(reading), _decomposed(reading))
    return list(itertools.chain.from_iterable(every))


def _decomposed(reading: Reading[Any]) -> Iterator[Finding]:
    """Finds sentences whose letters are taken apart, which few vocabularies know."""
    rows = [i for i, row in enumerate(reading.examples) if is_decomposed(row.sentence)]
    if rows:
        message = f"{len(rows)} sentences of {reading.path} have letters taken apart (NFD); {NFC}"
        yield Finding("decomposed text", message, len(rows), places_of(reading, rows))


def _repeats(reading: Reading[Any], asked: str) -> Iterator[Finding]:
    """Finds rows that repeat an earlier one, and those that contradict it."""
    rows, path = reading.examples, reading.path
    repeats = sorted(row for group in repeated_rows(rows) for row in group[1:])
    if repeats:
        message = f"{len(repeats)} rows of {path} repeat the sentence and {asked} of earlier rows"
        yield Finding("duplicate rows", message, len(repeats), places_of(reading, repeats))
    torn = contradictions(rows)
    if torn:
        message = f"in {len(torn)} sentences of {path} the same {asked} have different labels"
        places = tuple(
            " and ".join(f"{place} {_gold(rows[i])}" for i, place in named(reading, group))
            for group in torn[:SHOWN_PLACES]
        )
        yield Finding("two labels", message, len(torn), places)


def _gold(row: Row) -> str:
    return "unlabelled" if row.gold is None else ", ".join(labels_of(row)) or "no label"


def _rows_of_no_label(reading: Reading[Any]) -> Iterator[Finding]:
    """Finds rows of which somebody said that no label is true."""
    empty = [i for i, row in enumerate(reading.examples) if row.gold == frozenset()]
    if empty:
        message = f"{len(empty)} rows of {reading.path} have no label that is true"
        yield Finding("rows of no label", message, len(empty), places_of(reading, empty))


def alike_names(found: Mapping[str, Reading[Any]], labels: LabelList | None) -> Iterator[Finding]:
    """Finds labels, and types of words, that look the same and are different ones."""
    rows = itertools.chain.from_iterable(reading.examples for reading in found.values())
    names = {"labels": labels.names if labels else (), "types of entities": types_of(rows)}
    for what, listed in names.items():
        if groups := alike(listed):
            message = alike_message(what, groups)
            yield Finding(f"{what} that look the same", message, len(groups))


def absent_labels(labels: LabelList, reading: Reading[Any]) -> Iterator[Finding]:
    """Finds labels that no row of a file has."""
    found = {name for row in reading.examples for name in labels_of(row)}
    absent = tuple(name for name in labels.names if name not in found)
    if absent:
        message = f"{len(absent)} of {len(labels)} labels have no row in {reading.path}"
        yield Finding("labels without examples", message, len(absent), absent)


def shared_sentences(
    found: Mapping[str, Reading[Any]], one: str, other: str, asked: str
) -> Iterator[Finding]:
    """Finds the sentences of one file that are in another, by the files' roles."""
    rows = found[other].examples
    sentences = [row.sentence for row in rows]
    repeats = shared((row.sentence for row in found[one].examples), sentences)
    if repeats:
        count = len({sentences[i] for i in repeats})
        message = (
            f"{count} sentences ({len(repeats)} rows) of {found[other].path} are also in "
            f"{found[one].path}: a model that has learnt their {asked} scores too well on {other}"
        )
        kind = f"sentences shared by {one} and {other}"
        yield Finding(kind, message, count, places_of(found[other], repeats))


def cut_texts(reading: Reading[Any], counts: TokenCounts, asked: str) -> Iterator[Finding]:
    """Finds texts longer than the window, and spans that are too long or far apart for it."""
    long, apart = counts.long, [*counts.apart]
    if long:
        message = (
            f"{len(long)} texts of {reading.path} are longer than {counts.window} tokens (the "
            f"longest has {max(counts.lengths.values())}): words far from the {asked} are cut off"
        )
        places = places_of(reading, long)
        yield Finding("texts longer than the window", message, len(long), places)
    if apart:
        message = (
            f"in {len(apart)} rows of {reading.path} the {asked} do not fit into one window of "
            f"{counts.window} tokens: training and prediction refuse these rows"
        )
        places = places_of(reading, apart)
        yield Finding(f"{asked} that the window cuts", message, len(apart), places)


def places_of(reading: Reading[Any], rows: Sequence[int]) -> tuple[str, ...]:
    """Returns the places of the first rows."""
    return tuple(place for _, place in named(reading, rows[:SHOWN_PLACES]))


def named(reading: Reading[Any], rows: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Yields each row with its place, as `file:line (id ID)`."""
    for i in rows:
        yield i, f"{reading.name}:{reading.lines[i]} (id {reading.examples[i].id})"
