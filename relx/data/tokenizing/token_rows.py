"""Marked texts as rows of tokens: spans by offsets, windows that keep every span."""

from __future__ import annotations

import itertools
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from relx.data.marked import MarkedText
from relx.data.tokenizing.coverage import Coverage, coverage_of
from relx.data.tokenizing.special_tokens import FramePart, frame_of
from relx.data.tokenizing.spelling import Spelling, misspelt, spelling_of
from relx.data.tokenizing.tokens import CHUNK, Pieces, TextTokens, text_tokens
from relx.faults import Fault, InputError, shorten
from relx.garbage import uncollected
from relx.spans import Span

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row, ready for an encoder.

    Args:
        token_ids: (length,) int32, with the special tokens.
        segment_ids: (length,) int32, as the tokenizer's template gives them.
        spans: The tokens of each span's words, or of its mask; where a row has no such words, of
            all its sentence that the window keeps.
        starts: The token of each span to pool: the first of its opening marker, or of its words
            where there is no marker; of a whole sentence, the row's first, such as `[CLS]`.
    """

    token_ids: npt.NDArray[np.int32]
    segment_ids: npt.NDArray[np.int32]
    spans: tuple[Span, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """Rows ready for an encoder, in a few arrays: small, and batches are quickly made of them.

    Args:
        token_ids: (tokens,) uint16 or int32, the rows' tokens one row after the other.
        segment_ids: (tokens,) uint8, likewise.
        offsets: (rows + 1,) int64, where each row begins, and where the last one ends.
        places: (rows, 3 × spans) int32: first token and one past the last of each span, then the
            token to pool of each; see `TokenRow`.
        counts: (4,) int64, what of the sentences the tokenizer knows, as `Coverage` counts it:
            before any cut, without markers and the other segment.
    """

    token_ids: npt.NDArray[Any]
    segment_ids: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(4, np.int64))

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
                [*itertools.chain.from_iterable(row.spans), *row.starts],
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
        places = self.places[row].tolist()
        ends = 2 * (len(places) // 3)
        return TokenRow(
            self.token_ids[own].astype(np.int32),
            self.segment_ids[own].astype(np.int32),
            tuple(Span(*places[i : i + 2]) for i in range(0, ends, 2)),
            tuple(places[ends:]),
        )

    def __iter__(self) -> Iterator[TokenRow]:
        return (self[row] for row in range(len(self)))


@uncollected()
def tokenize(
    texts: Iterable[MarkedText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    ids: Iterable[str],
) -> TokenRows:
    """Tokenizes marked texts.

    A row that is too long keeps its second segment, all spans with their markers and what lies
    between them, and as much of the sentence around them as fits, evenly on both sides; it
    has exactly `max_length` tokens then.

    Args:
        texts: The marked texts; a few thousand at a time are taken and let go again.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.
        ids: The rows' ids, by which errors name them.

    Returns:
        One row for each text, in order.

    Raises:
        InputError: A span has no token, or the spans do not fit into `max_length`; all such rows
            at once.
    """
    chunks = [_flat([], id_type(len(tokenizer)))]
    faults: list[Fault] = []
    names, coverage = iter(ids), Coverage()
    for found, known in _chunks_of_rows(texts, tokenizer, max_length):
        rows, coverage = [], coverage + known
        for row, name in zip(found, names, strict=False):
            if isinstance(row, Fault):
                faults.append(_named(row, name))
            else:
                rows.append(row)
        chunks.append(_flat(rows, id_type(len(tokenizer))))
    if faults:
        raise InputError(*faults)
    return replace(_joined_rows(chunks), counts=np.array(astuple(coverage), np.int64))


def row_lengths(
    texts: Iterable[MarkedText],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    seen: Callable[[Coverage], None] = lambda known: None,
) -> Iterator[int | Fault]:
    """Counts what `tokenize` would give, without keeping it.

    Args:
        texts: The marked texts; a few thousand at a time are taken and let go again.
        tokenizer: A fast tokenizer of any kind.
        max_length: The longest row, in tokens, special tokens included.
        seen: Is told what the tokenizer knows, of some thousand rows at a time.

    Yields:
        The length of each text's row in tokens, or why there is no row, in order.
    """
    for found, known in _chunks_of_rows(texts, tokenizer, max_length):
        seen(known)
        for row in found:
            yield row if isinstance(row, Fault) else len(row.token_ids)


def id_type(vocabulary: int) -> np.dtype[Any]:
    """Chooses the smaller type that holds every token id.

    Args:
        vocabulary: The number of ids.

    Returns:
        uint16 or int32.
    """
    return np.dtype(np.uint16 if vocabulary <= 2**16 else np.int32)


class _Row(NamedTuple):
    """One row as lists: its tokens with their segments, and its spans' places among them."""

    token_ids: list[int]
    segment_ids: list[int]
    places: list[int]  # as in `TokenRows.places`


