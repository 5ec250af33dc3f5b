"""relx eda: what is in the data, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from relx.faults import visible
from relx_cli.options import page_option, recipe_options, runs_dir_option


@click.command(short_help="Show what is in the data, as a page.")
@recipe_options
@runs_dir_option
@click.option(
    "--pred",
    type=click.Path(path_type=Path),
    help="A submission for the test file; its labels are shown beside train's.",
)
@page_option("eda.html")
def eda(
    recipe: str | None,
    settings: tuple[str, ...],
    runs_dir: Path,
    pred: Path | None,
    out: Path,
) -> None:
    """Write a page about the files of a recipe: labels, types, words, lengths, doubtful rows.

    The page is one file that needs no network. Its plots are next to it, in eda_plots for
    eda.html, as PNG, SVG and CSV, and plots.json has all figures for programs. The labels of the
    test file are never read; with --pred, those that a model predicts for it are shown beside
    train's, and the page opens with the shift between the two.

    \b
    Examples:
      relx eda --recipe recipes/roberta.yaml
      relx predict --out s.csv
      relx eda --recipe recipes/roberta.yaml --pred s.csv --out looks/eda.html
      relx eda --recipe recipes/roberta.yaml --set data.train=my.csv --set data.test=null
    """  # noqa: D301 - click reads the backspace
    from relx.look.extra import require_look

    require_look("relx eda")
    from relx.look.page import require_place
    from relx.look.task_pages import task_page
    from relx.shipped import chosen_recipe

    resolved = chosen_recipe(recipe, settings)
    page = task_page(resolved.task, "eda.page")
    files = (resolved.data.train, resolved.data.dev, resolved.data.test)
    require_place(out, [pred, *(Path(file) for file in files if file)])
    found = page.write_eda(resolved, pred, out, runs_dir)
    click.echo(visible(_headline(found["headline"])))
    click.echo(f"{out} is written; its plots and numbers are beside it")


def _headline(figures: dict[str, Any]) -> str:
    """Says in one line how frequent the headline label is."""
    percent = figures["percent"]
    line = f"{figures['label']}: {percent['train']:.1f} % of train"
    if figures["shift_points"] is None:
        return line
    shift = f"{figures['shift_points']:+.1f} percentage points"
    return f"{line}, {percent['predicted']:.1f} % of the test as predicted ({shift})"
