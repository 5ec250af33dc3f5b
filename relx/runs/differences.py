"""What differs between the inputs of a stage and those of an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from relx.faults import shorten
from relx.runs.manifest import as_json

DIGITS = 12  # of a digest, in messages


def input_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the keys that differ, in the form `train.epochs: 3 → 5`."""
    before, after = dict(leaves(earlier)), dict(leaves(as_json(now)))
    keys = [*before, *(key for key in after if key not in before)]
    absent = object()
    return [
        f"{key}: {_shown(before, key)} → {_shown(after, key)}"
        for key in keys
        if before.get(key, absent) != after.get(key, absent)
    ]


def file_differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the data files that differ, such as `data.train: a.csv, 60 → 61 rows, …`."""
    lines = []
    for role in ("train", "dev", "test"):
        old, new = earlier.get(role) or {}, now.get(role) or {}
        if old != new and "digest" in old and "digest" in new:
            file, rows, digest = (_shift(old, new, key) for key in ("file", "rows", "digest"))
            lines.append(f"data.{role}: {file}{rows and f', {rows} rows'}, SHA-256 {digest}")
    sentences = _shift(earlier, now, "sentences")
    return lines + ([f"sentences: {sentences}"] if "→" in sentences else [])


def _shift(earlier: Mapping[str, Any], now: Mapping[str, Any], key: str) -> str:
    """Returns a fact, or what it was and is; of a digest the first digits."""
    width = DIGITS if key == "digest" else None
    old, new = (str(facts.get(key, ""))[:width] for facts in (earlier, now))
    return old if old == new else f"{old} → {new}"


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the leaves of a tree with their dotted keys, such as `train.epochs`."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    if key not in leaves:
        return "absent"
    value = leaves[key]
    is_digest = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value)
    return str(value)[:DIGITS] if is_digest else shorten(value, 40)
