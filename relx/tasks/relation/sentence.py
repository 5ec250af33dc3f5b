"""One raw sentence as an example: the words are found in it, but never guessed."""

from __future__ import annotations

from relx.data.mention import find_words, require_whole_characters
from relx.faults import Fault, InputError
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.tasks.task import Mention


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
    require_whole_characters(sentence)
    found = [_find(sentence, *subject, "subject"), _find(sentence, *object_, "object")]
    faults = [one for one in found if isinstance(one, Fault)]
    if faults:
        raise InputError(*faults)
    entities = [one for one in found if isinstance(one, Entity)]
    return Example("0", sentence, entities[0], entities[1], None)


def _find(sentence: str, word: str, type_: str, index: int | None, role: str) -> Entity | Fault:
    span = find_words(sentence, word, index, role)
    return span if isinstance(span, Fault) else Entity(word, span, type_)
