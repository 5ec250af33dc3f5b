"""What one file holds of targets: how many, where, how long; and placeholders in sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from relx.look.eda.lengths import Quantiles, quantiles
from relx.tasks.target.rows import TargetRow

# What stands for a name or an account that was taken out, such as &others& or &name3&.
_PLACEHOLDER = re.compile(r"&[A-Za-z]+?(?=[0-9]*&)")
PLACES = ("in its first third", "in its middle third", "in its last third")


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What one file holds of targets.

    Args:
        rows: All rows.
        missing: Rows that are about the whole sentence.
        repeated: Rows whose target's words are in the sentence more than once.
        places: Rows by the third of the sentence in which the middle of the target is.
        lengths: Lengths of the targets, in characters.
        placeholders: Rows by kind of placeholder in the sentence.
    """

    rows: int
    missing: int
    repeated: int
    places: dict[str, int]
    lengths: Quantiles
    placeholders: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as `json.dumps` takes them."""
        return asdict(self)


def target_facts(rows: Sequence[TargetRow]) -> TargetFacts:
    """Counts what one file holds of targets.

    Args:
        rows: Its rows.

    Returns:
        The counts.
    """
    with_target = [row for row in rows if row.target is not None]
    kinds = Counter(f"{name}…&" for row in rows for name in _placeholders(row.sentence))
    places = Counter(PLACES[_third(row)] for row in with_target)
    return TargetFacts(
        rows=len(rows),
        missing=len(rows) - len(with_target),
        repeated=sum(_is_repeated(row) for row in with_target),
        places={place: places[place] for place in PLACES},
        lengths=quantiles(target_lengths(rows)),
        placeholders=dict(kinds.most_common()),
    )


def target_lengths(rows: Sequence[TargetRow]) -> np.ndarray:
    """Returns the lengths of the targets in characters, `(rows with a target,)` int64."""
    return np.array([len(row.target.word) for row in rows if row.target is not None], np.int64)


def _placeholders(sentence: str) -> tuple[str, ...]:
    """Lists the placeholders of a sentence, each once, in order, as no set has them."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(sentence))) if "&" in sentence else ()


def _is_repeated(row: TargetRow) -> bool:
    assert row.target is not None
    return row.sentence.count(row.target.word) > 1


def _third(row: TargetRow) -> int:
    assert row.target is not None
    start, end = row.target.span
    return min(int(3 * (start + end) / 2 / len(row.sentence)), 2)
