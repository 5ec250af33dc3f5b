"""relx score: micro-F1 and AUPRC of a submission or of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx_cli.options import backend_option, device_of, quiet_option, runs_dir_option

if TYPE_CHECKING:
    from relx.metrics import Scores


@click.command(short_help="Score a run or a submission against labelled rows.")
@click.option("--gold", type=click.Path(path_type=Path), required=True, help="The labelled rows.")
@click.option("--pred", type=click.Path(path_type=Path), help="Score this submission.")
@click.option("--run", "run_name", help="Score this run.  [default: the latest finished one]")
@click.option("--labels", help="With --pred: klue, or a label file.  [default: klue]")
@click.option(
    "--negative",
    help="With --pred: the label that micro-F1 leaves out; '' for none.  [default: no_relation]",
)
@click.option(
    "--ends",
    type=click.Choice(["inclusive", "exclusive"]),
    help="Whether an entity's end index is its last character.  [default: inclusive, or the run's]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option("--per-class/--no-per-class", default=True, show_default=True, help="A row a class.")
@backend_option
@runs_dir_option
@quiet_option
def score(
    gold: Path,
    pred: Path | None,
    run_name: str | None,
    labels: str | None,
    negative: str | None,
    ends: str | None,
    as_json: bool,
    per_class: bool,
    backend: str | None,
    runs_dir: Path,
) -> None:
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
    if backend is not None and pred is not None:
        raise click.UsageError("--backend computes with a run; a submission is computed already.")
    if run_name is None and pred is not None:
        result = _score_file(pred, gold, labels, negative, ends)
    else:
        if labels is not None or negative is not None:
            raise click.UsageError("--labels and --negative go with --pred; a run has its own.")
        result = _score_with_run(runs_dir, run_name, backend, pred, gold, ends)
    if result.collapsed:
        from relx.progress import warn

        (name,) = (name for name, figures in result.classes.items() if figures.predicted)
        warn(f"every one of the {result.rows} rows was predicted to be {name}: a collapsed model")
    if as_json:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_tables(result, per_class)


def _score_file(
    pred: Path, gold: Path, labels: str | None, negative: str | None, ends: str | None
) -> Scores:
    from relx.labels import read_labels
    from relx.recipe import DataSection
    from relx.score import score_submission

    data = DataSection.model_validate(
        {
            "labels": labels or "klue",
            "negative": "no_relation" if negative is None else negative or None,
            "ends": ends or "inclusive",
        }
    )
    return score_submission(pred, gold, data, read_labels(data))


def _score_with_run(
    runs_dir: Path,
    run_name: str | None,
    backend: str | None,
    pred: Path | None,
    gold: Path,
    ends: str | None,
) -> Scores:
    from relx.predict import open_run
    from relx.score import score_run, score_submission

    run = open_run(runs_dir, run_name, device_of(runs_dir, run_name, backend))
    data = run.data if ends is None else run.data.model_copy(update={"ends": ends})
    if pred is not None:
        return score_submission(pred, gold, data, run.labels)
    return score_run(run, gold, data)


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
        click.echo(f"{absent} classes have no gold rows: by definition each counts 50 in AUPRC")


def _class_rows(result: Scores) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, row in result.classes.items():
        figures = (f"{value:.2f}" for value in (row.precision, row.recall, row.f1, row.auprc))
        rows.append((name, *figures, str(row.support), str(row.predicted)))
    return rows
