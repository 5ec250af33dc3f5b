"""The sentences that stage 1 reads: each once, and never a label."""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relx.data.tokenizing.coverage import Coverage, coverage_of
from relx.data.tokenizing.special_tokens import special_around
from relx.data.tokenizing.token_cache import Content, cached, token_key
from relx.data.tokenizing.token_rows import id_type
from relx.data.tokenizing.tokens import CHUNK, Pieces, TextTokens, text_tokens
from relx.dataset import read_unlabelled
from relx.files import facts_digest
from relx.recipe import Recipe
from relx.spans import Span
from relx.tasks.task import open_task
from tapt.texts import read_texts

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

# Of the rows of tokens and units; to be raised whenever other ones are made of the same texts.
FORMAT = "corpus 1"

MaskUnit = Literal["tokens", "words", "entities"]


@dataclass(frozen=True, slots=True)
class CorpusText:
    """A sentence to read, with or without markers.

    Args:
        text: The text.
        entities: Where entities are in it, in order, merged where they overlap.
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


@dataclass(frozen=True, slots=True, eq=False)
class CorpusRows:
    """Rows to mask and restore, in a few arrays: small, and batches are quickly made of them.

    Args:
        token_ids: (tokens,) uint16 or int32, the rows' tokens one row after the other.
        units: (tokens,) int16 or int32, likewise; see `CorpusRow`.
        offsets: (rows + 1,) int64, where each row begins, and where the last one ends.
    """

    token_ids: npt.NDArray[Any]
    units: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The rows' lengths in tokens, (rows,)."""
        return np.diff(self.offsets).astype(np.int32)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> CorpusRow:
        own = slice(self.offsets[row], self.offsets[row + 1])
        return CorpusRow(self.token_ids[own].astype(np.int32), self.units[own].astype(np.int32))

    def __iter__(self) -> Iterator[CorpusRow]:
        return (self[row] for row in range(len(self)))


def read_corpus(recipe: Recipe) -> list[CorpusText]:
    """Reads the files of a recipe; see `corpus_of`.

    Args:
        recipe: The recipe.

    Returns:
        The texts, in the order in which they first appear.

    Raises:
        InputError: A file cannot be read, or rows of it are faulty.
    """
    rows = read_unlabelled(recipe, dev=False) if recipe.tapt.own_sentences else {}
    more = read_texts(recipe)
    return corpus_of(rows, recipe, markers=recipe.tapt.markers, more=more)


def corpus_of(
    rows: Mapping[str, Sequence[Any]],
    recipe: Recipe,
    *,
    markers: bool,
    more: Iterable[str] = (),
) -> list[CorpusText]:
    """Takes the sentences of the train and test rows, and more texts, each once, without labels.

    Args:
        rows: The rows of `train` and perhaps `test`.
        recipe: The recipe.
        markers: Whether the sentences carry the recipe's markers; never its query.
        more: The texts of `tapt.texts`, which follow them and carry none.

    Returns:
        The texts, in the order in which they first appear.
    """
    plain = recipe.markers.model_copy(update={"query": None})
    task = open_task(recipe.task, recipe.data, plain, recipe.train.pooling, recipe.decide)
    found: dict[tuple[str, tuple[Span, ...]], list[Span]] = {}
    own = [rows[name] for name in ("train", "test") if name in rows]
    for row in itertools.chain.from_iterable(own if recipe.tapt.own_sentences else ()):
        text = CorpusText(row.sentence, row.spans)
        if markers:
            marked = task.marked(row, "")
            spans = tuple(span for span in marked.spans if span is not None)
            text = CorpusText(marked.text, spans, marked.inserted)
        found.setdefault((text.text, text.inserted), []).extend(text.entities)
    for text_alone in more:
        found.setdefault((text_alone, ()), [])
    return [
        CorpusText(text, _merged(entities), inserted)
        for (text, inserted), entities in found.items()
    ]


