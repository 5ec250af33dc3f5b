"""Marked texts as tokens: spans by offsets, windows that keep both entities.

A sentence is tokenized as it stands without markers, and the markers' tokens are put in at the
cuts. Only a word with a cut inside one of its tokens is tokenized anew, in fragments: the first
as the beginning of a word, the others as its continuation (`##` in WordPiece, no `▁` in
SentencePiece, no leading space in byte-level BPE). So a particle keeps its token, whatever
stands between it and the entity. Text that looks like a special token stays text.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from relx.faults import Fault, InputError, shorten
from relx.spans import Span
from relx.tasks.relation.markers import MarkedText

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

CHUNK = 2048  # texts in memory as Python lists at a time
STAND_IN = "가"  # a letter where a mask replaces a word, so that a particle after it continues one


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row, ready for an encoder.

    Args:
        token_ids: (length,) int32, with the special tokens.
        segment_ids: (length,) int32, as the tokenizer's template gives them.
        subject: The tokens of the subject's words, or of its mask.
        object: The tokens of the object's words, or of its mask.
        subject_start: The subject's token to pool: the first of its opening marker, or of its
            words where there is no marker.
        object_start: The same for the object.
    """

    token_ids: npt.NDArray[np.int32]
    segment_ids: npt.NDArray[np.int32]
    subject: Span
    object: Span
    subject_start: int
    object_start: int


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """Rows ready for an encoder, in a few arrays: small, and batches are quickly made of them.

    Args:
        token_ids: (tokens,) uint16 or int32, the rows' tokens one row after the other.
        segment_ids: (tokens,) uint8, likewise.
        offsets: (rows + 1,) int64, where each row begins, and where the last one ends.
        places: (rows, 6) int32: first token and one past the last of the subject and of the
            object, then the token to pool of each; see `TokenRow`.
    """

    token_ids: npt.NDArray[Any]
    segment_ids: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]

    @classmethod
    def of(cls, rows: Iterable[TokenRow]) -> TokenRows:
        """Puts rows together.

        Args:
            rows: The rows; `TokenRows` stay what they are.

        Returns:
            The same rows.
        """
        if isinstance(rows, TokenRows):
            return rows
        found = [
            _Row(
                row.token_ids.tolist(),
                row.segment_ids.tolist(),
                _Places(row.subject, row.object, row.subject_start, row.object_start),
            )
            for row in rows
        ]
        return _flat(found, id_type(1 + max((max(row.token_ids) for row in found), default=0)))

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The rows' lengths in tokens, (rows,)."""
        return np.diff(self.offsets).astype(np.int32)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> TokenRow:
        own = slice(self.offsets[row], self.offsets[row + 1])
        subject, subject_end, object_, object_end, *starts = self.places[row].tolist()
        return TokenRow(
            self.token_ids[own].astype(np.int32),
            self.segment_ids[own].astype(np.int32),
            Span(subject, subject_end),
            Span(object_, object_end),
            *starts,
        )

    def __iter__(self) -> Iterator[TokenRow]:
        return (self[row] for row in range(len(self)))


class Pieces(NamedTuple):
    """A text that is a sentence with pieces inserted.

    Args:
        text: The text.
        inserted: The pieces that are not the sentence's, in order.
        entities: The entities; an inserted piece that holds one stands in place of a word.
    """

    text: str
    inserted: tuple[Span, ...] = ()
    entities: tuple[Span, ...] = ()


