"""`relx recipes`: the recipes that ship, to look at and to copy."""

from __future__ import annotations

from pathlib import Path

import click

from relx.recipe_file import load_recipe
from relx.shipped import copy_shipped, purpose, shipped, shipped_file
from relx_cli.tables import print_table


@click.group(
    epilog="""\b
Example:
  relx recipes list
  relx recipes copy roberta-base my.yaml
  relx train --recipe my.yaml"""
)
def recipes() -> None:
    """List, show and copy the recipes that ship."""


@recipes.command("list", epilog="Example: relx recipes list")
def list_recipes() -> None:
    """List the recipes that ship: name, model, and what each is for."""
    rows = []
    for name, path in shipped().items():
        source = load_recipe(path).source
        model = source if isinstance(source, str) else "fresh"
        rows.append((name, model, purpose(path)))
    print_table(("name", "model", "what for"), rows)


@recipes.command("show", epilog="Example: relx recipes show demo")
@click.argument("name")
def show_recipe(name: str) -> None:
    """Print a recipe that ships, exactly as in its file."""
    click.echo(shipped_file(name).read_text(encoding="utf-8"), nl=False)


@recipes.command("copy", epilog="Example: relx recipes copy roberta-base my.yaml")
@click.argument("name")
@click.argument("to", required=False, type=click.Path(path_type=Path))
def copy_recipe(name: str, to: Path | None) -> None:
    """Copy a recipe that ships to the file TO (NAME.yaml), for you to edit."""
    target = copy_shipped(name, to)
    click.echo(f"wrote {target}; edit it, then: relx train --recipe {target}")
