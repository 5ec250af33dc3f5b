"""What one file holds: lengths, types, and rows that are doubtful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.repeats import shared
from relx.look.relation.eda.task_data import ROLES, Role, entity
from relx.tasks.relation.rows import Example
from relx.validate import contradictions, repeated_rows

# Signs that entity markers are made of, or that look like a piece of one.
MARKER_CHARACTERS = "@#^§⊙*&["


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Lengths that half, 95 % and 99 % of the rows do not exceed, and the longest."""

    median: int
    p95: int
    p99: int
    longest: int


def quantiles(lengths: npt.NDArray[np.integer[Any]]) -> Quantiles:
    """Describes lengths by some that occur: the nearest rank, nothing between two rows.

    Args:
        lengths: `(rows,)`.

    Returns:
        The quantiles; of no rows all are 0.
    """
    if not len(lengths):
        return Quantiles(0, 0, 0, 0)
    found = np.percentile(lengths, [50, 95, 99, 100], method="inverted_cdf")
    return Quantiles(*(int(length) for length in found))


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file holds.

    Args:
        path: The file.
        rows: Its rows.
        sentences: Its different sentences.
        sentences_with_several_pairs: Those that more than one row has.
        duplicate_rows: Rows that repeat an earlier row's sentence and both entities.
        contradictory_keys: Sentences and entities that have two labels.
        first_match_elsewhere: Entities whose word also occurs earlier in the sentence.
        first_match_elsewhere_percent: The same, of all entities.
        characters: Lengths of the rows' sentences.
        subject_types: Rows by the subject's type, the most frequent first.
        object_types: Rows by the object's type, likewise.
        sources: Rows by source, likewise.
        marker_characters: Sentences that hold a sign which markers are made of.
    """

    path: str
    rows: int
    sentences: int
    sentences_with_several_pairs: int
    duplicate_rows: int
    contradictory_keys: int
    first_match_elsewhere: int
    first_match_elsewhere_percent: float
    characters: Quantiles
    subject_types: dict[str, int]
    object_types: dict[str, int]
    sources: dict[str, int]
    marker_characters: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as `json.dumps` takes them."""
        return asdict(self)


def describe_file(path: str, examples: Sequence[Example]) -> FileFacts:
    """Counts what one file holds.

    Args:
        path: The file.
        examples: Its rows.

    Returns:
        The counts.
    """
    sentences = Counter(row.sentence for row in examples)
    groups = repeated_rows(examples)
    elsewhere = sum(occurs_earlier(row, role) for row in examples for role in ROLES)
    return FileFacts(
        path=path,
        rows=len(examples),
        sentences=len(sentences),
        sentences_with_several_pairs=sum(count > 1 for count in sentences.values()),
        duplicate_rows=sum(len(group) - 1 for group in groups),
        contradictory_keys=len(contradictions(examples)),
        first_match_elsewhere=elsewhere,
        first_match_elsewhere_percent=50 * elsewhere / max(len(examples), 1),
        characters=quantiles(character_lengths(examples)),
        subject_types=_frequent(row.subject.type for row in examples),
        object_types=_frequent(row.object.type for row in examples),
        sources=_frequent(row.source for row in examples),
        marker_characters={
            sign: sum(sign in sentence for sentence in sentences) for sign in MARKER_CHARACTERS
        },
    )


def _frequent(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


@dataclass(frozen=True, slots=True)
class TypeShift:
    """An entity type that is not as frequent in the test as in train; shares in percent."""

    role: Role
    type: str
    train_percent: float
    test_percent: float


def type_shifts(train: FileFacts, test: FileFacts, points: float) -> list[TypeShift]:
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
    for role in ROLES:
        one, other = (
            own.subject_types if role == "subject" else own.object_types for own in (train, test)
        )
        for name in one | other:
            shares = (100 * one.get(name, 0) / train.rows, 100 * other.get(name, 0) / test.rows)
            found.append(TypeShift(role, name, *shares))
    shifted = [one for one in found if abs(one.test_percent - one.train_percent) >= points]
    return sorted(shifted, key=lambda one: -abs(one.test_percent - one.train_percent))


def occurs_earlier(row: Example, role: Role) -> bool:
    """Says whether a search for an entity's word would find it before the entity itself."""
    mention = entity(row, role)
    return row.sentence.find(mention.word) < mention.span.start


def character_lengths(examples: Sequence[Example]) -> npt.NDArray[np.int32]:
    """Returns the length of each row's sentence in characters, `(rows,)`."""
    return np.array([len(row.sentence) for row in examples], np.int32)


def shared_sentences(one: Sequence[Example], other: Sequence[Example]) -> tuple[int, int]:
    """Counts the sentences that are in both files.

    Args:
        one: The rows of one file.
        other: The rows of another.

    Returns:
        The sentences, and the rows of `other` that have them.
    """
    rows = shared((row.sentence for row in one), (row.sentence for row in other))
    return len({other[i].sentence for i in rows}), len(rows)
