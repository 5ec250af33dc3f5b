"""relx predict: a submission for a file, or the relations of one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx_cli.options import backend_option, engine_option, quiet_option, runs_dir_option
from relx_cli.sentence import GivenSentence, sentence_options

if TYPE_CHECKING:
    from relx.engines.engine import EngineName

TOP = 5


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The CSV to write.")
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="The rows to predict.  [default: the run's data.test]",
)
@click.option("--run", "run_name", help="Predict with this run.  [default: the latest finished]")
@click.option("--batch-size", type=click.IntRange(1), help="Rows per batch.  [default: the run's]")
@sentence_options("Predict this sentence instead of a file.")
@backend_option
@engine_option
@runs_dir_option
@quiet_option
def predict(
    out: Path | None,
    test: Path | None,
    run_name: str | None,
    batch_size: int | None,
    given: GivenSentence | None,
    backend: str | None,
    engine: EngineName | None,
    runs_dir: Path,
) -> None:
    """Predict the test rows in the form the competition wants, or one sentence.

    The CSV has the columns id, pred_label and probs, the probabilities in the order of the labels,
    the ids in the order of the test file. A word that occurs more than once in a sentence needs
    its index; a run with typed markers needs the types.

    \b
    Examples:
      relx predict --out submission.csv
      relx predict --out submission.csv --run roberta --test data/test_data.csv
      relx predict --sentence "이순신은 조선의 장군이다." --subject 이순신 --subject-type PER \\
                   --object 장군 --object-type POH
    """  # noqa: D301 - click reads the backspace
    from relx.runs.device import device_of

    if given is not None:
        if out is not None or test is not None:
            raise click.UsageError("--sentence prints a table; --out and --test go with a file.")
        from relx.predict import open_run

        example = given.example()
        run = open_run(runs_dir, run_name, device_of(runs_dir, run_name, backend), engine)
        run.require_types(given.types)
        _print_top(run.labels.names, run.predict([example])[0])
        return
    if out is None:
        raise click.UsageError("name the CSV to write with --out, or a sentence with --sentence.")
    from relx.predict import predict_file

    device = device_of(runs_dir, run_name, backend)
    predict_file(runs_dir, run_name, test, out, batch_size, device, engine)


def _print_top(names: tuple[str, ...], probabilities: object) -> None:
    import numpy as np

    from relx_cli.tables import print_table

    values = np.asarray(probabilities)
    best = np.argsort(-values, kind="stable")[:TOP]
    rows = [(names[i], f"{100 * values[i]:.2f}") for i in best]
    print_table(("relation", "percent"), rows, right={"percent"})
