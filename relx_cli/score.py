"""relx score: micro-F1 and AUPRC of a submission or of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from relx_cli.options import (
    Predicted,
    predicted_options,
    quiet_option,
    scored_rows,
)

if TYPE_CHECKING:
    from relx.scoring.one_of import Scores


@click.command(short_help="Score a run or a submission against labelled rows.")
@click.option("--gold", type=click.Path(path_type=Path), required=True, help="The labelled rows.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option(
    "--per-class/--no-per-class", default=True, show_default=True, help="One row per class."
)
@predicted_options
@quiet_option
def score(gold: Path, as_json: bool, per_class: bool, **given: Unpack[Predicted]) -> None:
    """Score the latest run, or a submission, against a file of labelled rows.

    A submission is joined to the gold rows on id, and both must have the same ids. All figures
    are in percent: micro-F1, precision and recall over all classes but the negative one, AUPRC
    as the mean over all classes, as scikit-learn computes them.

    \b
    Examples:
      relx score --gold dev.csv
      relx score --gold dev.csv --run roberta --json
      relx score --gold gold.csv --pred submission.csv
      relx score --gold dev.csv --pred submission.csv --labels label2id.json
    """  # noqa: D301 - click reads the backspace
    from relx.score import warn_of_collapse

    result = scored_rows(gold, **given).scores()
    warn_of_collapse(result)
    if as_json:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_tables(result, per_class)


def _print_tables(result: Scores, per_class: bool) -> None:
    from relx_cli.tables import counted, print_table

    names = ("micro-F1", "AUPRC", "accuracy", "precision", "recall")
    figures = (result.micro_f1, result.auprc, result.accuracy, result.precision, result.recall)
    totals = [(name, f"{value:.2f}") for name, value in zip(names, figures, strict=True)]
    print_table(("score", "percent"), totals, right={"percent"})
    click.echo()
    if per_class:
        headings = ("precision", "recall", "F1", "AUPRC", "gold", "predicted")
        print_table(("class", *headings), _class_rows(result), right=headings)
        click.echo()
    classes = counted(result.predicted_classes, "class", "classes")
    click.echo(f"{counted(result.rows, 'row')}; {classes} predicted")
    absent = len(result.classes) - result.gold_classes
    if absent:
        click.echo(f"{absent} classes have no gold rows: by definition each counts as 50 in AUPRC")


def _class_rows(result: Scores) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, row in result.classes.items():
        figures = (f"{value:.2f}" for value in (row.precision, row.recall, row.f1, row.auprc))
        rows.append((name, *figures, str(row.support), str(row.predicted)))
    return rows
