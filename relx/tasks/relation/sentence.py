"""One raw sentence as an example: the words are found in it, but never guessed."""

from __future__ import annotations

import re

from relx.faults import Fault, InputError, shorten
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example

Mention = tuple[str, str, int | None]


def example_of(sentence: str, subject: Mention, object_: Mention) -> Example:
    """Makes an example of a sentence and the words of its entities.

    Args:
        sentence: The sentence.
        subject: Word, type, and the index of its first character; None where it is there once.
        object_: The same of the object.

    Returns:
        The example, unlabelled.

    Raises:
        InputError: A word is not there, is there more than once, or is not at its index.
    """
    if re.search("[\ud800-\udfff]", sentence):
        received = shorten(ascii(sentence))
        fault = Fault("the sentence is not UTF-8 text", "--sentence", received)
        raise InputError(fault)
    found = [_find(sentence, *subject, "subject"), _find(sentence, *object_, "object")]
    faults = [one for one in found if isinstance(one, Fault)]
    if faults:
        raise InputError(*faults)
    entities = [one for one in found if isinstance(one, Entity)]
    return Example("0", sentence, entities[0], entities[1], None)


def _find(sentence: str, word: str, type_: str, index: int | None, role: str) -> Entity | Fault:
    places = [i for i in range(len(sentence)) if word and sentence.startswith(word, i)]
    listed = ", ".join(map(str, places))
    if not places:
        what = f"the {role} is not in the sentence"
        return Fault(what, f"--{role}", shorten(word), "a part of the sentence, letter for letter")
    if index is None and len(places) > 1:
        what = f"the {role} is in the sentence {len(places)} times"
        step = f"say which with --{role}-index, such as {places[0]}"
        return Fault(what, f"--{role}", shorten(word), f"an index: {listed}", step)
    if index is not None and index not in places:
        return Fault(f"the {role} is not at this index", f"--{role}-index", str(index), listed)
    start = places[0] if index is None else index
    return Entity(word, Span(start, start + len(word)), type_)
