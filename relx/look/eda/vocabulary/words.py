"""The words of sentences, found by Kiwi: nouns, verbs and adjectives."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.data.tokenizing.token_cache import cached
from relx.files import digest
from relx.progress import bar, say

if TYPE_CHECKING:
    from collections.abc import Iterable

# Kiwi's tags: common and proper nouns and words in Latin letters; verbs and adjectives.
NOUNS = frozenset({"NNG", "NNP", "SL"})
PREDICATES = frozenset({"VV", "VA"})
FORMAT = "1"  # of what is kept on disk
_AT_ONCE = 500  # sentences between two updates of the progress bar


@dataclass(frozen=True, slots=True, eq=False)
class SentenceWords:
    """The nouns, verbs and adjectives of sentences, in a few arrays.

    Args:
        letters: The vocabulary in UTF-8, a line feed after each word, `(bytes,)` uint8.
        nouns: Whether each word of the vocabulary is a noun, `(vocabulary,)` bool.
        word_ids: The sentences' words one after the other, `(words,)` int32.
        starts: The first character of each word in its sentence, `(words,)` int32.
        ends: One past the last character, `(words,)` int32.
        offsets: Where each sentence begins, and where the last ends, `(sentences + 1,)` int64.
    """

    letters: npt.NDArray[np.uint8]
    nouns: npt.NDArray[np.bool_]
    word_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def vocabulary(self) -> list[str]:
        """Returns the words; a verb or an adjective ends in 다, as in a dictionary."""
        return self.letters.tobytes().decode("utf-8").split("\n")[:-1]


def find_words(sentences: Sequence[str], cache: Path | None = None) -> SentenceWords:
    """Finds the nouns, verbs and adjectives of sentences with Kiwi, or takes them from the cache.

    Args:
        sentences: The sentences.
        cache: Where words are kept, as `token_folder` of `relx.data.tokenizing.token_cache` says;
            None keeps none.

    Returns:
        Their words, in order.
    """

    def key() -> str:
        from importlib.metadata import version

        kinds = [*sorted(NOUNS), *sorted(PREDICATES)]
        kiwi = version("kiwipiepy"), version("kiwipiepy_model")
        return digest(["words", FORMAT, *kiwi, *kinds, *sentences])

    return cached(cache, key, SentenceWords, lambda: _find(sentences))


def _find(sentences: Sequence[str]) -> SentenceWords:
    ids: dict[tuple[str, bool], int] = {}
    word_ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    offsets = [0]
    with bar("finding words", len(sentences), "sentences") as progress:
        for place, tokens in enumerate(_analysed(sentences), 1):
            for form, is_noun, start, end in _content_words(tokens):
                word_ids.append(ids.setdefault((form, is_noun), len(ids)))
                starts.append(start)
                ends.append(end)
            offsets.append(len(word_ids))
            if place % _AT_ONCE == 0:
                progress.advance(_AT_ONCE)
        progress.advance(len(sentences) % _AT_ONCE)
    letters = "".join(f"{form}\n" for form, _ in ids).encode("utf-8")
    return SentenceWords(
        np.frombuffer(letters, np.uint8),
        np.array([is_noun for _, is_noun in ids], np.bool_),
        np.array(word_ids, np.int32),
        np.array(starts, np.int32),
        np.array(ends, np.int32),
        np.array(offsets, np.int64),
    )


def _analysed(sentences: Sequence[str]) -> Iterator[Any]:
    # Kiwi analyses the sentences in threads of its own and returns them in order.
    yield from _kiwi().tokenize(iter(sentences))


@functools.cache
def _kiwi() -> Any:
    from kiwipiepy import Kiwi

    say("loading the dictionary of Korean words")
    return Kiwi(num_workers=os.cpu_count(), load_typo_dict=False)


def _content_words(tokens: Iterable[Any]) -> Iterator[tuple[str, bool, int, int]]:
    """Yields form, whether it is a noun, first character and one past the last."""
    for token in tokens:
        tag = token.tag.partition("-")[0]  # VV-R and VV-I are regular and irregular verbs
        if tag in NOUNS:
            yield token.form, True, token.start, token.start + token.len
        elif tag in PREDICATES:
            yield f"{token.form}다", False, token.start, token.start + token.len
