"""The options that describe one sentence and its entities."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from relx_cli.options import Command

if TYPE_CHECKING:
    from relx.tasks.relation.rows import Example


@dataclass(frozen=True, slots=True)
class GivenSentence:
    """A sentence and its entities, as the options give them.

    Args:
        sentence: The sentence.
        subject: The subject's words.
        object: The object's words.
        subject_type: The subject's type, if given.
        object_type: The object's type, if given.
        subject_index: The subject's first character, if given.
        object_index: The object's first character, if given.
    """

    sentence: str
    subject: str
    object: str
    subject_type: str | None
    object_type: str | None
    subject_index: int | None
    object_index: int | None

    def example(self) -> Example:
        """Finds the entities in the sentence.

        Raises:
            InputError: A word is not there, is there more than once, or is not at its index.
        """
        from relx.tasks.relation.sentence import example_of

        return example_of(
            self.sentence,
            (self.subject, self.subject_type or "", self.subject_index),
            (self.object, self.object_type or "", self.object_index),
        )

    @property
    def types(self) -> dict[str, str | None]:
        """The types by the name of their option, for `Run.require_types`."""
        return {"--subject-type": self.subject_type, "--object-type": self.object_type}


# The options that describe a sentence, and what their help says.
_SENTENCE = {
    "subject": "The subject, exactly as in the sentence.",
    "object": "The object, exactly as in the sentence.",
    "subject_type": "The subject's type, such as PER.",
    "object_type": "The object's type, such as ORG.",
    "subject_index": "The subject's first character, from 0.",
    "object_index": "The object's first character, from 0.",
}


def sentence_options(text: str) -> Callable[[Command], Command]:
    """Adds --sentence and what goes with it; the command receives `given: GivenSentence | None`.

    Args:
        text: The help of --sentence.

    Returns:
        A decorator for a click command's function.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(*, sentence: str | None, **values: Any) -> Any:
            own = {name: values.pop(name) for name in _SENTENCE}
            return command(given=_given_sentence(sentence, own), **values)

        decorated: Any = called
        for name, help_ in reversed(_SENTENCE.items()):
            type_ = int if name.endswith("_index") else None
            option = f"--{name.replace('_', '-')}"
            decorated = click.option(option, name, type=type_, help=help_)(decorated)
        return cast(Command, click.option("--sentence", help=text)(decorated))

    return decorate


def _given_sentence(sentence: str | None, values: dict[str, Any]) -> GivenSentence | None:
    """Checks that the options of a sentence come together."""
    if sentence is None:
        for name, value in values.items():
            if value is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} goes with --sentence.")
        return None
    if values["subject"] is None or values["object"] is None:
        raise click.UsageError("--sentence needs --subject and --object.")
    return GivenSentence(sentence, **values)
