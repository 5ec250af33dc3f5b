"""How much of texts a tokenizer knows: unknown tokens, padding, pieces of characters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.tokenizing.special_tokens import special_ids
from relx.data.tokenizing.uncovered import Uncovered, uncovered
from relx.data.tokenizing.vocabulary import Vocabulary
from relx.faults import Fault, InputError, shorten
from relx.progress import say, warn

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

WARNED = 0.01  # share of unknown tokens above which a text is doubtful
REFUSED = 0.2  # and above which it is refused,
FEWEST = 20  # unless so few tokens are unknown that a single sentence has them
BROKEN = 0.5  # share of tokens that are bytes of no whole character, likewise doubtful
KIND = "unknown tokens"

Texts = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of texts a tokenizer knows.

    Args:
        tokens: The texts' tokens, without special ones.
        unknown: Those that are the unknown token.
        padding: Those that are the padding token, which no text has.
        broken: Those that are bytes of no whole character.
    """

    tokens: int = 0
    unknown: int = 0
    padding: int = 0
    broken: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(
            self.tokens + other.tokens,
            self.unknown + other.unknown,
            self.padding + other.padding,
            self.broken + other.broken,
        )

    @property
    def lost(self) -> int:
        """The tokens that do not tell the model what they stand for."""
        return self.unknown + self.padding

    @property
    def share(self) -> float:
        """The share of these tokens, 0 to 1."""
        return self.lost / self.tokens if self.tokens else 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether the share is worth a warning."""
        return self.share > WARNED

    @property
    def is_refused(self) -> bool:
        """Whether nothing can be learnt from the texts."""
        return self.share > REFUSED and self.lost >= FEWEST

    @property
    def is_broken(self) -> bool:
        """Whether the vocabulary has few whole characters of the texts."""
        return self.broken > BROKEN * self.tokens and self.broken >= FEWEST

    def __str__(self) -> str:
        words = f"{self.tokens:,} tokens, {percent(self.unknown, self.tokens)} of them unknown"
        if self.padding:
            words += f", {percent(self.padding, self.tokens)} padding"
        return words


def percent(count: int, of: int) -> str:
    """Writes a share so that few are never none: `0 %`, `0.06 %`, `87 %`."""
    share = 100 * count / of if of else 0.0
    return f"{share:.0f} %" if share >= 10 or not count else f"{max(share, 0.01):.2g} %"


def coverage_of(token_ids: npt.NDArray[Any], tokenizer: PreTrainedTokenizerFast) -> Coverage:
    """Counts the tokens of texts.

    Args:
        token_ids: (tokens,) of any integer type, special tokens included.
        tokenizer: What they are tokens of.

    Returns:
        The counts.
    """
    watched = _watched(tokenizer)
    counts = np.bincount(token_ids, minlength=max(watched.ids, default=0) + 1)
    special = sum(int(counts[id]) for id in watched.special if id < len(counts))
    return Coverage(
        tokens=int(counts.sum()) - special,
        unknown=sum(int(counts[id]) for id in watched.unknown),
        padding=sum(int(counts[id]) for id in watched.padding),
        broken=sum(int(counts[id]) for id in watched.broken if id < len(counts)),
    )


def require_covered(
    coverage: Coverage, texts: Texts, tokenizer: PreTrainedTokenizerFast, file: str = ""
) -> None:
    """Says how much of texts is unknown, and refuses texts of which a model sees too little.

    Args:
        coverage: The counts.
        texts: Gives the texts, of which the first are looked at for the cause.
        tokenizer: The tokenizer.
        file: Where they come from, for messages.

    Raises:
        InputError: More than a fifth of the tokens are unknown.
    """
    say(f"{file or 'tokens'}: {coverage}")
    if coverage.is_doubtful:
        fault = uncovered_fault(coverage, texts, tokenizer, file)
        if coverage.is_refused:
            raise InputError(fault)
        warn(in_a_sentence(fault))
    if coverage.is_broken:
        warn(broken_sentence(coverage, file))


def uncovered_fault(
    coverage: Coverage, texts: Texts, tokenizer: PreTrainedTokenizerFast, file: str = ""
) -> Fault:
    """Says what is unknown, what is the likely cause and what helps.

    Args:
        coverage: The counts.
        texts: Gives the texts, of which the first are looked at for the cause.
        tokenizer: The tokenizer.
        file: Where they come from.

    Returns:
        The fault, whether or not it is one that ends a command.
    """
    found: Uncovered = uncovered(texts(), tokenizer)
    words = ", ".join(shorten(word, 24) for word in found.words)
    return Fault(
        f"the tokenizer does not know these texts: {found.cause}",
        file,
        f"{coverage}{f', such as {words}' if words else ''}",
        f"at most {REFUSED * 100:.0f} % unknown; more than {WARNED * 100:.0f} % is doubtful",
        found.remedy,
        KIND,
    )


def in_a_sentence(fault: Fault) -> str:
    """Writes a fault of `uncovered_fault` as one line, for a warning."""
    where = f"{fault.where}: " if fault.where else ""
    return f"{where}{fault.received}. {fault.what[0].upper()}{fault.what[1:]}; {fault.next_step}"


def broken_sentence(coverage: Coverage, file: str = "") -> str:
    """Says in one line that a vocabulary is of another language."""
    return (
        f"{f'{file}: ' if file else ''}{percent(coverage.broken, coverage.tokens)} of the tokens "
        "are bytes of no whole character: the vocabulary was made for another language, rows are "
        "long and harder to learn from; an encoder of this language does better"
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    """The ids that are counted."""

    unknown: frozenset[int]
    padding: frozenset[int]
    special: frozenset[int]
    broken: frozenset[int]

    @property
    def ids(self) -> frozenset[int]:
        return self.unknown | self.padding


@functools.lru_cache(maxsize=4)
def _watched(tokenizer: PreTrainedTokenizerFast) -> _Watched:
    """Reads them from a tokenizer; a token that frames a row says nothing of its text."""
    of_frame = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id}
    of_frame |= {tokenizer.sep_token_id, tokenizer.mask_token_id, None}
    unknown = {tokenizer.unk_token_id} - of_frame
    padding = {tokenizer.pad_token_id} - of_frame - unknown
    special = special_ids(tokenizer) - unknown - padding
    return _Watched(
        frozenset(unknown), frozenset(padding), special, Vocabulary(tokenizer).broken() - special
    )