@dataclass(slots=True)
class TextTokens:
    """The tokens of a text, without special tokens, and where each stands in it.

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


def tokenize(
    texts: Iterable[MarkedText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    ids: Iterable[str],
) -> TokenRows:
    """Tokenizes marked texts.

    A row that is too long keeps its second segment, both entities with their markers and what
    lies between them, and as much of the sentence around them as fits, evenly on both sides; it
    has exactly `max_length` tokens then.

    Args:
        texts: The marked texts; a few thousand at a time are taken and let go again.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.
        ids: The rows' ids, by which errors name them.

    Returns:
        One row for each text, in order.

    Raises:
        InputError: An entity has no token, or the two entities do not fit into `max_length`;
            all such rows at once.
    """
    chunks = [_flat([], id_type(len(tokenizer)))]
    faults: list[Fault] = []
    names = iter(ids)
    for found in _chunks_of_rows(texts, tokenizer, max_length):
        rows = []
        for row, name in zip(found, names, strict=False):
            if isinstance(row, Fault):
                faults.append(_named(row, name))
            else:
                rows.append(row)
        chunks.append(_flat(rows, id_type(len(tokenizer))))
    if faults:
        raise InputError(*faults)
    return _joined_rows(chunks)


def row_lengths(
    texts: Iterable[MarkedText], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> Iterator[int | Fault]:
    """Counts what `tokenize` would give, without keeping it.

    Args:
        texts: The marked texts; a few thousand at a time are taken and let go again.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.

    Yields:
        The length of each text's row in tokens, or why there is no row, in order.
    """
    for found in _chunks_of_rows(texts, tokenizer, max_length):
        for row in found:
            yield row if isinstance(row, Fault) else len(row.token_ids)


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


class TokenSource(NamedTuple):
    """Where a token of a row comes from.

    Args:
        part: `sentence`, `marker`, `other` for the other segment, such as a query, or `special`
            for what the tokenizer puts around and between segments.
        span: Its characters in `MarkedText.text`, or in `other`. A marker's tokens have the whole
            marker; a special token has none.
    """

    part: Literal["sentence", "marker", "other", "special"]
    span: Span


def token_sources(
    text: MarkedText, tokenizer: PreTrainedTokenizerFast, max_length: int
) -> list[TokenSource]:
    """Says of each token of a text's row where it comes from.

    Args:
        text: The marked text.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.

    Returns:
        One source for each token of the row that `tokenize` makes, in order.

    Raises:
        InputError: There is no such row.
    """
    (tokens,) = text_tokens([_pieces(text)], tokenizer)
    sources = _sources(tokens, "marker", "sentence")
    others, other = list[TokenSource](), None
    if text.other:
        (other,) = text_tokens([Pieces(text.other, text.separators)], tokenizer)
        others = _sources(other, "special", "other")
        other = replace(other, token_ids=[len(sources) + i for i in range(len(others))])
    frame = [
        part._replace(token_ids=[-1] * len(part.token_ids))
        for part in _frame(tokenizer, pair=other is not None)
    ]
    # Numbers in place of ids: the row then says which token went where.
    numbered = replace(tokens, token_ids=list(range(len(sources))))
    row = _row(text, numbered, other, frame, max_length)
    if isinstance(row, Fault):
        raise InputError(row)
    known = [*sources, *others, TokenSource("special", Span(0, 0))]
    return [known[number] for number in row.token_ids]


def _sources(
    tokens: TextTokens,
    inserted: Literal["marker", "special"],
    own: Literal["sentence", "other"],
) -> list[TokenSource]:
    return [
        TokenSource(inserted if piece else own, Span(start, end))
        for start, end, piece in zip(tokens.starts, tokens.ends, tokens.inserted, strict=True)
    ]


def id_type(vocabulary: int) -> np.dtype[Any]:
    """Chooses the smaller type that holds every token id.

    Args:
        vocabulary: The number of ids.

    Returns:
        uint16 or int32.
    """
    return np.dtype(np.uint16 if vocabulary <= 2**16 else np.int32)


def special_ids(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """Lists the ids that no text of a sentence may become.

    Args:
        tokenizer: The tokenizer.

    Returns:
        The ids of special tokens, markers among them, without the unknown token.
    """
    added = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id}


def special_around(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Lists the special tokens that the tokenizer puts around a single sequence.

    Args:
        tokenizer: The tokenizer.

    Returns:
        Those before the sequence, and those after it.
    """
    frame = _frame(tokenizer, pair=False)
    at = next(i for i, part in enumerate(frame) if part.sequence is not None)
    before, after = frame[:at], frame[at + 1 :]
    return [id for part in before for id in part.token_ids], [
        id for part in after for id in part.token_ids
    ]


# --- from a text to its tokens ---------------------------------------------------------------


class _Insertion(NamedTuple):
    """A piece, and the span of the sentence in whose place it stands; mostly an empty one."""

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
    with _special_text_as_text(tokenizer) as backend:
        pieces = {insertion.piece for _, insertions in parted for insertion in insertions}
        piece_ids = _piece_ids(sorted(pieces), backend, tokenizer)
        tokens = _cut_tokens(parted, backend, tokenizer)
    return [
        _joined(own, insertions, piece_ids)
        for own, (_, insertions) in zip(tokens, parted, strict=True)
    ]


