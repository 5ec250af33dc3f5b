"""What every report says of a run or a submission, whatever its task: scores, plots, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relx.look.plots import Plot
from relx.look.report.calibration import Calibration, calibration_of, calibration_plots
from relx.look.report.class_curves import (
    ClassCurve,
    class_curves,
    curve_drawings,
    curves_plot,
    shown_cutoff,
)
from relx.look.report.class_plots import classes_plot, confusion_plot
from relx.look.report.missing_surplus import mistakes_plot
from relx.look.report.run_facts import run_facts
from relx.look.report.thresholds import threshold_plot
from relx.scoring.comparison import right_rows
from relx.scoring.intervals import Interval, Intervals, bootstrap

if TYPE_CHECKING:
    from relx.runs.manifest import Manifest
    from relx.score import ScoredRows
    from relx.scoring.decisions.decision import LabelFigures, Scores

WHOLE = 10_000  # what a probability of 1 is in a page's data

# What the mistakes are between, by whether a row may have any number of labels.
MATRICES = {
    False: {
        "picture": "confusion",
        "title": "Confusion matrix",
        "note": "Rows are gold labels, columns predicted ones. Press a cell to list its rows.",
    },
    True: {
        "picture": "mistakes",
        "title": "Missing and surplus labels",
        "note": "Rows are labels that are missing, columns those that are surplus: a cell counts "
        "the rows in which both are so. Press a cell to list its rows.",
    },
}
NOTES = {
    "micro_f1": "over the cells of all labels together",
    "macro_f1": "the mean of the labels' F1",
    "auprc": "the mean of the labels that gold rows have",
    "precision": "micro: of the labels that were given",
    "recall": "micro: of the labels that there are",
    "accuracy": "rows whose labels are all right",
}


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _count(value: float) -> str:
    return f"{value:,}"


# Of labels that a row may have any number of: name, heading, hint, and how a value is printed; then
# what the browser shows at a press on it.
MORE_COLUMNS = (
    ("auroc", "AUROC", "Area under the ROC curve", _percent, ""),
    (
        "brier",
        "Brier",
        "Mean squared error of the probabilities: 0 is the best",
        "{:.4f}".format,
        "",
    ),
    ("ece", "ECE", "Expected calibration error, percent", _percent, ""),
    ("tp", "TP", "Rows that have the label and were given it", _count, ""),
    ("fp", "FP", "Surplus: rows that were given the label and have it not", _count, "surplus"),
    ("fn", "FN", "Missing: rows that have the label and were not given it", _count, "missing"),
    ("cutoff", "Cut-off", "The probability from which on the label is given", shown_cutoff, ""),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures that a report shows of its rows.

    Args:
        rows: The rows and what was predicted for them.
        scores: Their scores.
        intervals: The scores' intervals.
        draws: How many draws the intervals are from.
        curves: Each class's precision-recall curve, in label order.
        calibration: Of the predicted labels' probabilities, or of all labels'.
    """

    rows: ScoredRows
    scores: Scores
    intervals: Intervals
    draws: int
    curves: list[ClassCurve]
    calibration: Calibration


def figures_of(rows: ScoredRows, draws: int = 1000) -> Figures:
    """Computes the figures that a report shows.

    Args:
        rows: The scored rows.
        draws: How many draws the intervals are from.

    Returns:
        The figures.

    Raises:
        InputError: The rows have no probabilities.
    """
    rows.require_probabilities("a report")
    scores = rows.scores()
    intervals = bootstrap(rows, draws)
    return Figures(rows, scores, intervals, draws, class_curves(rows, scores), calibration_of(rows))


def report_plots(figures: Figures, groups: Sequence[Sequence[int]]) -> list[Plot]:
    """Draws every plot of a report.

    Args:
        figures: What the report shows.
        groups: The indices of labels that belong together; every label is in one group.

    Returns:
        The plots; those of learning are left out where no run is known.
    """
    from relx.look.report.learning import learning_plots

    rows, found = figures.rows, figures.rows.found
    return [
        *([] if found is None else learning_plots(found)),
        mistakes_plot(rows) if rows.many else confusion_plot(rows, groups),
        classes_plot(figures.scores, figures.intervals.classes),
        curves_plot(figures.curves),
        *([threshold_plot(rows)] if rows.decision.takes_cutoffs else []),
        *calibration_plots(figures.calibration),
    ]


def report_context(figures: Figures, mistakes: str) -> dict[str, Any]:
    """Returns what the template `report.html` reads, but for the pictures and the rows.

    Args:
        figures: What the report shows.
        mistakes: How many mistakes of which kinds there are, in words.

    Returns:
        The names and values; texts are as they are printed.
    """
    from markupsafe import Markup

    scores, rows = figures.scores, figures.rows
    drawings = curve_drawings(figures.curves)
    return {
        "title": f"relx report: {rows.name}",
        "lead": _lead(figures),
        "facts": _printed_facts(figures, mistakes),
        "scores": _score_cards(figures),
        "many": rows.many,
        "matrix": MATRICES[rows.many],
        "more_columns": [column[:3] for column in MORE_COLUMNS] if rows.many else [],
        "classes": _class_rows(figures),
        "curves": [
            {
                "label": curve.label,
                "svg": Markup(drawing),
                "auprc": curve.figures.auprc,
                "support": curve.figures.support,
                "cutoff": None if curve.cutoff is None else shown_cutoff(curve.cutoff),
            }
            for curve, drawing in zip(figures.curves, drawings, strict=True)
        ],
        "calibration": printed_calibration(figures.calibration, scores),
    }


