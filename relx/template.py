"""The query: a sentence about the two entities, read along with the text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from relx.faults import Fault, nearest

PLACEHOLDERS = ("subject", "object", "subject_type", "object_type")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def check_query(template: str) -> Fault | None:
    """Checks that a query names only what can be filled in.

    A template holds `{subject}`, `{object}`, `{subject_type}` and `{object_type}`, as in
    `이 문장에서 {object}은 {subject}의 {object_type}이다.`; types are filled in as Korean words.

    Args:
        template: The query of a recipe.

    Returns:
        The fault, or None.
    """
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    where, kind = "markers.query", "query"
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            guess = nearest(name, PLACEHOLDERS)
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