@contextlib.contextmanager
def _special_text_as_text(tokenizer: PreTrainedTokenizerFast) -> Iterator[Tokenizer]:
    """The tokenizer's own backend, with special tokens unparsed and nothing cut or padded."""
    backend = tokenizer.backend_tokenizer
    before = backend.encode_special_tokens, backend.padding, backend.truncation
    backend.encode_special_tokens = True
    backend.no_padding()
    backend.no_truncation()
    try:
        yield backend
    finally:
        backend.encode_special_tokens = before[0]
        if before[1] is not None:
            backend.enable_padding(**before[1])
        if before[2] is not None:
            backend.enable_truncation(**before[2])


def _parted(text: Pieces) -> tuple[str, list[_Insertion]]:
    """Takes the inserted pieces out; one that replaces a word leaves a letter in its place."""
    parts, insertions, taken, at = [], [], 0, 0
    for piece in text.inserted:
        parts.append(text.text[taken : piece.start])
        at += piece.start - taken
        taken, start = piece.end, at
        if _holds_an_entity(piece, text.entities):
            parts.append(STAND_IN)
            at += len(STAND_IN)
        insertions.append(_Insertion(piece.of(text.text), Span(start, at)))
    return "".join([*parts, text.text[taken:]]), insertions


def _holds_an_entity(piece: Span, entities: Sequence[Span]) -> bool:
    return any(piece.start <= start < end <= piece.end for start, end in entities)


def _piece_ids(
    pieces: Sequence[str], backend: Tokenizer, tokenizer: PreTrainedTokenizerFast
) -> dict[str, list[int]]:
    """A marker's tokens: its own where it has one, else those of words, wherever it stands."""
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


# --- from tokens to a row --------------------------------------------------------------------


class _Part(NamedTuple):
    """A part of the special-token template: special tokens, or the place of a sequence."""

    sequence: int | None
    token_ids: list[int]
    segment: int


def _frame(tokenizer: PreTrainedTokenizerFast, *, pair: bool) -> list[_Part]:
    """Asks the tokenizer where it puts special tokens around one sequence, or two."""
    with _special_text_as_text(tokenizer) as backend:
        probe = backend.encode("a", "a" if pair else None)
    parts: list[_Part] = []
    for sequence, id, segment in zip(probe.sequence_ids, probe.ids, probe.type_ids, strict=True):
        if sequence is None:
            parts.append(_Part(None, [id], segment))
        elif not parts or parts[-1].sequence != sequence:
            parts.append(_Part(sequence, [], segment))
    return parts


class _Row(NamedTuple):
    """One row as lists: its tokens with their segments, and its entities' places among them."""

    token_ids: list[int]
    segment_ids: list[int]
    places: _Places


