"""relx tapt: stage 1, masked-LM pretraining on the task's own sentences."""

from __future__ import annotations

from pathlib import Path

import click

from relx_cli.options import stage_options


@click.command()
@stage_options
def tapt(
    recipe: str | None,
    settings: tuple[str, ...],
    runs_dir: Path,
    fresh: bool,
    skip_bad_rows: str | None,
    backend: str | None,
) -> None:
    """Let the encoder read the train and test sentences, without their labels.

    The adapted encoder is a Hugging Face folder, runs/NAME/tapt/encoder, and `relx train` with the
    same recipe starts from it. A run that was stopped carries on with the same command.

    \b
    Examples:
      relx tapt --recipe recipes/roberta.yaml
      relx tapt --recipe recipes/roberta.yaml --set tapt.epochs=1 --set encoder.from=FOLDER
    """  # noqa: D301 - click reads the backspace
    from relx.shipped import chosen_recipe
    from tapt.pretrain import pretrain

    pretrain(chosen_recipe(recipe, settings, skip_bad_rows, backend), runs_dir, fresh)
