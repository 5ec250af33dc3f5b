"""Text with {placeholders}: a sentence about the words that a task asks about, or a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from relx.faults import Fault, nearest

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
SENTENCE = "sentence"


def check_query(
    template: str,
    placeholders: Sequence[str],
    where: str = "markers.query",
    kind: str = "query",
) -> Fault | None:
    """Checks that a query names only what can be filled in.

    Args:
        template: The query of a recipe, such as `이 문장에서 {object}은 {subject}의 무엇인가?`.
        placeholders: The names that its task fills in.
        where: The key of the recipe.
        kind: The kind of fault.

    Returns:
        The fault, or None.
    """
    allowed = ", ".join(f"{{{name}}}" for name in placeholders)
    for name in _PLACEHOLDER.findall(template):
        if name not in placeholders:
            guess = nearest(name, placeholders)
            step = f"did you mean {{{guess}}}?" if guess else ""
            return Fault("unknown placeholder", where, f"{{{name}}}", allowed, step, kind)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        return Fault("a brace that belongs to no placeholder", where, template, allowed, kind=kind)
    return None


def check_prompt(template: str, placeholders: Sequence[str], needed: Sequence[str]) -> Fault | None:
    """Checks that a prompt shows the sentence once, and all that is asked about.

    Args:
        template: The prompt of a recipe.
        placeholders: The names that its task fills in, `sentence` among them.
        needed: Those that have to be there.

    Returns:
        The fault, or None.
    """
    where, kind = "decoder.prompt", "prompt"
    if fault := check_query(template, placeholders, where, kind):
        return fault
    found = _PLACEHOLDER.findall(template)
    allowed = ", ".join(f"{{{name}}}" for name in placeholders)
    if missing := [name for name in needed if name not in found]:
        what = f"the prompt does not show {', '.join(f'{{{name}}}' for name in missing)}"
        return Fault(what, where, template, allowed, "put it where it is to stand", kind)
    if found.count(SENTENCE) > 1:
        what = "the prompt shows the sentence more than once"
        return Fault(what, where, template, allowed, "leave one {sentence}", kind)
    return None


def fill_query(template: str, values: Mapping[str, str]) -> str:
    """Replaces the placeholders in one pass: nothing in a value is looked at again.

    Args:
        template: A query that `check_query` finds no fault with.
        values: The text of each placeholder.

    Returns:
        The query.
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def parted_prompt(template: str) -> tuple[str, str]:
    """Parts a prompt at its sentence: what comes before, and what comes after.

    Args:
        template: A prompt that `check_prompt` finds no fault with.
    """
    before, _, after = template.partition(f"{{{SENTENCE}}}")
    return before, after