def _chunks_of_rows(
    texts: Iterable[MarkedText], tokenizer: PreTrainedTokenizerFast, max_length: int
) -> Iterator[tuple[list[_Row | Fault], Coverage]]:
    """Yields the row of each text, or why there is none, `CHUNK` of them at a time.

    With them comes what the tokenizer knows of their sentences.
    """
    frames = {pair: frame_of(tokenizer, pair=pair) for pair in (False, True)}
    left, spelling = iter(texts), spelling_of(tokenizer)
    while chunk := list(itertools.islice(left, CHUNK)):
        segments = [*text_tokens((pieces_of(text) for text in chunk), tokenizer)]
        others = dict.fromkeys(Pieces(text.other, text.separators) for text in chunk if text.other)
        tokens_of_other = dict(zip(others, text_tokens(others, tokenizer), strict=True))
        found = []
        for text, segment in zip(chunk, segments, strict=True):
            other = tokens_of_other[Pieces(text.other, text.separators)] if text.other else None
            frame = frames[other is not None]
            found.append(row_of(text, segment, other, frame, max_length, spelling))
        yield found, _known(segments, tokenizer)


def _known(segments: Iterable[TextTokens], tokenizer: PreTrainedTokenizerFast) -> Coverage:
    """Counts the tokens of sentences, without the markers in them."""
    own = (
        itertools.compress(tokens.token_ids, map(operator.not_, tokens.inserted))
        for tokens in segments
    )
    ids = np.fromiter(itertools.chain.from_iterable(own), np.int32)
    return coverage_of(ids, tokenizer)


def _flat(rows: Sequence[_Row], ids: np.dtype[Any]) -> TokenRows:
    chain = itertools.chain.from_iterable
    places = [row.places for row in rows]
    return TokenRows(
        np.fromiter(chain(row.token_ids for row in rows), ids),
        np.fromiter(chain(row.segment_ids for row in rows), np.uint8),
        np.cumsum([0, *(len(row.token_ids) for row in rows)], dtype=np.int64),
        np.array(places, np.int32).reshape(len(rows), -1 if rows else 0),
    )


def _joined_rows(chunks: Sequence[TokenRows]) -> TokenRows:
    chunks = [chunk for chunk in chunks if len(chunk)] or chunks[:1]
    ends = np.cumsum([0, *(len(chunk.token_ids) for chunk in chunks)])
    offsets = [chunk.offsets[1:] + start for chunk, start in zip(chunks, ends[:-1], strict=True)]
    return TokenRows(
        np.concatenate([chunk.token_ids for chunk in chunks]),
        np.concatenate([chunk.segment_ids for chunk in chunks]),
        np.concatenate([np.zeros(1, np.int64), *offsets]),
        np.concatenate([chunk.places for chunk in chunks]),
    )


