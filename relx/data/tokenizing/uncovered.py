"""Why a tokenizer does not know texts, and what helps: found by trying what would."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tokenizers import Encoding, Tokenizer, normalizers

from relx.data.tokenizing.special_tokens import special_text_as_text

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

SAMPLE = 200  # texts with unknown tokens that are looked at
CHUNK = 1000  # texts that are searched for them at a time
WORDS = 3
FOREIGN = 0.1  # share of a vocabulary that is written in another kind's way
HELPS = 0.5  # of what is unknown, what a remedy must bring back
NFC = "--set data.normalize=nfc reads the texts composed (NFC), their spans carried over"
SETTINGS = "tokenizer_config.json of the model's folder"


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What is unknown of texts.

    Args:
        cause: The likely cause, in a clause.
        remedy: What helps.
        words: Some of the unknown words.
    """

    cause: str
    remedy: str
    words: tuple[str, ...]


class _Change(NamedTuple):
    """Something that may be the cause: what it is, what would undo it, and how that is tried."""

    cause: str = ""
    remedy: str = ""
    normalizer: normalizers.Normalizer | None = None
    compose: bool = False


def uncovered(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast) -> Uncovered:
    """Finds out why a tokenizer does not know texts.

    Args:
        texts: The texts; the first of those with unknown tokens are looked at.
        tokenizer: The tokenizer.

    Returns:
        The likely cause, what helps, and some unknown words.
    """
    lost = {tokenizer.unk_token_id, tokenizer.pad_token_id} - {None}
    with special_text_as_text(tokenizer) as backend:
        sample, encodings = _sample(texts, backend, lost)
        words = _unknown_words(sample, encodings, lost)
        change = _foreign_pieces(backend) or _helping_change(
            sample, backend, lost, _lost(encodings, lost)
        )
        change = change or _by_the_ids(encodings, tokenizer) or _by_the_letters(words, backend)
    return Uncovered(change.cause, change.remedy, words)


def is_decomposed(text: str) -> bool:
    """Says whether a text has letters taken apart, as macOS writes names (NFD)."""
    if unicodedata.is_normalized("NFC", text):
        return False
    return len(unicodedata.normalize("NFC", text)) < len(text)  # not so where a letter is replaced


def _sample(
    texts: Iterable[str], backend: Tokenizer, lost: set[int]
) -> tuple[list[str], list[Encoding]]:
    """Returns the first texts with unknown tokens, and their tokens."""
    left, sample, found = iter(texts), list[str](), list[Encoding]()
    while len(sample) < SAMPLE and (chunk := list(itertools.islice(left, CHUNK))):
        encodings = backend.encode_batch(chunk, add_special_tokens=False)
        for text, encoding in zip(chunk, encodings, strict=True):
            if not lost.isdisjoint(encoding.ids):
                sample.append(text)
                found.append(encoding)
    return sample[:SAMPLE], found[:SAMPLE]


def _unknown_words(
    texts: Sequence[str], encodings: Sequence[Encoding], lost: set[int]
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text, encoding in zip(texts, encodings, strict=True):
        for id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if id in lost and text[start:end].strip():
                found[text[start:end].strip()] = None
                if len(found) == WORDS:
                    return tuple(found)
    return tuple(found)


def _lost(encodings: Iterable[Encoding], lost: set[int]) -> float:
    """The share of tokens that are unknown, or padding inside a text."""
    counts = [(sum(id in lost for id in encoding.ids), len(encoding.ids)) for encoding in encodings]
    return sum(count for count, _ in counts) / max(1, sum(length for _, length in counts))


def _foreign_pieces(backend: Tokenizer) -> _Change | None:
    """A vocabulary whose words begin with ▁ or Ġ is not WordPiece, whatever its file is called."""
    if type(backend.model).__name__ != "WordPiece":
        return None
    pieces = backend.get_vocab()
    for sign, kind in (("▁", "SentencePiece"), ("Ġ", "byte-level BPE")):
        if sum(piece.startswith(sign) for piece in pieces) > FOREIGN * len(pieces):
            cause = f"its vocabulary is one of {kind} (words begin with {sign}), read as WordPiece"
            step = "copy the checkpoint's own tokenizer.json, or its model file, into the folder"
            return _Change(cause, step)
    return None


def _helping_change(
    texts: Sequence[str], backend: Tokenizer, lost: set[int], own: float
) -> _Change | None:
    """Tries the changes, single ones first; returns the first one that brings back enough."""
    if not own:
        return None
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    apart = any(map(is_decomposed, texts))
    forms = [_Change(), *([_Change(_NFD, NFC, None, True)] if apart else [])]
    before = backend.normalizer
    tried = itertools.product(forms, [_Change(), *_other_normalizers(before)])
    try:
        for form, other in sorted(tried, key=_order):
            backend.normalizer = other.normalizer or before
            read = backend.encode_batch(
                composed if form.compose else list(texts), add_special_tokens=False
            )
            if _lost(read, lost) <= HELPS * own:
                return _Change(
                    "; ".join(filter(None, (form.cause, other.cause))),
                    "; and ".join(filter(None, (form.remedy, other.remedy))),
                )
    finally:
        backend.normalizer = before
    return None


def _order(changes: tuple[_Change, _Change]) -> tuple[int, bool]:
    """Single changes come first, and of these the one of the texts."""
    form, other = changes
    return bool(form.cause) + bool(other.cause), not form.cause


_NFD = "they are written with letters taken apart (NFD), as macOS writes them"


def _other_normalizers(own: normalizers.Normalizer | None) -> Iterator[_Change]:
    """Yields what a tokenizer may have been meant to do to a text first."""
    if isinstance(own, normalizers.BertNormalizer):
        keeps = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
        cause = "it lower-cases and strips accents, which takes syllables apart"
        step = f'write "do_lower_case": false, "strip_accents": false into {SETTINGS}'
        yield _Change(cause, step, keeps)
        lowers = normalizers.BertNormalizer(strip_accents=False, lowercase=True)
        cause = "its vocabulary is lower-cased, and the texts are not"
        step = f'write "do_lower_case": true, "strip_accents": false into {SETTINGS}'
        yield _Change(cause, step, lowers)
        return
    step = "copy the checkpoint's own tokenizer.json into the folder, or correct its normalizer"
    yield _Change("its normalizer takes characters apart", step, normalizers.NFC())


def _by_the_ids(
    encodings: Iterable[Encoding], tokenizer: PreTrainedTokenizerFast
) -> _Change | None:
    """Padding inside a text means that pieces have the ids of others."""
    ids = [id for encoding in encodings for id in encoding.ids]
    if ids.count(tokenizer.pad_token_id) <= ids.count(tokenizer.unk_token_id):
        return None
    cause = f"its pieces have the ids of others, such as {tokenizer.pad_token}, the padding"
    step = "copy the tokenizer files of the same checkpoint into the folder, tokenizer.json best"
    return _Change(cause, step)


def _by_the_letters(words: Iterable[str], backend: Tokenizer) -> _Change:
    known = set(itertools.chain.from_iterable(backend.get_vocab()))
    letters = dict.fromkeys(letter for letter in "".join(words) if not letter.isspace())
    strange = [letter for letter in letters if letter not in known][:5]
    if not strange:
        cause = "its vocabulary has their letters, and not their words"
    else:
        cause = f"its vocabulary has no piece with {' '.join(strange)}"
    step = "start from a model of this language; a fresh one takes a larger vocabulary"
    return _Change(cause, step)
