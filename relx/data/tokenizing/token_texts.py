"""The tokens of a row as people read them: the text that each covers, not the tokenizer's piece."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from relx.data.marked import MarkedText
from relx.data.tokenizing.special_tokens import frame_of
from relx.data.tokenizing.token_rows import pieces_of, row_of
from relx.data.tokenizing.tokens import Pieces, TextTokens, text_tokens
from relx.faults import Fault, InputError
from relx.spans import Span

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

SPACE = "␣"  # what a token that stands for a space alone shows
_SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


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
    (tokens,) = text_tokens([pieces_of(text)], tokenizer)
    sources = _sources(tokens, "marker", "sentence")
    others, other = list[TokenSource](), None
    if text.other:
        (other,) = text_tokens([Pieces(text.other, text.separators)], tokenizer)
        others = _sources(other, "special", "other")
        other = replace(other, token_ids=[len(sources) + i for i in range(len(others))])
    frame = [
        part._replace(token_ids=[-1] * len(part.token_ids))
        for part in frame_of(tokenizer, pair=other is not None)
    ]
    # Numbers in place of ids: the row then says which token went where.
    numbered = replace(tokens, token_ids=list(range(len(sources))))
    row = row_of(text, numbered, other, frame, max_length)
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


@dataclass(frozen=True, slots=True)
class TokenText:
    """A token of a row.

    Args:
        text: The text that it covers, such as `은`; a special token's name. Of tokens that share
            a letter each has the letter and a number, such as `뷁₂`.
        piece: What the tokenizer calls it, such as `##은`.
        part: `sentence`, `marker`, `other` or `special`; see `TokenSource`.
        spaced: Whether a space precedes it.
        unknown: Whether it is the unknown token, so that the model does not see its text.
    """

    text: str
    piece: str
    part: str
    spaced: bool
    unknown: bool


def token_texts(
    text: MarkedText,
    token_ids: npt.NDArray[np.int32],
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
) -> list[TokenText]:
    """Reads the tokens of a row.

    Args:
        text: The marked text.
        token_ids: The row that `tokenize` makes of it, `(length,)`.
        tokenizer: The tokenizer.
        max_length: The longest row, in tokens.

    Returns:
        One text for each token, in order.

    Raises:
        InputError: There is no such row.
    """
    sources = token_sources(text, tokenizer, max_length)
    ids = token_ids.tolist()
    sources = list(_single_markers(sources, ids, text.text, tokenizer))
    pieces = tokenizer.convert_ids_to_tokens(ids)
    found, parts = [], _Parts(sources)
    previous = TokenSource("special", Span(0, 0))
    for source, id, piece in zip(sources, ids, pieces, strict=True):
        segment = (text.other or "") if source.part == "other" else text.text
        special = source.part == "special"
        covered = piece if special else _letters(source, segment, parts.numbers(source)) or SPACE
        spaced = special or _is_spaced(previous, source, segment)
        unknown = not special and id == tokenizer.unk_token_id
        found.append(TokenText(covered, piece, source.part, spaced, unknown))
        previous = source
    return found


def _single_markers(
    sources: Sequence[TokenSource],
    ids: Sequence[int],
    text: str,
    tokenizer: PreTrainedTokenizerFast,
) -> Iterator[TokenSource]:
    """Gives each token of a marker its own characters, where the marker has several."""
    row = zip(sources, ids, strict=True)
    for source, group in itertools.groupby(row, key=lambda pair: pair[0]):
        own = [id for _, id in group]
        spans = [source.span] * len(own)
        if source.part == "marker" and len(own) > 1:
            spans = _parts(source.span, own, text, tokenizer)
        yield from (source._replace(span=span) for span in spans)


def _parts(
    marker: Span, ids: Sequence[int], text: str, tokenizer: PreTrainedTokenizerFast
) -> list[Span]:
    """The characters of each token of a marker; the whole marker where they cannot be told."""
    piece = marker.of(text)
    word = f" {piece.strip()}"  # as it was tokenized
    encoded = tokenizer(word, add_special_tokens=False, return_offsets_mapping=True)
    if encoded["input_ids"] != list(ids):
        return [marker] * len(ids)
    before = marker.start + len(piece) - len(piece.lstrip()) - 1
    # The first token may have the space before it, which is not the marker's.
    return [
        Span(max(before + start, marker.start), before + end)
        for start, end in encoded["offset_mapping"]
    ]


def _is_spaced(previous: TokenSource, source: TokenSource, segment: str) -> bool:
    """Says whether there is a space between two tokens."""
    if "special" in (previous.part, source.part) or (previous.part == "other") != (
        source.part == "other"
    ):
        return True
    between = segment[previous.span.end : source.span.start]
    edges = previous.span.of(segment)[-1:], source.span.of(segment)[:1]
    return any(letters.isspace() for letters in (between[:1], between[-1:], *edges))


def _letters(source: TokenSource, segment: str, parts: Mapping[tuple[bool, int], int]) -> str:
    """The letters that a token covers; one of which it covers a part has the part's number."""
    other, shown = source.part == "other", ""
    for at in range(*source.span):
        if not segment[at].isspace():
            number = parts.get((other, at), 0)
            shown += segment[at] + (str(number).translate(_SMALL) if number else "")
    return shown


class _Parts:
    """Counts the tokens that share a letter, as in byte-level BPE."""

    def __init__(self, sources: Sequence[TokenSource]) -> None:
        self._counts = Counter(place for source in sources for place in _places(source))
        self._seen: Counter[tuple[bool, int]] = Counter()

    def numbers(self, source: TokenSource) -> dict[tuple[bool, int], int]:
        """Numbers the next token's letters that it shares with others."""
        shared = [place for place in _places(source) if self._counts[place] > 1]
        self._seen.update(shared)
        return {place: self._seen[place] for place in shared}


def _places(source: TokenSource) -> list[tuple[bool, int]]:
    """The letters of a token: which segment, and where."""
    if source.part == "special":
        return []
    return [(source.part == "other", at) for at in range(*source.span)]
