"""Punctuation marks put between the words of a sentence (AEDA)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from relx.data.rows.edits import Edit
from relx.spans import Span

MARKS = (".", ";", "?", ":", "!", ",")
_WORD = re.compile(r"\S+")


def punctuation(sentence: str, spans: Sequence[Span], rng: np.random.Generator) -> list[Edit]:
    """Chooses where marks are put between words: at most one for every three words.

    AEDA (Karimi et al. 2021, https://arxiv.org/abs/2108.13230): one to a third as many marks as
    there are words, at random places. Here no mark comes inside of the words that the row asks
    about.

    Args:
        sentence: The sentence.
        spans: The words that the row asks about.
        rng: Draws the places and the marks.

    Returns:
        What to insert, each before a word; nothing where there is no place.
    """
    words = [found.start() for found in _WORD.finditer(sentence)]
    places = [at for at in words if not any(span.start < at < span.end for span in spans)]
    most = min(len(places), max(1, len(words) // 3))
    if not most:
        return []
    chosen = rng.choice(len(places), size=rng.integers(1, most + 1), replace=False)
    marks = rng.integers(len(MARKS), size=len(chosen))
    return [
        Edit(Span(places[place], places[place]), f"{MARKS[mark]} ")
        for place, mark in zip(sorted(chosen.tolist()), marks.tolist(), strict=True)
    ]


def drawn_rows(count: int, share: float, rng: np.random.Generator) -> list[int]:
    """Draws which rows are copied: each about equally often.

    Args:
        count: How many rows there are.
        share: How many copies there shall be for each row, on average.
        rng: Draws.

    Returns:
        The rows' places, ascending; one comes as often as it is copied.
    """
    wanted = round(share * count)
    rounds = [rng.permutation(count) for _ in range(-(-wanted // count))] if count else []
    return sorted(np.concatenate(rounds)[:wanted].tolist()) if rounds else []
