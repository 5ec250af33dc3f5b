"""The recipes that ship, and the recipe that a command was asked for."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Sequence
from pathlib import Path

from relx.faults import Fault, InputError, nearest
from relx.files import write_text
from relx.recipe import Recipe
from relx.recipe_file import LOOK, load_recipe


def shipped() -> dict[str, Path]:
    """Finds the recipes that ship.

    Returns:
        Their files by name, in the order of their names.
    """
    folder = Path(str(importlib.resources.files("recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def shipped_file(name: str) -> Path:
    """Finds the file of a recipe that ships.

    Args:
        name: The recipe's name.

    Returns:
        Its file.

    Raises:
        InputError: No recipe of this name ships; the nearest is named.
    """
    known = shipped()
    if name not in known:
        guess = nearest(name, known)
        step = f"did you mean {guess}?" if guess else ""
        raise InputError(Fault("no recipe of this name ships", "", name, ", ".join(known), step))
    return known[name]


def copy_shipped(name: str, to: Path | None) -> Path:
    """Copies a recipe that ships, for a user to edit.

    Args:
        name: The recipe's name.
        to: A file or a folder; None for NAME.yaml in the working directory.

    Returns:
        The file that was written.

    Raises:
        InputError: No recipe of this name ships, or the file exists already.
    """
    source = shipped_file(name)
    target = to or Path(source.name)
    target = target / source.name if target.is_dir() else target
    if target.exists():
        step = f"relx recipes copy {name} ANOTHER.yaml, or remove the file first"
        raise InputError(Fault("this file exists already", str(target), next_step=step))
    write_text(target, source.read_text(encoding="utf-8"))
    return target


def purpose(path: Path) -> str:
    """Returns what a recipe is for: the first line of its opening comment.

    Args:
        path: The recipe's file.
    """
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def chosen_recipe(
    recipe: str | None,
    settings: Sequence[str],
    skip_bad_rows: str | None = None,
    backend: str | None = None,
) -> Recipe:
    """Loads the recipe that a command was asked for.

    Args:
        recipe: A path, or the bare name of a recipe that ships; a file of that name goes first.
        settings: Texts of the form `train.epochs=1`.
        skip_bad_rows: Where to write rows that are left out; None leaves it to the recipe.
        backend: What to compute with; None leaves it to the recipe.

    Returns:
        The recipe.

    Raises:
        InputError: No recipe was named, there is none there, or it has faults.
    """
    if skip_bad_rows is not None:
        settings = [*settings, f"data.skip_bad_rows={json.dumps(skip_bad_rows)}"]
    if backend is not None:
        settings = [*settings, f"device.backend={backend}"]
    return load_recipe(_named_file(recipe), settings)


def _named_file(recipe: str | None) -> Path:
    """Finds the file that a path or a bare name means."""
    if recipe is None:
        raise InputError(Fault("no recipe was named", "--recipe", next_step=LOOK))
    path, ships = Path(recipe), shipped()
    if path.is_file() or path.suffix or len(path.parts) != 1:
        return path
    if recipe not in ships:
        guess = nearest(recipe, ships)
        step = f"did you mean {guess}?" if guess else LOOK
        what = "no such file, and no recipe of this name ships"
        raise InputError(Fault(what, "--recipe", recipe, ", ".join(ships), step))
    return ships[recipe]
