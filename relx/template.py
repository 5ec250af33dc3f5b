"""Text with {placeholders}: a query about the words that a task asks about, or a whole prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from relx.faults import Fault, nearest, shorten

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def check_query(template: str, placeholders: Sequence[str]) -> Fault | None:
    """Checks that a query names only what can be filled in.

    Args:
        template: The query of a recipe, such as `이 문장에서 {object}은 {subject}의 무엇인가?`.
        placeholders: The names that its task fills in.

    Returns:
        The fault, or None.
    """
    return _fault(template, placeholders, "markers.query", "query")


def check_prompt(
    template: str, placeholders: Sequence[str], required: Sequence[str]
) -> list[Fault]:
    """Checks that a prompt names only what can be filled in, and all that it cannot do without.

    Args:
        template: The prompt of a recipe, such as `글: {sentence}` with lines around it.
        placeholders: The names that its task fills in.
        required: Those of them that every prompt needs; `sentence`, if among them, exactly once.

    Returns:
        The faults, all of them; none where the prompt can be filled in.
    """
    where, kind = "decoder.prompt", "prompt"
    fault = _fault(template, placeholders, where, kind)
    faults = [fault] if fault else []
    named = _PLACEHOLDER.findall(template)
    allowed = _listed(placeholders)
    for name in required:
        if name not in named:
            what, step = f"the prompt lacks {{{name}}}", f"write {{{name}}} where it is to stand"
            faults.append(Fault(what, where, shorten(template), allowed, step, kind))
    if "sentence" in required and (count := named.count("sentence")) > 1:
        what, received = "the prompt shows the sentence more than once", f"{{sentence}} × {count}"
        faults.append(Fault(what, where, received, "{sentence} once", kind=kind))
    return faults


def _listed(placeholders: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in placeholders)


def _fault(template: str, placeholders: Sequence[str], where: str, kind: str) -> Fault | None:
    """What cannot be filled in: a name that is none, or a brace that belongs to none."""
    allowed = _listed(placeholders)
    for name in _PLACEHOLDER.findall(template):
        if name not in placeholders:
            guess = nearest(name, placeholders)
            step = f"did you mean {{{guess}}}?" if guess else ""
            return Fault("unknown placeholder", where, f"{{{name}}}", allowed, step, kind)
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        return Fault("a brace that belongs to no placeholder", where, template, allowed, kind=kind)
    return None


def fill_query(template: str, values: Mapping[str, str]) -> str:
    """Replaces the placeholders in one pass: nothing in a value is looked at again.

    Args:
        template: A query that `check_query` finds no fault with, or a part of a prompt that
            `check_prompt` finds none with.
        values: The text of each placeholder.

    Returns:
        The text.
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
