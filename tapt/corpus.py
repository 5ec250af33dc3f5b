"""The sentences that stage 1 reads: each once, and never a label."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from relx.examples import Example, read_examples
from relx.faults import Fault, InputError
from relx.files import digest
from relx.markers import mark
from relx.recipe import MarkersSection, Recipe
from relx.spans import Span
from relx.tokens import Pieces, TextTokens, special_around, text_tokens

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

MaskUnit = Literal["tokens", "words", "entities"]


@dataclass(frozen=True, slots=True)
class CorpusText:
    """A sentence to read, with or without markers.

    Args:
        text: The text.
        entities: Where entities stand in it, in order, merged where they overlap.
        inserted: The pieces that are markers; never masked.
    """

    text: str
    entities: tuple[Span, ...] = ()
    inserted: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """A row of tokens to mask and restore.

    Args:
        token_ids: (length,) int32, with the special tokens.
        units: (length,) int32, numbered from 0: tokens of one unit are masked together; -1
            where a token may never be masked.
    """

    token_ids: npt.NDArray[np.int32]
    units: npt.NDArray[np.int32]


def read_corpus(recipe: Recipe) -> list[CorpusText]:
    """Reads the sentences of the recipe's train and test files, each once, without their labels.

    Args:
        recipe: The recipe; with `tapt.markers` the sentences carry its markers, but no query.

    Returns:
        The texts, in the order in which they first appear.

    Raises:
        InputError: A file cannot be read, or rows of it are faulty.
    """
    found: dict[tuple[str, tuple[Span, ...]], list[Span]] = {}
    for text in _texts(recipe):
        found.setdefault((text.text, text.inserted), []).extend(text.entities)
    return [
        CorpusText(text, _merged(entities), inserted)
        for (text, inserted), entities in found.items()
    ]


def tokenize_corpus(
    texts: Sequence[CorpusText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    mask_unit: MaskUnit,
) -> list[CorpusRow]:
    """Tokenizes the texts and says which tokens are masked together.

    A word is a run of letters, digits and marks; any other character but a space is a word by
    itself. A token belongs to the word in which its first character lies, whatever kind the
    tokenizer is. With `entities` the tokens that begin in an entity are one unit instead.

    Args:
        texts: The texts.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens; a longer text becomes several rows of about the
            same length, and no token is lost.
        mask_unit: What is masked together: single tokens, words, or whole entities.

    Returns:
        The rows, in the order of the texts.
    """
    before, after = special_around(tokenizer)
    room = max_length - len(before) - len(after)
    pieces = (Pieces(text.text, text.inserted, text.entities) for text in texts)
    rows: list[CorpusRow] = []
    for text, tokens in zip(texts, text_tokens(pieces, tokenizer), strict=True):
        units = _units(text, tokens, mask_unit)
        ids = np.array(tokens.token_ids, np.int32)
        count = max(1, -(-len(ids) // room))
        for part, own in zip(np.array_split(ids, count), np.array_split(units, count), strict=True):
            rows.append(_row(part, own, before, after))
    return rows


def corpus_digest(texts: Iterable[CorpusText]) -> str:
    """Hashes a corpus; equal digests mean equal texts, entities and markers, in equal order.

    Args:
        texts: The texts.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    parts = (
        (text.text, repr(_plain(text.entities)), repr(_plain(text.inserted))) for text in texts
    )
    return digest(part for text in parts for part in text)


def _plain(spans: Iterable[Span]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]


def _texts(recipe: Recipe) -> Iterator[CorpusText]:
    paths = [recipe.data.train] + ([recipe.data.test] if recipe.data.test else [])
    for example in _examples(paths, recipe):
        if recipe.tapt.markers:
            yield _marked(example, recipe.markers)
        else:
            yield CorpusText(example.sentence, (example.subject.span, example.object.span))


def _examples(paths: Sequence[str], recipe: Recipe) -> list[Example]:
    """The rows of all files; the faults of all files at once."""
    examples: list[Example] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            examples += read_examples(Path(path), recipe.data, None)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(*faults)
    return examples


def _marked(example: Example, markers: MarkersSection) -> CorpusText:
    marked = mark(example, markers.model_copy(update={"query": None}), separator="")
    return CorpusText(marked.text, (marked.subject, marked.object), marked.inserted)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Joins spans that overlap; spans that only touch stay apart."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _units(text: CorpusText, tokens: TextTokens, mask_unit: MaskUnit) -> npt.NDArray[np.int32]:
    """The unit of each token of a text, -1 for a marker's."""
    if mask_unit == "tokens":
        units = np.arange(len(tokens.starts), dtype=np.int32)
    else:
        of_character = _words(text)
        if mask_unit == "entities":
            for i, entity in enumerate(text.entities):
                of_character[entity.start : entity.end] = len(of_character) + i
        units = of_character[np.array(tokens.starts, np.intp)]
    units[np.array(tokens.inserted, bool)] = -1
    return units


def _words(text: CorpusText) -> npt.NDArray[np.int32]:
    """The word of each character, and of a token after the last one; a marker parts words."""
    numbers = np.zeros(len(text.text) + 1, np.int32)
    borders = {border for piece in text.inserted for border in piece}
    number, inside = 0, False
    for i, character in enumerate(text.text):
        part = _is_part_of_word(character)
        if not (part and inside) or i in borders:
            number += 1
        numbers[i], inside = number, part
    numbers[-1] = number
    return numbers


def _is_part_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _row(
    ids: npt.NDArray[np.int32],
    units: npt.NDArray[np.int32],
    before: Sequence[int],
    after: Sequence[int],
) -> CorpusRow:
    """Puts special tokens around a text's tokens and numbers its units from 0."""
    numbers = np.full(len(units), -1, np.int32)
    eligible = units >= 0
    numbers[eligible] = np.unique(units[eligible], return_inverse=True)[1]
    return CorpusRow(
        token_ids=np.concatenate([before, ids, after]).astype(np.int32),
        units=np.pad(numbers, (len(before), len(after)), constant_values=-1),
    )
