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
    from relx.scoring.decision import Scores


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

    A submission is joined to the gold rows on id, and both must have the same ids. Figures are in
    percent, as scikit-learn computes them. Of one label a row: micro-F1, precision and recall over
    all classes but the negative one, AUPRC as the mean over all classes. Of any number of labels a
    row: micro-F1 over the labels that are true or predicted, and its sisters; a file of labels
    alone has no AUPRC, and one of probabilities alone is cut by --thresholds.

    \b
    Examples:
      relx score --gold dev.csv
      relx score --gold dev.csv --run roberta --json
      relx score --gold gold.csv --pred submission.csv
      relx score --gold dev.csv --pred submission.csv --labels label2id.json
      relx score --gold dev.jsonl --pred answers.jsonl --task target
      relx score --gold dev.jsonl --pred probs.jsonl --run emotion
    """  # noqa: D301 - click reads the backspace
    from relx.score import warn_of_collapse

    result = scored_rows(gold, **given).scores()
    warn_of_collapse(result)
    if as_json:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_tables(result, per_class)


def _print_tables(result: Scores, per_class: bool) -> None:
    from relx.scoring.printed import percent
    from relx_cli.tables import print_table

    totals = [(name, percent(value)) for name, value in result.totals()]
    print_table(("score", "percent"), totals, right={"percent"})
    click.echo()
    if per_class:
        headings, rows = result.table()
        print_table(headings, rows, right=headings[1:])
        click.echo()
    for line in result.notes():
        click.echo(line)