def _lead(figures: Figures) -> str:
    rows = figures.rows
    count = f"{len(rows.gold):,} row{'s' * (len(rows.gold) != 1)}"
    manifest = _manifest(rows)
    said = f"{rows.name} against the labels of {rows.gold_file}: {count}."
    return said if manifest is None else f"{said} {_caution(rows, manifest)}".rstrip()


def _caution(rows: ScoredRows, manifest: Manifest) -> str:
    """Says what these rows cannot show of the run that predicted them."""
    match seen_in_training(rows, manifest):
        case "chosen by":
            return "The run chose its epoch by these rows, so new rows may score a little lower."
        case "trained on":
            return "The run was trained on these rows: how it does on new rows they cannot show."
        case _:
            return ""


def seen_in_training(
    rows: ScoredRows, manifest: Manifest
) -> Literal["chosen by", "trained on", "no"]:
    """Tells whether the run that predicted rows had seen them in training.

    Args:
        rows: The rows.
        manifest: The run's manifest.

    Returns:
        `chosen by` where the run chose its epoch by these rows, `trained on`, or `no`.
    """
    data = manifest.recipe["data"]
    if rows.own_dev:
        return "chosen by"
    trained = Path(rows.gold_file).resolve() == Path(data["train"]).resolve()
    return "trained on" if trained else "no"


def _manifest(rows: ScoredRows) -> Manifest | None:
    return None if rows.found is None else rows.found.manifest


def _printed_facts(figures: Figures, mistakes: str) -> list[tuple[str, str]]:
    rows, scores = figures.rows, figures.scores
    told = [
        ("Predicted by", rows.name),
        ("Gold labels", rows.gold_file),
        ("Rows", f"{scores.rows:,}"),
        ("Mistakes", mistakes),
        ("Labels", f"{len(rows.labels)}, {scores.gold_classes} of them in the gold rows"),
        _chosen_by(rows),
        ("Intervals", f"95 %, {figures.draws:,} bootstrap draws of the rows"),
    ]
    return told if rows.found is None else [*told, *run_facts(rows.found, rows.fold_scores())]


def _chosen_by(rows: ScoredRows) -> tuple[str, str]:
    if rows.decision.takes_cutoffs:
        return "Cut-offs", rows.decision.described()
    return "Negative label", rows.labels.negative or "none"


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
        for name, title in figures.scores.titles.items()
        if name in intervals
    ]


def _score_notes(figures: Figures) -> dict[str, str]:
    labels, scores = figures.rows.labels, figures.scores
    if figures.rows.many:
        return NOTES
    absent = len(labels) - scores.gold_classes
    without = f" but {labels.negative}" if labels.negative else ""
    areas = f"the mean of all {len(labels)} classes"
    areas += f"; {absent} without gold rows count 50 each" if absent else ""
    micro = f"over all classes{without}"
    return dict.fromkeys(scores.titles, micro) | {"auprc": areas, "accuracy": "over all classes"}


def _class_rows(figures: Figures) -> list[dict[str, Any]]:
    names = ("precision", "recall", "f1", "auprc", "support", "predicted")
    cutoffs = {curve.label: curve.cutoff for curve in figures.curves}
    rows = []
    for label, row in figures.scores.classes.items():
        f1 = figures.intervals.classes[label]["f1"]
        values = {name: getattr(row, name) for name in names}
        more = _more_cells(row, cutoffs[label]) if figures.rows.many else ()
        values |= {"f1_low": f1.low, "f1_high": f1.high, "more": more}
        rows.append({"label": label, **values})
    return rows


def _more_cells(row: LabelFigures, cutoff: float | None) -> list[dict[str, Any]]:
    """Returns the cells of `MORE_COLUMNS`: value, text, and the rows that a press shows."""
    values = [getattr(row, name, cutoff) for name, *_ in MORE_COLUMNS]
    return [
        {"value": value, "text": "–" if value is None else shown(value), "rows": rows}
        for value, (*_, shown, rows) in zip(values, MORE_COLUMNS, strict=True)
    ]


def printed_calibration(calibration: Calibration, scores: Scores) -> dict[str, str]:
    """Says how far probabilities can be trusted, by title.

    Args:
        calibration: What was measured.
        scores: The rows' scores.

    Returns:
        The figures as they are printed.
    """
    if calibration.labels:
        return _printed_cells(calibration)
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


def _printed_cells(calibration: Calibration) -> dict[str, str]:
    """The same of the probabilities of all labels, which a row may have any number of."""
    eces = {label: bins.ece for label, bins in calibration.labels.items()}
    worst = max(eces, key=lambda label: eces[label])
    confidence, has = (100 * float(a.mean()) for a in (calibration.confidence, calibration.right))
    return {
        "Expected calibration error": f"{calibration.by_width.ece:.2f} % of all cells",
        "in bins of equal mass": f"{calibration.by_mass.ece:.2f} %",
        "Mean of the labels": f"{sum(eces.values()) / len(eces):.2f} %",
        "Worst label": f"{worst}: {eces[worst]:.2f} %",
        "Mean probability": f"{confidence:.2f} %",
        "Cells that have the label": f"{has:.2f} %",
    }


def report_facts(figures: Figures) -> dict[str, Any]:
    """Returns the report's figures for programs.

    Args:
        figures: What the report shows.

    Returns:
        What `json.dumps` takes; percentages are not rounded.
    """
    rows, intervals, calibration = figures.rows, figures.intervals, figures.calibration
    return {
        "name": rows.name,
        "gold": rows.gold_file,
        "rows": figures.scores.rows,
        "mistakes": int((~right_rows(rows.predicted, rows.gold)).sum()),
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
        "folds": {str(fold): each.figures() for fold, each in rows.fold_scores().items()},
    }


def _limits(interval: Interval) -> dict[str, float]:
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
        for name, title in figures.scores.titles.items()
        if name in intervals
    ]
