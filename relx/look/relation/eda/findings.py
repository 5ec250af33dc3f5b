"""What there is to say about relations: what there is of any task, and the types of entities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.look.eda import findings
from relx.look.eda.corpus import Corpus
from relx.look.eda.findings import Findings
from relx.look.relation.eda.entity_types import TypeTable, type_table
from relx.look.relation.eda.file_facts import KindFacts, count_kinds
from relx.tasks.relation.rows import Example


@dataclass(frozen=True, slots=True)
class RelationFindings:
    """Everything that the page is made of.

    Args:
        common: What there is of any task.
        types: The entity types of train by label.
        kinds: Types and sources of each file.
    """

    common: Findings[Example]
    types: TypeTable
    kinds: dict[str, KindFacts]


def examine(data: Corpus[Example], cache: Path | None = None) -> RelationFindings:
    """Counts everything that the page shows.

    Args:
        data: The rows.
        cache: Where the words found are kept; None keeps none.

    Returns:
        What was found.
    """
    common = findings.examine(data, cache)
    return RelationFindings(
        common,
        type_table(data.train, common.labels),
        {role: count_kinds(rows) for role, rows in data.files.items()},
    )


def facts(found: RelationFindings) -> dict[str, Any]:
    """Returns the figures of the page for programs.

    Args:
        found: What was found.

    Returns:
        What `json.dumps` takes: what any task has, and `types`.
    """
    figures = findings.facts(found.common)
    for role, own in figures["files"].items():
        own["sentences_with_several_pairs"] = own.pop("sentences_in_several_rows")
        own |= found.kinds[role].to_json()
    types = found.types
    counts = zip(types.labels, types.counts.tolist(), strict=True)
    names = [": ".join(column) for column in types.columns]
    figures["types"] = {label: dict(zip(names, row, strict=True)) for label, row in counts}
    return figures
