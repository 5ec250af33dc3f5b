"""The report on relations: every row with its two entities, beside what every report says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.code_units import code_unit_span
from relx.look.page import write_page
from relx.look.relation.label_groups import label_groups
from relx.look.report.page import WHOLE, Figures, report_context, report_facts, report_plots
from relx.progress import say

if TYPE_CHECKING:
    from relx.score import ScoredRows
    from relx.tasks.relation.entities import Entity
    from relx.tasks.relation.rows import Example


def write_report(figures: Figures, out: Path) -> None:
    """Writes the page, and beside it the folder with its plots and their numbers.

    Args:
        figures: What the report shows.
        out: The page to write.

    Raises:
        InputError: The page or its folder cannot be written.
    """
    say("drawing the plots")
    plots = report_plots(figures, [group.labels for group in label_groups(figures.rows.labels)])
    write_page(out, "relation/report.html", plots, context(figures), report_facts(figures))


def context(figures: Figures) -> dict[str, Any]:
    """Returns what the template `relation/report.html` reads, but for the pictures.

    Args:
        figures: What the report shows.

    Returns:
        The names and values; texts are as they are printed.
    """
    rows = figures.rows
    own = {"groups": _groups(rows), "data": page_data(rows)}
    return report_context(figures, _mistakes(rows)) | own


def _mistakes(rows: ScoredRows) -> str:
    wrong = rows.gold != rows.predicted
    total = f"{wrong.sum():,}"
    negative = rows.labels.negative_index
    if negative is None:
        return total
    missed = (wrong & (rows.predicted == negative)).sum()
    invented = (wrong & (rows.gold == negative)).sum()
    other = wrong.sum() - missed - invented
    kinds = f"false positives {invented:,}, false negatives {missed:,}, wrong relation {other:,}"
    return f"{total}: {kinds}"


def _groups(rows: ScoredRows) -> list[dict[str, Any]]:
    return [{"name": g.name, "labels": list(g.labels)} for g in label_groups(rows.labels)]


def page_data(rows: ScoredRows) -> dict[str, Any]:
    """Returns the rows as the page's scripts read them.

    Args:
        rows: The scored rows.

    Returns:
        `labels`, `negative` (an index or null), `groups`, `types`, `sources`, and `rows`: columns
        whose labels, types and sources are indices, whose probabilities are whole numbers of
        1/10,000, and whose entities are `[start, end, type]` in UTF-16 code units.
    """
    examples, probabilities = rows.examples, rows.require_probabilities("a report")
    entities = [entity for row in examples for entity in (row.subject, row.object)]
    types = {name: i for i, name in enumerate(sorted({entity.type for entity in entities}))}
    sources = {name: i for i, name in enumerate(sorted({row.source for row in examples}))}
    return {
        "labels": list(rows.labels.names),
        "negative": rows.labels.negative_index,
        "groups": _groups(rows),
        "types": list(types),
        "sources": list(sources),
        "rows": {
            "id": [row.id for row in examples],
            "sentence": [row.sentence for row in examples],
            "subject": [_place(row, row.subject, types) for row in examples],
            "object": [_place(row, row.object, types) for row in examples],
            "gold": rows.gold.tolist(),
            "predicted": rows.predicted.tolist(),
            "source": [sources[row.source] for row in examples],
            "probabilities": np.rint(WHOLE * probabilities).astype(int).tolist(),
        },
    }


def _place(row: Example, entity: Entity, types: Mapping[str, int]) -> list[int]:
    return [*code_unit_span(row.sentence, entity.span), types[entity.type]]
