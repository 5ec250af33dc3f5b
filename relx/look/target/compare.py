"""The page of `relx compare` for targets: every row whose labels changed, with its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from relx.compare import ComparedPredictions
from relx.look.compare import comparison_context, comparison_plots, predicted_probabilities
from relx.look.page import write_page
from relx.look.target.report import indices, place
from relx.scoring.comparison import KINDS


def write_comparison(result: ComparedPredictions, out: Path) -> None:
    """Writes the page, and its plots and their numbers beside it.

    Args:
        result: What to show.
        out: The page.

    Raises:
        InputError: It cannot be written there.
    """
    context = comparison_context(result) | {"data": page_data(result)}
    write_page(out, "target/compare.html", comparison_plots(result), context, result.to_json())


def page_data(result: ComparedPredictions) -> dict[str, Any]:
    """Returns the rows whose labels changed with any side, as the page's script reads them.

    Args:
        result: What to show.

    Returns:
        The names, labels and kinds, whether a row may have `many` labels, and the columns of the
        rows: targets are `[start, end]` in UTF-16 code units or null, labels are indices or lists
        of them, `predicted` and `probability` (1/10,000; null where a side has none) have a list
        a side, `kind` has one an other side.
    """
    kinds = np.stack([other.kinds for other in result.others])
    rows = np.flatnonzero((kinds >= 0).any(axis=0))
    examples = [result.reference.examples[row] for row in rows.tolist()]
    return {
        "names": [side.name for side in result.sides],
        "labels": list(result.reference.labels.names),
        "kinds": list(KINDS),
        "many": result.reference.many,
        "rows": {
            "id": [row.id for row in examples],
            "sentence": [row.sentence for row in examples],
            "target": [place(row) for row in examples],
            "gold": indices(result.reference.gold[rows]),
            "predicted": [indices(side.predicted[rows]) for side in result.sides],
            "probability": [predicted_probabilities(side, rows) for side in result.sides],
            "kind": kinds[:, rows].tolist(),
        },
    }
