"""The options that describe one sentence and the words in it that a task asks about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from relx_cli.options import Command

if TYPE_CHECKING:
    from relx.predict import Run


@dataclass(frozen=True, slots=True)
class GivenSentence:
    """A sentence and its words, as the options give them.

    Args:
        sentence: The sentence.
        words: The words by role, such as subject.
        types: The type of each role's words, None where it was not given.
        indices: The first character of each role's words, None where it was not given.
    """

    sentence: str
    words: Mapping[str, str]
    types: Mapping[str, str | None]
    indices: Mapping[str, int | None]

    def row(self, run: Run) -> Any:
        """Finds the words in the sentence, and makes a row of it as a run's task does.

        Args:
            run: The run that is to predict it.

        Raises:
            UsageError: The run's task asks about other words.
            InputError: Words are missing, are not there, are there more than once, or are not at
                their index; or the run's markers show types, and one is missing.
        """
        roles = run.task.roles
        for role in self.words:
            if role not in roles:
                options = ", ".join(f"--{one}" for one in roles)
                what = f"--{role} is not what {run.name} asks about; its options are {options}."
                raise click.UsageError(what)
        mentions = {
            role: (words, self.types[role] or "", self.indices[role])
            for role, words in self.words.items()
        }
        row = run.task.row_of(self.sentence, mentions)
        run.require_types({f"--{role}-type": self.types[role] for role in self.words})
        return row


_ROLES = ("subject", "object", "target")
_TYPED = ("subject", "object")
_EXAMPLES = {"subject": "PER", "object": "ORG"}


def _options() -> dict[str, tuple[type | None, str]]:
    """Returns the options that describe a sentence: their type, and what their help says."""
    words = {role: (None, f"The {role}, exactly as in the sentence.") for role in _ROLES}
    types = {
        f"{role}_type": (None, f"The {role}'s type, such as {_EXAMPLES[role]}.") for role in _TYPED
    }
    indices = {f"{role}_index": (int, f"The {role}'s first character, from 0.") for role in _ROLES}
    return {**words, **types, **indices}


def sentence_options(text: str) -> Callable[[Command], Command]:
    """Adds --sentence and what goes with it; the command receives `given: GivenSentence | None`.

    Args:
        text: The help of --sentence.

    Returns:
        A decorator for a click command's function.
    """
    options = _options()

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def called(*, sentence: str | None, **values: Any) -> Any:
            own = {name: values.pop(name) for name in options}
            return command(given=_given_sentence(sentence, own), **values)

        decorated: Any = called
        for name, (type_, help_) in reversed(options.items()):
            option = f"--{name.replace('_', '-')}"
            decorated = click.option(option, name, type=type_, help=help_)(decorated)
        return cast(Command, click.option("--sentence", help=text)(decorated))

    return decorate


def _given_sentence(sentence: str | None, values: dict[str, Any]) -> GivenSentence | None:
    """Checks that the options of a sentence come together."""
    given = [name for name, value in values.items() if value is not None]
    if sentence is None:
        for name in given:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --sentence.")
        return None
    for name in given:
        role = name.partition("_")[0]
        if values[role] is None:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --{role}.")
    words = {role: values[role] for role in _ROLES if values[role] is not None}
    types = {role: values.get(f"{role}_type") for role in _ROLES}
    indices = {role: values[f"{role}_index"] for role in _ROLES}
    return GivenSentence(sentence, words, types, indices)
