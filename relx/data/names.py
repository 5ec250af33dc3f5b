"""Names of labels and types that a person takes for one, and a program for several."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from relx.faults import shorten
from relx.progress import warn

# What pandas makes of an empty cell, written back as text.
NO_NAMES = frozenset({"", "nan", "NaN"})
_SHOWN = 4  # groups in a message


def name_of(value: Any) -> str:
    """Returns a cell as the name of a label; empty where there is none: None, or JSON's NaN.

    Args:
        value: A cell: a text, or a number where labels are numbers.
    """
    return "" if value is None or value != value else str(value)  # NaN alone is not itself


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups different names that look the same: other case, blanks or composition of letters.

    Args:
        names: The names.

    Returns:
        The groups of two or more, each sorted, in the order of their first names.
    """
    groups: dict[str, set[str]] = {}
    for name in names:
        plain = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
        groups.setdefault(plain, set()).add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def alike_message(what: str, groups: list[tuple[str, ...]]) -> str:
    """Says which names look the same and are not.

    Args:
        what: What they name, in the plural: `labels` or `types of entities`.
        groups: What `alike` returned.
    """
    shown = "; ".join(" and ".join(map(_told_apart, group)) for group in groups[:_SHOWN])
    more = f", and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return f"{what} that look the same are different ones: {shown}{more}"


def _told_apart(name: str) -> str:
    """Returns a name in quotes, its characters by number where they look like other ones."""
    usual = unicodedata.normalize("NFKC", name) == name
    return shorten(name) if usual else ascii(name)[:80]


def warn_of_alike(**names: Iterable[str]) -> None:
    """Warns of names that look the same.

    Args:
        **names: The names by what they name.
    """
    for what, listed in names.items():
        if groups := alike(listed):
            warn(alike_message(what.replace("_", " "), groups))
