"""relx predict: an answer file, or the labels of one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from relx_cli.options import (
    backend_option,
    engine_option,
    quiet_option,
    runs_dir_option,
    unverified_option,
)
from relx_cli.sentence import GivenSentence, sentence_options

if TYPE_CHECKING:
    from relx.engines.engine import EngineName
    from relx.scoring.decisions.decision import Decision

TOP = 5


@click.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The answer file to write."
)
@click.option(
    "--probs",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the probabilities here, with the name of each label.",
)
@click.option(
    "--thresholds",
    type=click.Path(path_type=Path),
    help="The cut-offs to choose labels by.  [default: the run's]",
)
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="The rows to predict.  [default: the run's data.test]",
)
@click.option(
    "--run",
    "run_name",
    help="Predict with this run; NAME/fold-K is one of its folds.  [default: the latest]",
)
@click.option(
    "--out-of-fold",
    is_flag=True,
    help="With --probs: the labelled rows that the run chose its epochs by, by the models that "
    "never saw them.",
)
@click.option("--batch-size", type=click.IntRange(1), help="Rows per batch.  [default: the run's]")
@sentence_options("Predict this sentence instead of a file.")
@backend_option
@engine_option
@runs_dir_option
@unverified_option
@quiet_option
def predict(
    out: Path | None,
    probs: Path | None,
    thresholds: Path | None,
    test: Path | None,
    run_name: str | None,
    out_of_fold: bool,
    batch_size: int | None,
    given: GivenSentence | None,
    backend: str | None,
    engine: EngineName | None,
    runs_dir: Path,
) -> None:
    """Predict the test rows in the form the competition wants, or one sentence.

    Of relations, it is a CSV with the columns id, pred_label and probs, the probabilities in the
    order of the labels. Of labels about a target, it is the test file as JSON Lines with `output`
    filled in, by the run's cut-offs. --probs writes the probabilities by the names of the labels.
    The rows are in the order of the test file. A word that occurs more than once in a sentence
    needs its index; a run with typed markers needs the types.

    --out-of-fold writes probabilities of labelled rows that no model which predicts them has seen:
    what relx ensemble measures an answer file by, and what train.distill learns from.

    \b
    Examples:
      relx predict --out submission.csv
      relx predict --out submission.csv --run roberta --test data/test_data.csv
      relx predict --sentence "이순신은 조선의 장군이다." --subject 이순신 --subject-type PER \\
                   --object 장군 --object-type POH
      relx predict --run emotion --out answers.jsonl --probs probs.jsonl
      relx predict --run five-folds --out-of-fold --probs oof.csv
      relx predict --run emotion --sentence "국밥이 참 맛있었다." --target 국밥
    """  # noqa: D301 - click reads the backspace
    if out_of_fold:
        if probs is None or any(x is not None for x in (given, out, test, thresholds, batch_size)):
            what = "--out-of-fold goes with --probs, and chooses the rows itself."
            raise click.UsageError(what)
        from relx.predict_file import write_out_of_fold

        write_out_of_fold(runs_dir, run_name, probs, backend, engine)
        return
    if given is not None:
        if out is not None or test is not None or probs is not None:
            what = "--sentence prints a table; --out, --probs and --test go with a file."
            raise click.UsageError(what)
        from relx.predict import open_run

        run = open_run(runs_dir, run_name, backend, engine)
        row = given.row(run)
        decision = run.decision_by(thresholds)
        _print_top(run.labels.names, decision, run.predict([row]))
        return
    if out is None and probs is None:
        what = "name the answer file to write with --out, or a sentence with --sentence."
        raise click.UsageError(what)
    if thresholds is not None and out is None:
        raise click.UsageError("--thresholds chooses the labels of --out; --probs has none.")
    from relx.predict_file import predict_file

    files = {"probs": probs, "thresholds": thresholds}
    predict_file(runs_dir, run_name, test, out, batch_size, backend, engine, **files)


def _print_top(names: tuple[str, ...], decision: Decision, probabilities: Any) -> None:
    """Prints the most probable labels of one row, and which are chosen where that is not plain."""
    import numpy as np

    from relx_cli.tables import print_table

    values = probabilities[0]
    chosen = decision.cells(decision.choose(probabilities), len(names))[0]
    best = np.argsort(-values, kind="stable")
    shown = best if decision.takes_cutoffs else best[:TOP]
    rows = [(names[i], f"{100 * values[i]:.2f}") for i in shown]
    if not decision.takes_cutoffs:
        print_table(("label", "percent"), rows, right={"percent"})
        return
    marked = [(*row, "yes" if chosen[i] else "") for row, i in zip(rows, shown, strict=True)]
    print_table(("label", "percent", "chosen"), marked, right={"percent"})
