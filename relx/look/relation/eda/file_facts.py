"""What one file holds of relations: the types of entities, and sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from relx.tasks.relation.rows import Example


@dataclass(frozen=True, slots=True)
class KindFacts:
    """How many rows of one file are of which kind, the most frequent kind first.

    Args:
        rows: All rows.
        subject_types: Rows by the subject's type.
        object_types: Rows by the object's type.
        sources: Rows by source.
    """

    rows: int
    subject_types: dict[str, int]
    object_types: dict[str, int]
    sources: dict[str, int]

    def types(self, role: str) -> dict[str, int]:
        """Returns the rows by the type of the `subject` or the `object`."""
        return self.subject_types if role == "subject" else self.object_types

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as `json.dumps` takes them."""
        return asdict(self)


def count_kinds(rows: Sequence[Example]) -> KindFacts:
    """Counts the types and sources of one file's rows."""
    return KindFacts(
        len(rows),
        _frequent(row.subject.type for row in rows),
        _frequent(row.object.type for row in rows),
        _frequent(row.source for row in rows),
    )


def _frequent(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


@dataclass(frozen=True, slots=True)
class TypeShift:
    """An entity type that is not as frequent in the test as in train; shares in percent."""

    role: str
    type: str
    train_percent: float
    test_percent: float


def type_shifts(train: KindFacts, test: KindFacts, points: float) -> list[TypeShift]:
    """Finds the entity types whose share differs between train and test.

    Args:
        train: The facts of one file.
        test: The facts of the other.
        points: From how many percentage points on.

    Returns:
        The types, those that differ most first; none where one of the files has no rows.
    """
    if not train.rows or not test.rows:
        return []
    found = []
    for role in ("subject", "object"):
        one, other = train.types(role), test.types(role)
        for name in one | other:
            shares = (100 * one.get(name, 0) / train.rows, 100 * other.get(name, 0) / test.rows)
            found.append(TypeShift(role, name, *shares))
    shifted = [one for one in found if abs(one.test_percent - one.train_percent) >= points]
    return sorted(shifted, key=lambda one: -abs(one.test_percent - one.train_percent))
