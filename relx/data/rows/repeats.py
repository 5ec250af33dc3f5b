"""Rows that repeat one another, and sentences that two files share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def repeated(keys: Iterable[Hashable]) -> list[list[int]]:
    """Groups the rows that have a key in common.

    Args:
        keys: What each row is about, such as its sentence and its spans.

    Returns:
        The indices of each group of two or more rows, both groups and rows in the rows' order.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def shared(known: Iterable[str], sentences: Iterable[str]) -> list[int]:
    """Finds the rows of one file whose sentence is also in another.

    Args:
        known: The sentences of the other file.
        sentences: The sentence of each row.

    Returns:
        The indices of the rows, in their order.
    """
    held = frozenset(known)
    return [index for index, sentence in enumerate(sentences) if sentence in held]
