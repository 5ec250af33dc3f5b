"""relx train: stage 2, fine-tuning the relation model."""

from __future__ import annotations

from pathlib import Path

import click

from relx_cli.options import stage_options


@click.command()
@click.option(
    "--folds",
    metavar="all|0,2,…",
    help="Train these folds, each on the rows of all others.  [default: train.fold alone]",
)
@click.option(
    "--deadline",
    metavar="6h",
    help="Be done in this time: epochs and folds that would not fit are left out, aloud.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --folds: the answer file of data.test, written anew after each fold.",
)
@stage_options
def train(
    recipe: str | None,
    settings: tuple[str, ...],
    runs_dir: Path,
    fresh: bool,
    skip_bad_rows: str | None,
    backend: str | None,
    folds: str | None,
    deadline: str | None,
    out: Path | None,
) -> None:
    """Fine-tune the relation model, and keep the epoch that is best on dev.

    It starts from the encoder that `relx tapt` adapted where that belongs to this recipe and these
    data, and says so; train.start_from=encoder starts from the recipe's own. A run that was stopped
    carries on with the same command.

    With --folds, a model is trained for each of them; `relx predict` then gives the mean of their
    probabilities, and `relx score` and `relx report` the scores of all rows out of fold: each
    predicted by the model that never saw it.

    \b
    Examples:
      relx train --recipe recipes/roberta.yaml
      relx train --recipe recipes/roberta.yaml --set data.folds=5 --folds all
      relx train --recipe recipes/roberta.yaml --folds all --deadline 6h --out submission.csv
      relx train --recipe recipes/roberta.yaml --set data.train=my.csv --set data.labels=my.json
    """  # noqa: D301 - click reads the backspace
    if out is not None and folds is None:
        raise click.UsageError("--out goes with --folds; relx predict --out writes it of one.")
    from relx.dataset import read_dataset
    from relx.deadline import read_deadline
    from relx.shipped import chosen_recipe
    from relx.train import finetune
    from relx.train_folds import chosen_folds, finetune_folds, require_answers
    from tapt.pretrain import adapted_origin

    chosen = chosen_recipe(recipe, settings, skip_bad_rows, backend)
    numbers = None if folds is None else chosen_folds(folds, chosen)
    until = None if deadline is None else read_deadline(deadline)
    if out is not None:
        require_answers(chosen, out)
    dataset = read_dataset(chosen)
    origin = adapted_origin(dataset, runs_dir)
    if numbers is None:
        finetune(dataset, runs_dir, origin, fresh, until)
    else:
        finetune_folds(dataset, runs_dir, origin, numbers, fresh, until, out)
