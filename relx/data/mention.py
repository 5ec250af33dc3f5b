"""Words that are looked for in a sentence as somebody typed them, and never guessed."""

from __future__ import annotations

import re

from relx.faults import Fault, InputError, shorten
from relx.spans import Span


def require_whole_characters(sentence: str) -> None:
    """Refuses a sentence that is no text.

    Args:
        sentence: The sentence.

    Raises:
        InputError: It has half a character, as bytes that are not UTF-8 give.
    """
    if re.search("[\ud800-\udfff]", sentence):
        received = shorten(ascii(sentence))
        raise InputError(Fault("the sentence is not UTF-8 text", "--sentence", received))


def find_words(sentence: str, words: str, index: int | None, role: str) -> Span | Fault:
    """Finds words in a sentence.

    Args:
        sentence: The sentence.
        words: The words.
        index: Their first character; None where they are there once.
        role: What they are, which is the name of their option.

    Returns:
        Where they are, or what is amiss: they are not there, are there more than once, or are not
        at their index.
    """
    places = [i for i in range(len(sentence)) if words and sentence.startswith(words, i)]
    listed = ", ".join(map(str, places))
    if not places:
        what = f"the {role} is not in the sentence"
        return Fault(what, f"--{role}", shorten(words), "a part of the sentence, letter for letter")
    if index is None and len(places) > 1:
        what = f"the {role} is in the sentence {len(places)} times"
        step = f"say which with --{role}-index, such as {places[0]}"
        return Fault(what, f"--{role}", shorten(words), f"an index: {listed}", step)
    if index is not None and index not in places:
        return Fault(f"the {role} is not at this index", f"--{role}-index", str(index), listed)
    start = places[0] if index is None else index
    return Span(start, start + len(words))
