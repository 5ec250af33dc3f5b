"""relx train: stage 2, fine-tuning the relation model."""

from __future__ import annotations

from pathlib import Path

import click

from relx_cli.options import stage_options


@click.command()
@stage_options
def train(
    recipe: str | None,
    settings: tuple[str, ...],
    runs_dir: Path,
    fresh: bool,
    skip_bad_rows: str | None,
    backend: str | None,
) -> None:
    """Fine-tune the relation model, and keep the epoch that is best on dev.

    It starts from the encoder that `relx tapt` adapted where that belongs to this recipe and these
    data, and says so; train.start_from=encoder starts from the recipe's own. A run that was stopped
    carries on with the same command.

    \b
    Examples:
      relx train --recipe recipes/roberta.yaml
      relx train --recipe recipes/roberta.yaml --set data.train=my.csv --set data.labels=my.json
    """  # noqa: D301 - click reads the backspace
    from relx.shipped import chosen_recipe
    from relx.train import finetune
    from tapt.pretrain import adapted_origin

    loaded = chosen_recipe(recipe, settings, skip_bad_rows, backend)
    finetune(loaded, runs_dir, adapted_origin(loaded, runs_dir), fresh)
