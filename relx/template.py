"""Text with {placeholders}: a sentence about the words that a task asks about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from relx.faults import Fault, nearest

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def check_query(template: str, placeholders: Sequence[str]) -> Fault | None:
    """Checks that a query names only what can be filled in.

    Args:
        template: The query of a recipe, such as `이 문장에서 {object}은 {subject}의 무엇인가?`.
        placeholders: The names that its task fills in.

    Returns:
        The fault, or None.
    """
    allowed = ", ".join(f"{{{name}}}" for name in placeholders)
    where, kind = "markers.query", "query"
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
        template: A query that `check_query` finds no fault with.
        values: The text of each placeholder.

    Returns:
        The query.
    """
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
