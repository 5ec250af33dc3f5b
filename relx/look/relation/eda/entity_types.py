"""Entity types by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relx.tasks.relation.rows import Example

MOST_PAIRS = 18  # pairs of types that a table has room for


@dataclass(frozen=True, slots=True, eq=False)
class TypeTable:
    """How many rows of each label have entities of each type.

    Args:
        labels: The labels that have rows, in the order asked for.
        columns: What each column counts, as (group, types); the groups are `subject`, `object`
            and `pair`, each with its most frequent types first.
        counts: `(labels, columns)` int64.
        left_out: How many kinds of pairs are too rare to have a column.
    """

    labels: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    counts: npt.NDArray[np.int64]
    left_out: int = 0

    def percent(self) -> npt.NDArray[np.float64]:
        """Returns the counts in percent of the label's rows, `(labels, columns)`."""
        subjects = [group == "subject" for group, _ in self.columns]
        rows = self.counts[:, subjects].sum(axis=1, keepdims=True)
        percent: npt.NDArray[np.float64] = 100 * self.counts / np.maximum(rows, 1)
        return percent


def type_table(examples: Sequence[Example], names: Sequence[str]) -> TypeTable:
    """Counts the types of the subjects, the objects and both together, by label.

    Args:
        examples: Labelled rows.
        names: The labels, in the order of the table.

    Returns:
        The table; at most `MOST_PAIRS` kinds of pairs have a column.
    """
    keys = [key for row in examples for key in _type_keys(row)]
    common = Counter(keys).most_common()
    pairs = [key for key, _ in common if key[0] == "pair"]
    singles = [key for group in ("subject", "object") for key, _ in common if key[0] == group]
    columns = (*singles, *pairs[:MOST_PAIRS])
    found = Counter((row.label or "", key) for row in examples for key in _type_keys(row))
    present = {row.label for row in examples}
    labels = tuple(name for name in names if name in present)
    counts = [[found[name, key] for key in columns] for name in labels]
    table = np.array(counts, np.int64).reshape(len(labels), len(columns))
    return TypeTable(labels, columns, table, max(len(pairs) - MOST_PAIRS, 0))


def _type_keys(row: Example) -> tuple[tuple[str, str], ...]:
    subject, object_ = row.subject.type, row.object.type
    return ("subject", subject), ("object", object_), ("pair", f"{subject} → {object_}")
