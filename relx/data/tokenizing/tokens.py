"""Texts as tokens: each with its characters, and no token that reaches over a marker's border.

A sentence is tokenized as it is without markers, and the markers' tokens are put in at the
cuts. Only a word with a cut inside one of its tokens is tokenized anew, in fragments: the first
as the beginning of a word, the others as its continuation (`##` in WordPiece, no `▁` in
SentencePiece, no leading space in byte-level BPE). So a particle keeps its token, whatever
comes between it and the word before. Text that looks like a special token stays text.
"""

from __future__ import annotations

import functools
import itertools
import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tokenizers import Encoding, Tokenizer

from relx.data.tokenizing.special_tokens import special_ids, special_text_as_text
from relx.spans import Span

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


CHUNK = 2048  # texts in memory as Python lists at a time
STAND_IN = "가"  # a letter where a mask replaces a word, so that a particle after it continues one


class Pieces(NamedTuple):
    """A text that is a sentence with pieces inserted.

    Args:
        text: The text.
        inserted: The pieces that are not the sentence's, in order.
        spans: The marked words; an inserted piece that holds one is a mask in place of a word.
    """

    text: str
    inserted: tuple[Span, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(slots=True)
class TextTokens:
    """The tokens of a text, without special tokens, and where each is in it.

    Args:
        token_ids: The tokens.
        starts: The first character of each, never a space; equal to the end for a token that
            stands for a space alone.
        ends: One past the last character of each. A marker's tokens have the whole marker.
        inserted: Whether each is a marker's.
    """

    token_ids: list[int]
    starts: list[int]
    ends: list[int]
    inserted: list[bool]


def text_tokens(
    texts: Iterable[Pieces], tokenizer: PreTrainedTokenizerFast
) -> Iterator[TextTokens]:
    """Tokenizes texts with inserted pieces, without special tokens and without a limit.

    Args:
        texts: The texts.
        tokenizer: A fast tokenizer of any kind.

    Yields:
        The tokens of each text, in order.
    """
    chunk: list[Pieces] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == CHUNK:
            yield from _chunk_tokens(chunk, tokenizer)
            chunk = []
    yield from _chunk_tokens(chunk, tokenizer)


class _Insertion(NamedTuple):
    """A piece, and the span of the sentence in whose place it is; mostly an empty one."""

    piece: str
    place: Span


class _Tokens(NamedTuple):
    """The tokens of a sentence: ids, characters and words (pre-tokens)."""

    ids: list[int]
    starts: list[int]
    ends: list[int]
    words: list[int | None]

    def replaced(self, span: Span, by: _Tokens) -> _Tokens:
        return _Tokens(
            self.ids[: span.start] + by.ids + self.ids[span.end :],
            self.starts[: span.start] + by.starts + self.starts[span.end :],
            self.ends[: span.start] + by.ends + self.ends[span.end :],
            self.words[: span.start] + by.words + self.words[span.end :],
        )

    def moved(self, by: int) -> _Tokens:
        starts, ends = ([at + by for at in places] for places in (self.starts, self.ends))
        return _Tokens(self.ids, starts, ends, self.words)


class _CutWord(NamedTuple):
    """A word to be tokenized in fragments: its tokens, its characters and the cuts in it."""

    tokens: Span
    bounds: list[int]  # the word's start, the cuts, the word's end
    context: int  # from where the first fragment is tokenized, to begin as it does in the text

    def first(self, sentence: str) -> str:
        return sentence[self.context : self.bounds[1]]

    def others(self, sentence: str) -> list[tuple[int, str]]:
        return [(start, sentence[start:end]) for start, end in itertools.pairwise(self.bounds[1:])]


def _chunk_tokens(texts: Sequence[Pieces], tokenizer: PreTrainedTokenizerFast) -> list[TextTokens]:
    parted = [_parted(text) for text in texts]
    with special_text_as_text(tokenizer) as backend:
        pieces = {insertion.piece for _, insertions in parted for insertion in insertions}
        piece_ids = _piece_ids(sorted(pieces), backend, tokenizer)
        tokens = _cut_tokens(parted, backend, tokenizer)
    return [
        _joined(own, insertions, piece_ids)
        for own, (_, insertions) in zip(tokens, parted, strict=True)
    ]


def _parted(text: Pieces) -> tuple[str, list[_Insertion]]:
    """Takes the inserted pieces out; one that replaces a word leaves a letter in its place."""
    parts, insertions, taken, at = [], [], 0, 0
    for piece in text.inserted:
        parts.append(text.text[taken : piece.start])
        at += piece.start - taken
        taken, start = piece.end, at
        if _is_mask(piece, text.spans):
            parts.append(STAND_IN)
            at += len(STAND_IN)
        insertions.append(_Insertion(piece.of(text.text), Span(start, at)))
    return "".join([*parts, text.text[taken:]]), insertions


def _is_mask(piece: Span, spans: Sequence[Span]) -> bool:
    return any(piece.start <= start < end <= piece.end for start, end in spans)


def _piece_ids(
    pieces: Sequence[str], backend: Tokenizer, tokenizer: PreTrainedTokenizerFast
) -> dict[str, list[int]]:
    """A marker's tokens: its own where it has one, else those of words, wherever it is."""
    words = _cut_tokens([(f" {piece.strip()}", []) for piece in pieces], backend, tokenizer)
    ids = {}
    for piece, tokens in zip(pieces, words, strict=True):
        own = backend.token_to_id(piece.strip())
        ids[piece] = tokens.ids if own is None or len(piece.strip()) == 1 else [own]
    return ids


def _cut_tokens(
    parted: Sequence[tuple[str, list[_Insertion]]],
    backend: Tokenizer,
    tokenizer: PreTrainedTokenizerFast,
) -> list[_Tokens]:
    """Tokenizes sentences so that no token reaches over an insertion's borders."""
    special = special_ids(tokenizer)
    plain = _encoded(backend, [sentence for sentence, _ in parted])
    words: list[list[_CutWord]] = []
    for sentence, insertions in parted:
        cuts = {cut for insertion in insertions for cut in insertion.place}
        cuts.update(_inside_special(plain[sentence], special))
        words.append(_cut_words(sentence, plain[sentence], sorted(cuts)))
    cut = [(parts[0], word) for parts, own in zip(parted, words, strict=True) for word in own]
    firsts = _encoded(backend, [word.first(sentence) for sentence, word in cut])
    later = [text for sentence, word in cut for _, text in word.others(sentence)]
    others = _encoded(_continuation(tokenizer), later) if later else {}
    result = []
    for (sentence, _), own in zip(parted, words, strict=True):
        tokens = plain[sentence]
        for word in reversed(own):
            fragments = _fragments(word, sentence, firsts, others)
            tokens = tokens.replaced(word.tokens, fragments)
        result.append(tokens)
    return result


def _encoded(backend: Tokenizer, texts: Iterable[str]) -> dict[str, _Tokens]:
    unique = list(dict.fromkeys(texts))
    encodings = backend.encode_batch(unique, add_special_tokens=False)
    return {text: _tokens(text, enc) for text, enc in zip(unique, encodings, strict=True)}


def _tokens(text: str, encoding: Encoding) -> _Tokens:
    places = encoding.offsets
    starts = [
        _after_space(text, start, end) if start < end and text[start].isspace() else start
        for start, end in places
    ]
    return _Tokens(encoding.ids, starts, [end for _, end in places], encoding.word_ids)


def _after_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _inside_special(tokens: _Tokens, special: frozenset[int]) -> Iterator[int]:
    """Cuts that break up sentence text which the model's own vocabulary reads as special."""
    if not special.isdisjoint(tokens.ids):
        for id, start, end in zip(tokens.ids, tokens.starts, tokens.ends, strict=True):
            if id in special and end - start > 1:
                yield start + 1


def _cut_words(sentence: str, tokens: _Tokens, cuts: Sequence[int]) -> list[_CutWord]:
    """Finds the words in which a cut goes through a token."""
    words: list[_CutWord] = []
    for cut in cuts:
        i = bisect_left(tokens.starts, cut) - 1
        if i < 0 or tokens.ends[i] <= cut or (words and i < words[-1].tokens.end):
            continue
        first = last = i
        while first > 0 and tokens.words[first - 1] == tokens.words[i]:
            first -= 1
        while last + 1 < len(tokens.ids) and tokens.words[last + 1] == tokens.words[i]:
            last += 1
        start, end = tokens.starts[first], tokens.ends[last]
        inner = [other for other in cuts if start < other < end]
        words.append(
            _CutWord(Span(first, last + 1), [start, *inner, end], _context(sentence, start))
        )
    return words


def _context(sentence: str, start: int) -> int:
    """Goes back to the space before, so that a first fragment is glued to what it was glued to."""
    while start > 0 and not sentence[start - 1].isspace():
        start -= 1
    return max(start - 1, 0)


def _fragments(
    word: _CutWord, sentence: str, firsts: Mapping[str, _Tokens], others: Mapping[str, _Tokens]
) -> _Tokens:
    """The tokens of a cut word, in the sentence's characters."""
    first = firsts[word.first(sentence)]
    begin = bisect_left(first.starts, word.bounds[0] - word.context)
    result = first.replaced(Span(0, begin), _Tokens([], [], [], [])).moved(word.context)
    for start, text in word.others(sentence):
        end = len(result.ids)
        result = result.replaced(Span(end, end), others[text].moved(start))
    return result


@functools.lru_cache(maxsize=2)
def _continuation(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A tokenizer for text that continues a word: nothing is put in front of it."""
    tree = json.loads(tokenizer.backend_tokenizer.to_str())
    tree |= {"added_tokens": [], "post_processor": None, "padding": None, "truncation": None}
    tree["normalizer"] = _unprefixed(tree["normalizer"])
    tree["pre_tokenizer"] = _unprefixed(tree["pre_tokenizer"])
    prefix = tree["model"].get("continuing_subword_prefix")
    if tree["model"]["type"] == "WordPiece" and prefix:
        vocab = tree["model"]["vocab"]
        inner = {token: id for token, id in vocab.items() if token.startswith(prefix)}
        bare = {token.removeprefix(prefix): id for token, id in inner.items()}
        unknown = tree["model"]["unk_token"]
        tree["model"]["vocab"] = bare | inner | {unknown: vocab[unknown]}
    return Tokenizer.from_str(json.dumps(tree))


def _unprefixed(step: Any) -> Any:
    """A normalizer or pre-tokenizer, by its JSON, that puts no space before a text."""
    if isinstance(step, list):
        kept = [part for part in step if part.get("type") != "Prepend"]
        return [_unprefixed(part) for part in kept]
    if not isinstance(step, dict):
        return step
    if step.get("type") == "Prepend":
        return None
    changed = {
        key: _unprefixed(value) if isinstance(value, list) else value for key, value in step.items()
    }
    if "prepend_scheme" in step:
        changed["prepend_scheme"] = "never"
    if "add_prefix_space" in step:
        changed["add_prefix_space"] = False
    return changed


def _joined(
    tokens: _Tokens, insertions: Sequence[_Insertion], piece_ids: Mapping[str, list[int]]
) -> TextTokens:
    """Puts the markers' tokens between the sentence's, all in the characters of the whole text."""
    row, taken, moved = TextTokens([], [], [], []), 0, 0
    for piece, place in insertions:
        until = bisect_left(tokens.starts, place.start, lo=taken)
        _extend(row, tokens, taken, until, moved)
        start, ids = place.start + moved, piece_ids[piece]
        row.token_ids += ids
        row.starts += [start] * len(ids)
        row.ends += [start + len(piece)] * len(ids)
        row.inserted += [True] * len(ids)
        taken = bisect_left(tokens.starts, place.end, lo=until)
        moved += len(piece) - (place.end - place.start)
    _extend(row, tokens, taken, len(tokens.ids), moved)
    return row


def _extend(row: TextTokens, tokens: _Tokens, start: int, end: int, moved: int) -> None:
    row.token_ids += tokens.ids[start:end]
    starts, ends = tokens.starts[start:end], tokens.ends[start:end]
    row.starts += [at + moved for at in starts] if moved else starts
    row.ends += [at + moved for at in ends] if moved else ends
    row.inserted += [False] * (end - start)