def tokenize_corpus(
    texts: Sequence[CorpusText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    mask_unit: MaskUnit,
    cache: Path | None = None,
) -> CorpusRows:
    """Tokenizes the texts and says which tokens are masked together, unless an earlier run did.

    A word is a run of letters, digits and marks; any other character but a space is a word by
    itself. A token belongs to the word in which its first character lies, whatever kind the
    tokenizer is. With `entities` the tokens that begin in an entity are one unit instead.

    Args:
        texts: The texts.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens; a longer text becomes several rows of about the
            same length, and no token is lost.
        mask_unit: What is masked together: single tokens, words, or whole entities.
        cache: Where tokens are kept, as `token_folder` says; None keeps none.

    Returns:
        The rows, in the order of the texts.
    """

    def key() -> str:
        settings = [str(max_length), mask_unit]
        return token_key(tokenizer, FORMAT, settings, _contents(texts))

    def make() -> CorpusRows:
        return _tokenized(texts, tokenizer, max_length, mask_unit)

    return cached(cache, key, CorpusRows, make)


def corpus_coverage(rows: CorpusRows, tokenizer: PreTrainedTokenizerFast) -> Coverage:
    """Counts what of a corpus the tokenizer knows, its markers aside.

    Args:
        rows: What `tokenize_corpus` made.
        tokenizer: The same tokenizer.

    Returns:
        The counts.
    """
    return coverage_of(rows.token_ids[rows.units >= 0], tokenizer)


def _contents(texts: Sequence[CorpusText]) -> Iterator[Content]:
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        numbers = [len(spans) for text in some for spans in (text.entities, text.inserted)]
        numbers += [at for text in some for span in (*text.entities, *text.inserted) for at in span]
        yield [text.text for text in some], numbers


def corpus_digest(texts: Iterable[CorpusText]) -> str:
    """Hashes a corpus; equal digests mean equal texts, entities and markers, in equal order.

    Args:
        texts: The texts.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    return facts_digest("texts", ([text.text, text.entities, text.inserted] for text in texts))


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Joins spans that overlap; spans that only touch stay apart."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _tokenized(
    texts: Sequence[CorpusText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    mask_unit: MaskUnit,
) -> CorpusRows:
    before, after = special_around(tokenizer)
    around = len(before) + len(after)
    pieces = (Pieces(text.text, text.inserted, text.entities) for text in texts)
    tokenized = zip(texts, text_tokens(pieces, tokenizer), strict=True)
    ids: list[npt.NDArray[Any]] = [np.zeros(0, id_type(len(tokenizer)))]
    units: list[npt.NDArray[Any]] = [np.zeros(0, np.int16 if max_length < 2**15 else np.int32)]
    lengths = [np.zeros(1, np.int64)]
    while chunk := list(itertools.islice(tokenized, CHUNK)):
        of_texts = [_row_sizes(len(found.token_ids), max_length - around) for _, found in chunk]
        sizes = np.array([size for sizes in of_texts for size in sizes])
        flat = itertools.chain.from_iterable(found.token_ids for _, found in chunk)
        ids.append(_framed(np.fromiter(flat, ids[0].dtype), sizes, before, after))
        own = np.concatenate([_units(text, found, mask_unit) for text, found in chunk])
        numbers = _numbered(own, sizes).astype(units[0].dtype)
        units.append(_framed(numbers, sizes, [-1] * len(before), [-1] * len(after)))
        lengths.append(sizes + around)
    offsets = np.cumsum(np.concatenate(lengths))
    return CorpusRows(np.concatenate(ids), np.concatenate(units), offsets)


def _row_sizes(count: int, room: int) -> list[int]:
    """The numbers of a text's tokens in its rows: one row, or several of about the same length."""
    rows = max(1, -(-count // room))
    size, more = divmod(count, rows)
    return [size + 1] * more + [size] * (rows - more)


def _framed(
    values: npt.NDArray[Any],
    sizes: npt.NDArray[np.int64],
    before: Sequence[int],
    after: Sequence[int],
) -> npt.NDArray[Any]:
    """Puts the special tokens' values around those of each row."""
    more = len(before) + len(after)
    taken = np.cumsum(sizes) - sizes
    starts = taken + more * np.arange(len(sizes))
    out = np.empty(len(values) + more * len(sizes), values.dtype)
    for i, value in enumerate(before):
        out[starts + i] = value
    for i, value in enumerate(after):
        out[starts + len(before) + sizes + i] = value
    out[np.repeat(starts + len(before) - taken, sizes) + np.arange(len(values))] = values
    return out


def _numbered(units: npt.NDArray[np.int32], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Numbers the units of each row from 0; -1 stays."""
    rows = np.repeat(np.arange(len(sizes)), sizes)
    width = int(units.max(initial=0)) + 1
    eligible = units >= 0
    found, numbers = np.unique((rows * width + units)[eligible], return_inverse=True)
    first = np.searchsorted(found, np.arange(len(sizes)) * width)  # of each row
    out = np.full(len(units), -1, np.int32)
    out[eligible] = numbers - first[rows[eligible]]
    return out


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
    part = np.fromiter(map(_is_part_of_word, text.text), bool, len(text.text))
    begins = np.ones(len(text.text) + 1, np.int32)
    begins[1:-1] = ~(part[1:] & part[:-1])
    begins[[border for piece in text.inserted for border in piece]] = 1
    begins[-1] = 0
    return np.cumsum(begins, dtype=np.int32)


@functools.cache
def _is_part_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"
