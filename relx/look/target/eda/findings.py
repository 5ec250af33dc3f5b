"""What there is to say about targets: what there is of any task, and how labels go together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from relx.data.rows.row import labels_of
from relx.look.eda import findings
from relx.look.eda.corpus import Corpus, names_in
from relx.look.eda.findings import Findings
from relx.look.target.eda.target_facts import TargetFacts, target_facts
from relx.tasks.target.rows import TargetRow

MOST_TARGETS = 20  # that a table has room for
WHOLE = "(the whole sentence)"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TargetFindings:
    """Everything that the page is made of.

    Args:
        common: What there is of any task.
        targets: What each file holds of targets.
        labels_a_row: By `train`, `dev` and `predicted`: rows by their number of labels, from 0 on.
        together: Rows of train that have both of two labels, `(labels, labels)`; those that have
            one are on the diagonal. The labels are those of `common.labels`.
        frequent: The most frequent targets of train.
        by_target: Rows of train by target and label, `(targets, labels)`.
        target_rows: All rows of each of these targets, `(targets,)`.
    """

    common: Findings[TargetRow]
    targets: dict[str, TargetFacts]
    labels_a_row: dict[str, list[int]]
    together: Ints
    frequent: tuple[str, ...]
    by_target: Ints
    target_rows: Ints


def examine(data: Corpus[TargetRow], cache: Path | None = None) -> TargetFindings:
    """Counts everything that the page shows.

    Args:
        data: The rows.
        cache: Where the words found are kept; None keeps none.

    Returns:
        What was found.
    """
    common = findings.examine(data, cache)
    cells = label_cells(data.train, common.labels)  # (rows, labels)
    words = [WHOLE if row.target is None else row.target.word for row in data.train]
    counted = Counter(words).most_common(MOST_TARGETS)
    own = np.array([[word == name for word in words] for name, _ in counted], np.int64)
    own = own.reshape(len(counted), len(words))  # (targets, rows)
    return TargetFindings(
        common=common,
        targets={role: target_facts(rows) for role, rows in data.files.items()},
        labels_a_row={series: _numbers(golds) for series, golds in data.golds().items()},
        together=cells.T @ cells,
        frequent=tuple(name for name, _ in counted),
        by_target=own @ cells,
        target_rows=own.sum(axis=1),
    )


def label_cells(rows: list[TargetRow], labels: tuple[str, ...]) -> Ints:
    """Returns which labels rows have, `(rows, labels)`, 1 or 0."""
    places = {name: place for place, name in enumerate(labels)}
    cells = np.zeros((len(rows), len(labels)), np.int64)
    for number, row in enumerate(rows):
        cells[number, [places[name] for name in labels_of(row)]] = 1
    return cells


def _numbers(golds: Any) -> list[int]:
    """Counts rows by their number of labels."""
    counts = Counter(len(names_in(gold)) for gold in golds)
    return [counts[number] for number in range(max(counts, default=0) + 1)]


def facts(found: TargetFindings) -> dict[str, Any]:
    """Returns the figures of the page for programs.

    Args:
        found: What was found.

    Returns:
        What `json.dumps` takes: what any task has, and `labels_a_row`, `together`, `targets`.
    """
    figures = findings.facts(found.common)
    for role, own in figures["files"].items():
        own["targets"] = found.targets[role].to_json()
    labels = found.common.labels
    pairs = zip(labels, found.together.tolist(), strict=True)
    words = zip(found.frequent, found.by_target.tolist(), strict=True)
    return figures | {
        "labels_a_row": found.labels_a_row,
        "together": {label: dict(zip(labels, row, strict=True)) for label, row in pairs},
        "targets": {word: dict(zip(labels, row, strict=True)) for word, row in words},
    }
