"""The report on a run or a submission: its scores, its plots, and every row to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.look.page import write_page
from relx.look.plots import Plot
from relx.look.relation.class_curves import ClassCurve, class_curves, curve_drawings, curves_plot
from relx.look.relation.scored import (
    Calibration,
    calibration_of,
    classes_plot,
    confidence_plot,
    confusion_plot,
    label_groups,
    reliability_plot,
)
from relx.progress import say
from relx.scoring.intervals import SCORES, Intervals, bootstrap

if TYPE_CHECKING:
    from relx.runs.manifest import Manifest
    from relx.score import ScoredRows
    from relx.scoring.one_of import Scores
    from relx.tasks.relation.entities import Entity
    from relx.tasks.relation.rows import Example

TITLES = {
    "micro_f1": "micro-F1",
    "auprc": "AUPRC",
    "precision": "precision",
    "recall": "recall",
    "accuracy": "accuracy",
}
WHOLE = 10_000  # what a probability of 1 is in the page


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a report says of its rows.

    Args:
        rows: The rows and what was predicted for them.
        scores: Their scores.
        intervals: The scores' intervals.
        draws: How many draws the intervals are from.
        curves: Each class's precision-recall curve, in label order.
        calibration: Of the predicted labels' probabilities.
    """

    rows: ScoredRows
    scores: Scores
    intervals: Intervals
    draws: int
    curves: list[ClassCurve]
    calibration: Calibration


def figures_of(rows: ScoredRows, draws: int = 1000) -> Figures:
    """Computes all that a report says.

    Args:
        rows: The scored rows.
        draws: How many draws the intervals are from.

    Returns:
        The figures.
    """
    scores = rows.scores()
    intervals = bootstrap(rows, draws)
    return Figures(rows, scores, intervals, draws, class_curves(rows, scores), calibration_of(rows))


def write_report(figures: Figures, out: Path) -> None:
    """Writes the page, and beside it the folder with its plots and their numbers.

    Args:
        figures: What the report says.
        out: The page to write.

    Raises:
        InputError: The page or its folder cannot be written.
    """
    say("drawing the plots")
    write_page(out, "report.html", report_plots(figures), context(figures), facts(figures))


def report_plots(figures: Figures) -> list[Plot]:
    """Draws every plot of a report.

    Args:
        figures: What the report says.

    Returns:
        The plots; those of learning are left out where no run is known.
    """
    from relx.look.learning import learning_plots

    folder = figures.rows.folder
    return [
        *([] if folder is None else learning_plots(folder)),
        confusion_plot(figures.rows),
        classes_plot(figures.scores, figures.intervals.classes),
        curves_plot(figures.curves),
        reliability_plot(figures.calibration),
        confidence_plot(figures.calibration),
    ]


def context(figures: Figures) -> dict[str, Any]:
    """Returns what the template `report.html` reads, besides the pictures.

    Args:
        figures: What the report says.

    Returns:
        The names and values; texts are as they are printed.
    """
    from markupsafe import Markup

    scores, rows = figures.scores, figures.rows
    drawings = curve_drawings(figures.curves)
    return {
        "title": f"relx report: {rows.name}",
        "lead": _lead(figures),
        "facts": _printed_facts(figures),
        "scores": _score_cards(figures),
        "classes": _class_rows(figures),
        "curves": [
            {
                "label": curve.label,
                "svg": Markup(drawing),
                "auprc": curve.figures.auprc,
                "support": curve.figures.support,
            }
            for curve, drawing in zip(figures.curves, drawings, strict=True)
        ],
        "calibration": _printed_calibration(figures.calibration, scores),
        "groups": _groups(rows),
        "data": page_data(rows),
    }


def _lead(figures: Figures) -> str:
    rows = figures.rows
    count = f"{len(rows.gold):,} row{'s' * (len(rows.gold) != 1)}"
    manifest = _manifest(rows)
    said = f"{rows.name} against the labels of {rows.gold_file}: {count}."
    return said if manifest is None else f"{said} {_caution(rows, manifest)}".rstrip()


def _caution(rows: ScoredRows, manifest: Manifest) -> str:
    """Says what these rows cannot show of the run that predicted them."""
    data = manifest.recipe["data"]
    if rows.own_dev:
        return "The run chose its epoch by these rows, so new rows may score a little lower."
    if Path(rows.gold_file).resolve() == Path(data["train"]).resolve():
        return "The run was trained on these rows: how it does on new rows they cannot show."
    return ""


def _manifest(rows: ScoredRows) -> Manifest | None:
    from relx.runs.manifest import read_manifest

    return None if rows.folder is None else read_manifest(rows.folder)


def _printed_facts(figures: Figures) -> list[tuple[str, str]]:
    rows, scores = figures.rows, figures.scores
    told = [
        ("Predicted by", rows.name),
        ("Gold labels", rows.gold_file),
        ("Rows", f"{scores.rows:,}"),
        ("Mistakes", _mistakes(rows)),
        ("Labels", f"{len(rows.labels)}, {scores.gold_classes} of them in the gold rows"),
        ("Negative label", rows.labels.negative or "none"),
        ("Intervals", f"95 %, {figures.draws:,} bootstrap draws of the rows"),
    ]
    manifest = _manifest(rows)
    return told if manifest is None else [*told, *_run_facts(manifest)]


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


