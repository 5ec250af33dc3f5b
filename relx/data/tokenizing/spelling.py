"""Whether tokens spell the words that their offsets say, after the tokenizer's own normalizer.

Offsets are the tokenizer's word for it: where its normalizer takes a character out at the beginning
of a text, some tokenizers count from the wrong one, and a marker would stand inside a word.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from relx.data.marked import MarkedText
from relx.data.tokenizing.tokens import TextTokens
from relx.data.tokenizing.vocabulary import Vocabulary
from relx.faults import Fault, shorten
from relx.spans import Span

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast


class Spelling:
    """What the tokens of a tokenizer spell.

    Args:
        tokenizer: A fast tokenizer of any kind.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._pieces = _Pieces(tokenizer)
        self._unknown = tokenizer.unk_token_id
        normalizer = tokenizer.backend_tokenizer.normalizer
        self._normalized: Callable[[str], str] = (
            normalizer.normalize_str if normalizer is not None else str
        )

    def spells(self, token_ids: Sequence[int], words: str) -> bool:
        """Says whether tokens spell words, whatever spaces there are.

        Args:
            token_ids: The tokens; an unknown one may stand for any text.
            words: The words, as the sentence has them.

        Returns:
            False where they spell anything else.
        """
        if b"".join(map(self._pieces.__getitem__, token_ids)) == _bare(words).encode():
            return True
        parts = self._parts(token_ids)
        normalized = _bare(self._normalized(words).replace("▁", " "))
        if _fits(parts, normalized):
            return True
        # Beside other letters a normalizer may write one in another way; letters stay letters.
        return _fits([_letters(part) for part in parts], _letters(words))

    def text(self, token_ids: Iterable[int]) -> str:
        """Returns what tokens spell, without spaces; `…` for unknown ones."""
        return "…".join(self._parts(token_ids))

    def _parts(self, token_ids: Iterable[int]) -> list[str]:
        """The texts between unknown tokens: one where there are none."""
        parts = [b""]
        for id in token_ids:
            if id == self._unknown:
                parts.append(b"")
            else:
                parts[-1] += self._pieces[id]
        return [part.decode("utf-8", "replace") for part in parts]


@functools.lru_cache(maxsize=2)
def spelling_of(tokenizer: PreTrainedTokenizerFast) -> Spelling:
    """Returns what the tokens of a tokenizer spell; the same again for the same tokenizer."""
    return Spelling(tokenizer)


def misspelt(
    text: MarkedText, words: Span, tokens: TextTokens, found: Span, spelling: Spelling
) -> Fault | None:
    """Says that the tokens of marked words spell something else.

    Args:
        text: The marked text.
        words: The characters of the words in it.
        tokens: Its tokens.
        found: Those of the words, by their offsets.
        spelling: What tokens spell.

    Returns:
        The fault, without its row; None where they spell the words.
    """
    if any(piece.start <= words.start and words.end <= piece.end for piece in text.inserted):
        return None  # a mask
    reach, found = _reach(words, tokens, found)
    ids = [tokens.token_ids[i] for i in range(*found) if not tokens.inserted[i]]
    marked = _without(text.text, reach, text.inserted)
    if spelling.spells(ids, marked):
        return None
    hidden = dict.fromkeys(c for c in text.text if unicodedata.category(c) in ("Cc", "Cf"))
    named = ", ".join(f"U+{ord(c):04X}" for c in hidden if c not in "\t\n\r")
    step = f"take the invisible {named} out of the sentence" if named else "correct the row"
    return Fault(
        "the tokenizer places the marked words elsewhere: between the markers would be other text",
        received=f"{shorten(spelling.text(ids))} in place of {shorten(marked)}",
        allowed="tokens that spell the marked words",
        next_step=f"{step} and count the spans anew, or leave it out",
        kind="words misplaced",
    )


def _reach(words: Span, tokens: TextTokens, found: Span) -> tuple[Span, Span]:
    """All characters of a span's tokens, and all tokens of these; more where nothing cuts them."""
    (start, end), (first, last) = words, found
    start, end = min(start, tokens.starts[first]), max(end, tokens.ends[last - 1])
    while first > 0 and tokens.ends[first - 1] > start:
        first -= 1
        start = min(start, tokens.starts[first])
    while last < len(tokens.starts) and tokens.starts[last] < end:
        end = max(end, tokens.ends[last])
        last += 1
    return Span(start, end), Span(first, last)


def _without(text: str, words: Span, pieces: Iterable[Span]) -> str:
    """The characters of a span that are in no inserted piece."""
    kept, at = "", words.start
    for piece in pieces:
        if piece.end <= words.start or piece.start >= words.end:
            continue
        kept += text[at : piece.start]
        at = max(at, piece.end)
    return kept + text[at : words.end]


class _Pieces(dict[int, bytes]):
    """The bytes of each token without spaces, looked up when they are needed."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self._tokenizer, self._vocabulary = tokenizer, Vocabulary(tokenizer)

    def __missing__(self, id: int) -> bytes:
        piece = self._vocabulary.raw(str(self._tokenizer.convert_ids_to_tokens(id)))
        text = piece.decode("utf-8", "surrogateescape")
        self[id] = _bare(text).encode("utf-8", "surrogateescape")
        return self[id]


def _bare(text: str) -> str:
    return "".join(text.split())


def _letters(text: str) -> str:
    taken_apart = unicodedata.normalize("NFKD", text).casefold()
    return "".join(filter(str.isalnum, taken_apart))


def _fits(parts: Sequence[str], text: str) -> bool:
    """Says whether a text is these parts in order, with anything between them."""
    if len(parts) == 1:
        return parts[0] == text
    first, *inner, last = parts
    if not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in inner:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end