def row_of(
    text: MarkedText,
    tokens: TextTokens,
    other: TextTokens | None,
    frame: Sequence[FramePart],
    max_length: int,
    spelling: Spelling | None = None,
) -> _Row | Fault:
    """Puts a text's tokens into the frame of special tokens.

    Args:
        text: The marked text.
        tokens: Its tokens.
        other: The tokens of its other segment; None where it has none.
        frame: The parts of a row, as `frame_of` gives them.
        max_length: The longest row, in tokens, special tokens included.
        spelling: What the tokens spell, to check that they are those of the marked words; None
            for a text that has been checked.

    Returns:
        The row, or why there is none.
    """
    places = _places(text, tokens, spelling)
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
    if None in places.spans and not own:
        return _nothing_left(text.text)
    for part in frame:
        if part.sequence == sequence_of_text:
            moved = len(ids) - window.start
        added = part.token_ids if part.sequence is None else sequences[part.sequence]
        ids += added
        segments += [part.segment] * len(added)
    return _Row(ids, segments, places.in_row(moved, window))


class _Places(NamedTuple):
    """Where the spans are among a text's tokens; None where there is none."""

    spans: tuple[Span | None, ...]
    starts: tuple[int, ...]

    def in_row(self, by: int, window: Span) -> list[int]:
        """Returns them among a row's tokens; a missing span is what the window keeps."""
        ends = [at + by for span in self.spans for at in (window if span is None else span)]
        pairs = zip(self.spans, self.starts, strict=True)
        return ends + [0 if span is None else start + by for span, start in pairs]

    @property
    def found(self) -> list[tuple[Span, int]]:
        """The spans that are there, each with the token to pool."""
        pairs = zip(self.spans, self.starts, strict=True)
        return [(span, start) for span, start in pairs if span is not None]


def _nothing_left(words: str) -> Fault:
    return Fault(
        "the tokenizer leaves nothing of the marked words",
        received=shorten(words),
        allowed="words of which at least one character becomes a token",
        next_step="correct the row, or leave it out",
        kind="words without tokens",
    )


def _places(text: MarkedText, tokens: TextTokens, spelling: Spelling | None) -> _Places | Fault:
    spans, starts = list[Span | None](), list[int]()
    for words, start in zip(text.spans, text.starts, strict=True):
        if words is None:
            spans.append(None)
            starts.append(0)
            continue
        found = _covering(tokens, words)
        if found is None:
            return _nothing_left(words.of(text.text))
        if spelling is not None and (fault := misspelt(text, words, tokens, found, spelling)):
            return fault
        spans.append(found)
        starts.append(min(found.start, bisect_right(tokens.ends, start)))
    return _Places(tuple(spans), tuple(starts))


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
    """The tokens to keep: all, or every span with its markers and as much around them."""
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
    """From the first span's opening marker to the last one's closing marker."""
    markers = [i for i, inserted in enumerate(tokens.inserted) if inserted]
    firsts = [*(start for _, start in places.found), *markers[:1]]
    ends = [*(span.end for span, _ in places.found), *(i + 1 for i in markers[-1:])]
    return Span(min(firsts, default=0), max(ends, default=0))


def _too_long(tokens: TextTokens, places: _Places, around: int, max_length: int) -> Fault:
    needed = _needed(tokens, places)
    length = needed.end - needed.start + around
    return Fault(
        "the marked words and what lies between them are longer than a row may be",
        received=f"{length} tokens",
        allowed=f"{max_length} tokens (tokens.max_length)",
        next_step=f"--set tokens.max_length={length} or more, as far as the encoder has positions",
        kind="words too far apart",
    )


def _named(fault: Fault, id: str) -> Fault:
    return replace(fault, where=f"row {id}")


def pieces_of(text: MarkedText) -> Pieces:
    """Returns the segment that holds the sentence, with the pieces inserted into it."""
    spans = tuple(span for span in text.spans if span is not None)
    return Pieces(text.text, text.inserted, spans)