def _run_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Returns what a run was made from, as far as it explains its scores."""
    recipe, results = manifest.recipe, manifest.results
    source = recipe["encoder"]["from"]
    begun = " after TAPT" if manifest.inputs.get("encoder", {}).get("tapt") else ""
    epochs = f"{results.get('best_epoch', '?')} of {results.get('epochs', '?')}"
    return [
        ("Encoder", f"{source if isinstance(source, str) else 'fresh'}{begun}"),
        ("Markers", recipe["markers"]["style"]),
        ("Pooling", recipe["train"]["pooling"]),
        ("Best epoch", epochs),
        ("Seed", str(manifest.seed)),
        ("Trained", (manifest.finished or manifest.started)[:10]),
    ]


def _score_cards(figures: Figures) -> list[dict[str, str]]:
    notes = _score_notes(figures)
    intervals = figures.intervals.scores
    return [
        {
            "name": title,
            "value": f"{intervals[name].value:.2f}",
            "low": f"{intervals[name].low:.2f}",
            "high": f"{intervals[name].high:.2f}",
            "note": notes[name],
        }
        for name, title in TITLES.items()
    ]


def _score_notes(figures: Figures) -> dict[str, str]:
    labels, scores = figures.rows.labels, figures.scores
    absent = len(labels) - scores.gold_classes
    without = f" but {labels.negative}" if labels.negative else ""
    areas = f"the mean of all {len(labels)} classes"
    areas += f"; {absent} without gold rows count 50 each" if absent else ""
    micro = f"over all classes{without}"
    return dict.fromkeys(SCORES, micro) | {"auprc": areas, "accuracy": "over all classes"}


def _class_rows(figures: Figures) -> list[dict[str, Any]]:
    names = ("precision", "recall", "f1", "auprc", "support", "predicted")
    rows = []
    for label, row in figures.scores.classes.items():
        f1 = figures.intervals.classes[label]["f1"]
        values = {name: getattr(row, name) for name in names}
        rows.append({"label": label, **values, "f1_low": f1.low, "f1_high": f1.high})
    return rows


def _printed_calibration(calibration: Calibration, scores: Scores) -> dict[str, str]:
    confidence = 100 * float(calibration.confidence.mean())
    gap = confidence - scores.accuracy
    way = "over" if gap > 0 else "under"
    return {
        "Expected calibration error": f"{calibration.by_width.ece:.2f} %",
        "in bins of equal mass": f"{calibration.by_mass.ece:.2f} %",
        "Worst bin": f"{calibration.by_width.largest_gap:.2f} %",
        "Mean confidence": f"{confidence:.2f} %",
        "Right": f"{scores.accuracy:.2f} %",
        "On the whole": f"{way}confident by {abs(gap):.2f} points",
    }


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
    examples = rows.examples
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
            "probabilities": np.rint(WHOLE * rows.probabilities).astype(int).tolist(),
        },
    }


def _place(row: Example, entity: Entity, types: dict[str, int]) -> list[int]:
    start = _code_units(row.sentence[: entity.span.start])
    return [start, start + _code_units(entity.word), types[entity.type]]


def _code_units(text: str) -> int:
    """Counts a text as JavaScript does: a character beyond the first plane is two units."""
    return len(text.encode("utf-16-le")) // 2


def facts(figures: Figures) -> dict[str, Any]:
    """Returns the report's figures for programs.

    Args:
        figures: What the report says.

    Returns:
        What `json.dumps` takes; percentages are not rounded.
    """
    rows, intervals, calibration = figures.rows, figures.intervals, figures.calibration
    return {
        "name": rows.name,
        "gold": rows.gold_file,
        "rows": figures.scores.rows,
        "mistakes": int((rows.gold != rows.predicted).sum()),
        "draws": figures.draws,
        "scores": {name: _limits(interval) for name, interval in intervals.scores.items()},
        "classes": {
            label: {name: _limits(interval) for name, interval in by_name.items()}
            for label, by_name in intervals.classes.items()
        },
        "calibration": {
            "ece": calibration.by_width.ece,
            "ece_equal_mass": calibration.by_mass.ece,
            "largest_gap": calibration.by_width.largest_gap,
            "mean_confidence": 100 * float(calibration.confidence.mean()),
        },
    }


def _limits(interval: Any) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def headline(figures: Figures) -> Sequence[tuple[str, str, str]]:
    """Returns the scores as a table shows them: name, percent, 95 % interval."""
    intervals = figures.intervals.scores
    return [
        (
            title,
            f"{intervals[name].value:.2f}",
            f"{intervals[name].low:.2f} - {intervals[name].high:.2f}",
        )
        for name, title in TITLES.items()
    ]
