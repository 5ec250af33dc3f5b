"""Figures and counts as they are printed."""

from __future__ import annotations

UNKNOWN = "-"


def percent(value: float | None) -> str:
    """Returns a percentage with two decimals, `-` for None."""
    return UNKNOWN if value is None else f"{value:.2f}"


def counted(count: int, one: str, many: str = "") -> str:
    """Returns a count with its noun, such as `1 row` or `2 classes`.

    Args:
        count: How many.
        one: The noun in the singular.
        many: The plural, where it is not the singular and an s.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
