"""`relx runs`: what was made so far."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from relx.faults import visible
from relx.runs.listing import files_of, stage_json
from relx.runs.state import StageRow, list_runs
from relx_cli.options import runs_dir_option
from relx_cli.tables import print_table

FIGURES = {"micro-F1": "micro_f1", "AUPRC": "auprc", "pseudo-ppl": "pseudo_perplexity"}
HEADINGS = ("name", "stage", "status", "finished (UTC)", "minutes", *FIGURES)


@click.group(
    epilog="""\b
Example:
  relx runs list
  relx runs show roberta-base
  relx runs list --json"""
)
def runs() -> None:
    """List and show the runs made so far."""


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@runs.command("list", epilog="Example: relx runs list --runs-dir runs")
@json_option
@runs_dir_option
def list_command(as_json: bool, runs_dir: Path) -> None:
    """List every stage of every run with its state and its figures."""
    rows = list_runs(runs_dir)
    if as_json:
        click.echo(
            visible(json.dumps([stage_json(row) for row in rows], ensure_ascii=False, indent=2))
        )
    else:
        print_table(HEADINGS, (_cells(row) for row in rows), right=("minutes", *FIGURES))


@runs.command("show", epilog="Example: relx runs show roberta-base")
@click.argument("name")
@json_option
@runs_dir_option
def show_command(name: str, as_json: bool, runs_dir: Path) -> None:
    """Show a run's manifests and files, stage by stage."""
    rows = list_runs(runs_dir, name)
    if as_json:
        click.echo(
            visible(json.dumps([stage_json(row) for row in rows], ensure_ascii=False, indent=2))
        )
        return
    for row in rows:
        click.echo(visible(f"{row.folder}: {row.state}"))
        # The inputs repeat the recipe; they are in the JSON.
        manifest = row.manifest.model_dump(exclude={"inputs"}) if row.manifest else {}
        for line in _lines(manifest):
            click.echo(visible(f"  {line}"))
        click.echo("  files:")
        for file, size in files_of(row.folder).items():
            click.echo(visible(f"    {file}  {size:,} bytes"))


def _cells(row: StageRow) -> tuple[str, ...]:
    if row.manifest is None:
        return (row.name, row.stage, row.state, "", "", *("" for _ in FIGURES))
    manifest = row.manifest
    finished = (manifest.finished or "")[:16].replace("T", " ")
    figures = (manifest.results.get(key) for key in FIGURES.values())
    shown = [f"{figure:.2f}" if isinstance(figure, float | int) else "" for figure in figures]
    return (row.name, row.stage, row.state, finished, f"{manifest.seconds / 60:.1f}", *shown)


def _lines(tree: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Writes nested dictionaries as indented lines."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield f"{'  ' * depth}{key}:"
            yield from _lines(value, depth + 1)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{'  ' * depth}{key}: {text}"
