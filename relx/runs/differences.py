"""What differs between the inputs of a stage and those of an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relx.faults import shorten
from relx.runs.manifest import as_json

DIGITS = 12  # of a digest, in messages
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose value changed.

    Args:
        key: The path of keys, such as `train.epochs`.
        earlier: The value before, in words.
        now: The value now, likewise.
    """

    key: str
    earlier: str
    now: str

    def __str__(self) -> str:
        return f"{self.key}: {self.earlier} → {self.now}"


def input_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Lists the keys whose values differ.

    Args:
        earlier: The inputs of before, as JSON gives them.
        now: The inputs of now, as JSON takes them.

    Returns:
        The differences; as text each is of the form `train.epochs: 3 → 5`.
    """
    before, after = dict(leaves(earlier)), dict(leaves(as_json(now)))
    keys = [*before, *(key for key in after if key not in before)]
    return [
        Difference(key, _shown(before, key), _shown(after, key))
        for key in keys
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    ]


def file_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the data files that differ, such as `data.train: a.csv, 60 → 61 rows, …`."""
    lines = []
    for role in ("train", "dev", "test"):
        old, new = earlier.get(role) or {}, now.get(role) or {}
        if old != new and "digest" in old and "digest" in new:
            file, rows, digest = (_shift(old, new, key) for key in ("file", "rows", "digest"))
            lines.append(f"data.{role}: {file}{rows and f', {rows} rows'}, SHA-256 {digest}")
    if earlier.get("sentences") != now.get("sentences"):
        lines.append(f"sentences: {_shift(earlier, now, 'sentences')}")
    return lines


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every value of nested dictionaries with the path of its keys.

    Args:
        tree: The dictionaries; an empty one within is a value.
        prefix: What comes before each path.

    Yields:
        Paths such as `train.epochs`, and values.
    """
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shift(earlier: Mapping[str, Any], now: Mapping[str, Any], key: str) -> str:
    """Returns a fact, or what it was and is; of a digest the first digits."""
    width = DIGITS if key == "digest" else None
    old, new = (str(facts.get(key, ""))[:width] for facts in (earlier, now))
    return old if old == new else f"{old} → {new}"


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "absent"
    value = values[key]
    is_digest = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)
    return str(value)[:DIGITS] if is_digest else shorten(value, 40)