def _chunks_of_rows(
    texts: Iterable[MarkedText], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> Iterator[list[_Row | Fault]]:
    """Yields the row of each text, or why there is none, `CHUNK` of them at a time."""
    frames = {pair: _frame(tokenizer, pair=pair) for pair in (False, True)}
    left = iter(texts)
    while chunk := list(itertools.islice(left, CHUNK)):
        segments = text_tokens((_pieces(text) for text in chunk), tokenizer)
        others = dict.fromkeys(Pieces(text.other, text.separators) for text in chunk if text.other)
        tokens_of_other = dict(zip(others, text_tokens(others, tokenizer), strict=True))
        found = []
        for text, segment in zip(chunk, segments, strict=True):
            other = tokens_of_other[Pieces(text.other, text.separators)] if text.other else None
            found.append(_row(text, segment, other, frames[other is not None], max_length))
        yield found


def _flat(rows: Sequence[_Row], ids: np.dtype[Any]) -> TokenRows:
    chain = itertools.chain.from_iterable
    places = [(*row.places.subject, *row.places.object, *row.places[2:]) for row in rows]
    return TokenRows(
        np.fromiter(chain(row.token_ids for row in rows), ids),
        np.fromiter(chain(row.segment_ids for row in rows), np.uint8),
        np.cumsum([0, *(len(row.token_ids) for row in rows)], dtype=np.int64),
        np.array(places, np.int32).reshape(-1, 6),
    )


def _joined_rows(chunks: Sequence[TokenRows]) -> TokenRows:
    ends = np.cumsum([0, *(len(chunk.token_ids) for chunk in chunks)])
    offsets = [chunk.offsets[1:] + start for chunk, start in zip(chunks, ends[:-1], strict=True)]
    return TokenRows(
        np.concatenate([chunk.token_ids for chunk in chunks]),
        np.concatenate([chunk.segment_ids for chunk in chunks]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([chunk.places for chunk in chunks]),
    )


def _row(
    text: MarkedText,
    tokens: TextTokens,
    other: TextTokens | None,
    frame: Sequence[_Part],
    max_length: int,
) -> _Row | Fault:
    places = _places(text, tokens)
    if isinstance(places, Fault):
        return places
    around = sum(len(part.token_ids) for part in frame) + (len(other.token_ids) if other else 0)
    window = _window(tokens, places, max_length - around)
    if window is None:
        return _too_long(tokens, places, around, max_length)
    own = tokens.token_ids[window.start : window.end]
    sequences = [own] if other is None else [own, other.token_ids]
    sequence_of_text = int(other is not None and text.other_first)
    if sequence_of_text:
        sequences.reverse()
    ids: list[int] = []
    segments: list[int] = []
    moved = 0
    for part in frame:
        if part.sequence == sequence_of_text:
            moved = len(ids) - window.start
        added = part.token_ids if part.sequence is None else sequences[part.sequence]
        ids += added
        segments += [part.segment] * len(added)
    return _Row(ids, segments, places.moved(moved))


class _Places(NamedTuple):
    """Where the entities stand among the text's tokens."""

    subject: Span
    object: Span
    subject_start: int
    object_start: int

    def moved(self, by: int) -> _Places:
        return _Places(
            self.subject.moved(by),
            self.object.moved(by),
            self.subject_start + by,
            self.object_start + by,
        )


def _places(text: MarkedText, tokens: TextTokens) -> _Places | Fault:
    subject, object_ = _covering(tokens, text.subject), _covering(tokens, text.object)
    for role, word, found in (
        ("subject", text.subject, subject),
        ("object", text.object, object_),
    ):
        if found is None:
            return Fault(
                f"the tokenizer leaves nothing of the {role}'s words",
                received=shorten(word.of(text.text)),
                allowed="an entity of which at least one character becomes a token",
                next_step="correct the row, or leave it out",
                kind="entity without tokens",
            )
    assert subject is not None and object_ is not None
    return _Places(
        subject,
        object_,
        min(subject.start, bisect_right(tokens.ends, text.subject_start)),
        min(object_.start, bisect_right(tokens.ends, text.object_start)),
    )


def _covering(tokens: TextTokens, span: Span) -> Span | None:
    """The tokens that hold characters of a span."""
    first = bisect_right(tokens.ends, span.start)
    end = bisect_left(tokens.starts, span.end)
    while first < end and tokens.starts[first] == tokens.ends[first]:
        first += 1
    while first < end and tokens.starts[end - 1] == tokens.ends[end - 1]:
        end -= 1
    return Span(first, end) if first < end else None


def _window(tokens: TextTokens, places: _Places, room: int) -> Span | None:
    """The tokens to keep: all, or both entities with their markers and as much around them."""
    if len(tokens.token_ids) <= room:
        return Span(0, len(tokens.token_ids))
    needed = _needed(tokens, places)
    spare = room - (needed.end - needed.start)
    if spare < 0:
        return None
    before, after = needed.start, len(tokens.token_ids) - needed.end
    left = min(before, max(spare // 2, spare - after))
    return Span(needed.start - left, needed.start - left + room)


def _needed(tokens: TextTokens, places: _Places) -> Span:
    """From the first entity's opening marker to the last one's closing marker."""
    markers = [i for i, inserted in enumerate(tokens.inserted) if inserted]
    firsts = [places.subject_start, places.object_start, *markers[:1]]
    ends = [places.subject.end, places.object.end, *(i + 1 for i in markers[-1:])]
    return Span(min(firsts), max(ends))


def _too_long(tokens: TextTokens, places: _Places, around: int, max_length: int) -> Fault:
    needed = _needed(tokens, places)
    length = needed.end - needed.start + around
    return Fault(
        "the two entities and what lies between them are longer than a row may be",
        received=f"{length} tokens",
        allowed=f"{max_length} tokens (tokens.max_length)",
        next_step=f"--set tokens.max_length={length} or more, as far as the encoder has positions",
        kind="entities too far apart",
    )


def _named(fault: Fault, id: str) -> Fault:
    return replace(fault, where=f"row {id}")


def _pieces(text: MarkedText) -> Pieces:
    return Pieces(text.text, text.inserted, (text.subject, text.object))
