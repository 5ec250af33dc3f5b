"""relx score: micro-F1 and AUPRC of a submission or of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from relx.faults import visible
from relx_cli.options import (
    Predicted,
    predicted_options,
    quiet_option,
    scored_rows,
)

if TYPE_CHECKING:
    from relx.scoring.averages import Average, Averaged
    from relx.scoring.decisions.decision import Scores


@click.command(short_help="Score a run or a submission against labelled rows.")
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="The labelled rows.  [default: those that the run chose its epochs by]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option(
    "--per-class/--no-per-class", default=True, show_default=True, help="One row per class."
)
@click.option(
    "--average",
    type=click.Choice(("micro", "macro", "weighted")),
    help="Also print F1, precision and recall of all classes but --negative, averaged so.",
)
@click.option(
    "--direction",
    is_flag=True,
    help="With --average: X(e1,e2) and X(e2,e1) are one relation X, and wrong the wrong way round.",
)
@predicted_options
@quiet_option
def score(
    gold: Path | None,
    as_json: bool,
    per_class: bool,
    average: Average | None,
    direction: bool,
    **given: Unpack[Predicted],
) -> None:
    """Score the latest run, or a submission, against a file of labelled rows.

    Without --gold a run is scored on the rows that it chose its epochs by; one of several folds on
    all of their rows, each predicted by the fold that never trained on it.

    A submission is joined to the gold rows on id, and both must have the same ids. Figures are in
    percent, as scikit-learn computes them. Of one label a row: micro-F1, precision and recall over
    all classes but the negative one, AUPRC as the mean over all classes. Of any number of labels a
    row: micro-F1 over the labels that are true or predicted, and its sisters; a file of labels
    alone has no AUPRC, and one of probabilities alone is cut by --thresholds. Of the gold rows of a
    submission, ids and labels are all that is read.

    --average macro --direction --negative Other is the official score of SemEval-2010 task 8, and
    --average micro that of TACRED.

    \b
    Examples:
      relx score --gold dev.csv
      relx score --gold dev.csv --run roberta --json
      relx score --run roberta
      relx score --gold gold.csv --pred submission.csv
      relx score --gold dev.csv --pred submission.csv --labels label2id.json
      relx score --gold key.csv --pred answers.csv --labels from-train \\
        --negative Other --average macro --direction
      relx score --gold dev.jsonl --pred answers.jsonl --task target
      relx score --gold dev.jsonl --pred probs.jsonl --run emotion
    """  # noqa: D301 - click reads the backspace
    if direction and average is None:
        raise click.UsageError("--direction says what --average counts: name both.")
    from relx.score import warn_of_collapse
    from relx.scoring.averages import averaged

    rows = scored_rows(gold, labels_alone=True, **given)
    result, means = rows.scores(), None
    warn_of_collapse(result)
    if average is not None:
        cells = rows.gold_cells, rows.predicted_cells
        means = averaged(*cells, rows.labels, average, direction=direction)
    if as_json:
        tree = result.to_json() | ({} if means is None else {"averaged": means.to_json()})
        if folds := rows.fold_scores():
            tree["folds"] = {str(fold): scores.figures() for fold, scores in folds.items()}
        click.echo(visible(json.dumps(tree, ensure_ascii=False, indent=2)))
    else:
        _print_tables(result, means, per_class)
        _print_folds(rows.fold_scores())


def _print_folds(folds: Mapping[int, Scores]) -> None:
    """Prints what each fold is worth on its own rows, where there are several."""
    if not folds:
        return
    from relx.scoring.printed import percent
    from relx_cli.tables import print_table

    headings = ("fold", "rows", "micro-F1", "AUPRC", "accuracy")
    cells = [
        (
            str(fold),
            f"{scores.rows:,}",
            *map(percent, (scores.micro_f1, scores.auprc, scores.accuracy)),
        )
        for fold, scores in folds.items()
    ]
    click.echo()
    print_table(headings, cells, right=headings)


def _print_tables(result: Scores, means: Averaged | None, per_class: bool) -> None:
    from relx.scoring.printed import percent
    from relx_cli.tables import print_table

    totals = [(name, percent(value)) for name, value in result.totals()]
    if means is not None:
        totals = [*((name, percent(value)) for name, value in means.totals()), *totals]
    print_table(("score", "percent"), totals, right={"percent"})
    click.echo()
    if per_class:
        headings, rows = result.table()
        print_table(headings, rows, right=headings[1:])
        click.echo()
    if means is not None and means.direction and per_class:
        headings = ("relation", "precision", "recall", "F1", "gold", "predicted")
        print_table(headings, [row.cells() for row in means.classes], right=headings[1:])
        click.echo()
    for line in [*result.notes(), *([] if means is None else [means.note()])]:
        click.echo(visible(line))
