"""The page of `relx compare` for relations: every row whose label changed, with its entities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.compare import ComparedPredictions
from relx.look.code_units import code_unit_span
from relx.look.compare import comparison_context, comparison_plots, predicted_probabilities
from relx.look.page import write_page
from relx.scoring.comparison import KINDS

if TYPE_CHECKING:
    from relx.tasks.relation.entities import Entity
    from relx.tasks.relation.rows import Example


def write_comparison(result: ComparedPredictions, out: Path) -> None:
    """Writes the page, and its plots and their numbers beside it.

    Args:
        result: What to show.
        out: The page.

    Raises:
        InputError: It cannot be written there.
    """
    context = comparison_context(result) | {"data": page_data(result)}
    write_page(out, "relation/compare.html", comparison_plots(result), context, result.to_json())


def page_data(result: ComparedPredictions) -> dict[str, Any]:
    """Returns the rows whose label changed with any side, as the page's script reads them.

    Args:
        result: What to show.

    Returns:
        The names, labels and kinds, and the columns of the rows: entities are `[start, end, type]`
        in UTF-16 code units, `predicted` and `probability` (1/10,000, of the predicted label) have
        a list a side, `kind` has one an other side.
    """
    kinds = np.stack([other.kinds for other in result.others])
    rows = np.flatnonzero((kinds >= 0).any(axis=0))
    examples = [result.reference.examples[row] for row in rows.tolist()]
    return {
        "names": [side.name for side in result.sides],
        "labels": list(result.reference.labels.names),
        "kinds": list(KINDS),
        "rows": {
            "id": [row.id for row in examples],
            "sentence": [row.sentence for row in examples],
            "subject": [_place(row, row.subject) for row in examples],
            "object": [_place(row, row.object) for row in examples],
            "gold": result.reference.gold[rows].tolist(),
            "predicted": [side.predicted[rows].tolist() for side in result.sides],
            "probability": [predicted_probabilities(side, rows) for side in result.sides],
            "kind": kinds[:, rows].tolist(),
        },
    }


def _place(row: Example, entity: Entity) -> list[int | str]:
    return [*code_unit_span(row.sentence, entity.span), entity.type]
