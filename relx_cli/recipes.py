"""`relx recipes`: the recipes that ship, to look at and to copy."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import click

from relx.faults import Fault, InputError, nearest
from relx.files import write_text
from relx.recipe import FreshSource
from relx.recipe_file import load_recipe
from relx_cli.tables import print_table


def shipped() -> dict[str, Path]:
    """Finds the recipes that ship.

    Returns:
        Their files by name, in the order of their names.
    """
    folder = Path(str(importlib.resources.files("recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


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
    """List the recipes that ship: name, encoder, and what each is for."""
    rows = []
    for name, path in shipped().items():
        source = load_recipe(path).encoder.source
        encoder = "fresh" if isinstance(source, FreshSource) else source
        rows.append((name, encoder, _purpose(path)))
    print_table(("name", "encoder", "what for"), rows)


@recipes.command("show", epilog="Example: relx recipes show demo")
@click.argument("name")
def show_recipe(name: str) -> None:
    """Print a recipe that ships, as it stands in its file."""
    click.echo(_file_of(name).read_text(encoding="utf-8"), nl=False)


@recipes.command("copy", epilog="Example: relx recipes copy roberta-base my.yaml")
@click.argument("name")
@click.argument("to", required=False, type=click.Path(path_type=Path))
def copy_recipe(name: str, to: Path | None) -> None:
    """Copy a recipe that ships to the file TO (NAME.yaml), for you to edit."""
    source = _file_of(name)
    target = to or Path(source.name)
    target = target / source.name if target.is_dir() else target
    if target.exists():
        step = f"relx recipes copy {name} ANOTHER.yaml, or remove this file first"
        raise InputError(Fault("there is a file here already", str(target), next_step=step))
    write_text(target, source.read_text(encoding="utf-8"))
    click.echo(f"wrote {target}; edit it, then: relx train --recipe {target}")


def _file_of(name: str) -> Path:
    """Finds the file of a recipe that ships."""
    known = shipped()
    if name not in known:
        guess = nearest(name, known)
        step = f"did you mean {guess}?" if guess else ""
        raise InputError(Fault("no recipe of this name ships", "", name, ", ".join(known), step))
    return known[name]


def _purpose(path: Path) -> str:
    """Returns the first line of a recipe's opening comment."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
