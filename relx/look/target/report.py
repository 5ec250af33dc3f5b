"""The report on labels about targets: every row with its target, beside what every report says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.code_units import code_unit_span
from relx.look.page import write_page
from relx.look.report.page import WHOLE, Figures, report_context, report_facts, report_plots
from relx.progress import say
from relx.scoring.comparison import right_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from relx.score import ScoredRows
    from relx.tasks.target.rows import TargetRow

TEMPLATE = "target/report.html"


def write_report(figures: Figures, out: Path) -> None:
    """Writes the page, and beside it the folder with its plots and their numbers.

    Args:
        figures: What the report shows.
        out: The page to write.

    Raises:
        InputError: The page or its folder cannot be written.
    """
    say("drawing the plots")
    plots = report_plots(figures, [range(len(figures.rows.labels))])
    write_page(out, TEMPLATE, plots, context(figures), report_facts(figures))


def context(figures: Figures) -> dict[str, Any]:
    """Returns what the template `target/report.html` reads, but for the pictures.

    Args:
        figures: What the report shows.

    Returns:
        The names and values; texts are as they are printed.
    """
    rows = figures.rows
    own = {"groups": [], "data": page_data(rows)}
    return report_context(figures, mistakes_in_words(rows)) | own


def mistakes_in_words(rows: ScoredRows) -> str:
    """Says how many mistakes there are, and of which kinds."""
    wrong = int((~right_rows(rows.predicted, rows.gold)).sum())
    if not rows.many:
        return f"{wrong:,}"
    missing = (rows.gold_cells & ~rows.predicted_cells).any(axis=1)
    surplus = (rows.predicted_cells & ~rows.gold_cells).any(axis=1)
    alone, added = int((missing & ~surplus).sum()), int((surplus & ~missing).sum())
    both = int((missing & surplus).sum())
    return f"{wrong:,}: labels missing {alone:,}, surplus {added:,}, both {both:,}"


def page_data(rows: ScoredRows) -> dict[str, Any]:
    """Returns the rows as the page's scripts read them.

    Args:
        rows: The scored rows.

    Returns:
        `labels`, `negative` (an index or null), `groups`, `cutoffs` (a share a label; null where a
        row has one label), and `rows`: columns whose labels are indices, or lists of them, whose
        probabilities are whole numbers of 1/10,000, and whose targets are `[start, end]` in UTF-16
        code units, or null.
    """
    probabilities = rows.require_probabilities("a report")
    return {
        "labels": list(rows.labels.names),
        "negative": rows.labels.negative_index,
        "groups": [],
        "cutoffs": rows.decision.cut_at(rows.labels),
        "rows": {
            "id": [row.id for row in rows.examples],
            "sentence": [row.sentence for row in rows.examples],
            "target": [place(row) for row in rows.examples],
            "gold": indices(rows.gold),
            "predicted": indices(rows.predicted),
            "probabilities": np.rint(WHOLE * probabilities).astype(int).tolist(),
        },
    }


def place(row: TargetRow) -> list[int] | None:
    """Returns where a row's target is, in UTF-16 code units; None where there is none."""
    return None if row.target is None else list(code_unit_span(row.sentence, row.target.span))


def indices(values: npt.NDArray[Any]) -> list[Any]:
    """Returns the index of each row's label, or a list of them where a row may have several.

    Args:
        values: Classes, `(rows,)`, or cells, `(rows, labels)`.
    """
    if values.ndim == 1:
        return list(values.tolist())
    return [np.flatnonzero(row).tolist() for row in values]
