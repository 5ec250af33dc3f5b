"""In how many rows of each label a word occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import Row, labels_of
from relx.look.eda.vocabulary.words import SentenceWords, find_words
from relx.spans import Span

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_NOWHERE = Span(0, 0)  # no word overlaps it


@dataclass(frozen=True, slots=True, eq=False)
class WordCounts:
    """In how many rows of each label a word occurs; it counts once per row.

    Args:
        labels: The labels.
        vocabulary: The words.
        nouns: Whether each is a noun, `(vocabulary,)` bool.
        context: Rows with the word outside of what they ask about, `(labels, vocabulary)` int64.
        all_rows: The same of all rows, `(vocabulary,)` int64: each counts once, however many
            labels it has.
        asked: By role, the nouns inside the words that rows ask about and their rows, by label.
            Those without a noun, such as a date, count as one word.
    """

    labels: tuple[str, ...]
    vocabulary: list[str]
    nouns: Bools
    context: Integers
    all_rows: Integers
    asked: dict[str, dict[str, Counter[str]]]


def count_words(
    rows: Sequence[Row], roles: Sequence[str], labels: Sequence[str], cache: Path | None = None
) -> WordCounts:
    """Counts the words of labelled rows.

    Args:
        rows: Labelled rows.
        roles: What each of their spans is called; a row may have none.
        labels: The labels that they have.
        cache: See `find_words`.

    Returns:
        The counts.
    """
    place = {sentence: i for i, sentence in enumerate(dict.fromkeys(r.sentence for r in rows))}
    words = find_words(list(place), cache)
    sentences = np.array([place[row.sentence] for row in rows], np.int64)
    spans = {role: spans_of(rows, number) for number, role in enumerate(roles)}
    at, ids, inside = _words_of_rows(words, sentences, spans)
    outside = ~np.logical_or.reduce([*inside.values()])
    vocabulary = words.vocabulary()
    context, every = _count(at[outside], ids[outside], _cells(rows, labels), len(vocabulary))
    nouns = words.nouns[ids]
    asked = {
        role: _words_inside(rows, spans[role], at[own & nouns], ids[own & nouns], vocabulary)
        for role, own in inside.items()
    }
    return WordCounts(tuple(labels), vocabulary, words.nouns, context, every, asked)


def spans_of(rows: Sequence[Row], number: int) -> list[Span | None]:
    """Returns one span of each row: that of the role with this number, None where there is none."""
    return [row.spans[number] if row.spans else None for row in rows]


def frequent_words(rows: Sequence[Row], number: int, most: int) -> dict[str, list[tuple[str, int]]]:
    """Counts the words that the rows of each label ask about.

    Args:
        rows: Labelled rows.
        number: The number of the words' role; rows without a span are left out.
        most: How many to list.

    Returns:
        By label that a row has the most frequent words, each with its rows.
    """
    counts: dict[str, Counter[str]] = {}
    for row, span in zip(rows, spans_of(rows, number), strict=True):
        for label in labels_of(row):
            own = counts.setdefault(label, Counter())
            if span is not None:
                own[span.of(row.sentence)] += 1
    return {label: count.most_common(most) for label, count in counts.items()}


def _cells(rows: Sequence[Row], labels: Sequence[str]) -> Bools:
    """Which labels each row has, `(rows, labels)`."""
    index = {label: i for i, label in enumerate(labels)}
    cells = np.zeros((len(rows), len(labels)), np.bool_)
    for place, row in enumerate(rows):
        cells[place, [index[label] for label in labels_of(row)]] = True
    return cells


def _words_of_rows(
    words: SentenceWords, sentences: Integers, spans: Mapping[str, Sequence[Span | None]]
) -> tuple[Integers, Integers, dict[str, Bools]]:
    """Lists the words of every row: its row, its id, and whether it touches each span."""
    lengths = np.diff(words.offsets)[sentences]
    rows = np.repeat(np.arange(len(sentences)), lengths)
    firsts = np.cumsum(lengths) - lengths
    places = np.arange(len(rows)) - np.repeat(firsts - words.offsets[sentences], lengths)
    starts, ends = words.starts[places], words.ends[places]
    inside: dict[str, Bools] = {}
    for role, of_role in spans.items():
        own = np.array([span or _NOWHERE for span in of_role], np.int64).reshape(-1, 2)
        inside[role] = (starts < own[rows, 1]) & (ends > own[rows, 0])
    return rows, words.word_ids[places].astype(np.int64), inside


def _count(rows: Integers, ids: Integers, cells: Bools, words: int) -> tuple[Integers, Integers]:
    """Counts the rows in which each word occurs: those of each label, and all."""
    size = max(words, 1)
    once = np.unique(rows * size + ids)
    row, id = once // size, once % size
    of_label = [
        np.bincount(id[cells[row, label]], minlength=words) for label in range(cells.shape[1])
    ]
    context = np.array(of_label, np.int64).reshape(cells.shape[1], words)
    return context, np.bincount(id, minlength=words)


def _words_inside(
    rows: Sequence[Row],
    spans: Sequence[Span | None],
    at: Integers,
    ids: Integers,
    vocabulary: Sequence[str],
) -> dict[str, Counter[str]]:
    """Counts, by label, the nouns inside the spans, or all of a span where it has none."""
    # Words of equal count stay in the order in which they are first counted. A set would give
    # them an order of its own in every process, and that decides which words a cloud leaves out.
    found: list[dict[str, None]] = [{} for _ in rows]
    for row, id in zip(at.tolist(), ids.tolist(), strict=True):
        found[row][vocabulary[id]] = None
    counts: dict[str, Counter[str]] = {}
    for row, span, nouns in zip(rows, spans, found, strict=True):
        words = [] if span is None else [*nouns] or [span.of(row.sentence)]
        for label in labels_of(row):
            counts.setdefault(label, Counter()).update(words)
    return counts
