"""The options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from relx.recipe import DeviceSection, Recipe

Command = TypeVar("Command", bound=Callable[..., Any])

BACKENDS = ("tensorflow", "jax", "torch")
ENGINES = ("auto", "keras", "openvino")


def _be_quiet(context: click.Context, parameter: click.Parameter, quiet: bool) -> None:
    if quiet:
        from relx.progress import configure

        configure(quiet=True)


def quiet_option(command: Command) -> Command:
    """Adds -q/--quiet, which silences progress; the command does not see it.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "No progress, no notes; warnings, errors and results stay."
    return click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_be_quiet, help=text
    )(command)


def runs_dir_option(command: Command) -> Command:
    """Adds --runs-dir; the command receives `runs_dir: Path`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    return click.option(
        "--runs-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="The folder that holds all runs.",
    )(command)


def backend_option(command: Command) -> Command:
    """Adds --backend; the command receives `backend: str | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "What to compute with, in place of the recipe's device.backend."
    return click.option("--backend", type=click.Choice(BACKENDS), help=text)(command)


def engine_option(command: Command) -> Command:
    """Adds --engine; the command receives `engine: EngineName | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "What predicts, in place of the recipe's predict.engine."
    return click.option("--engine", type=click.Choice(ENGINES), help=text)(command)


def recipe_options(command: Command) -> Command:
    """Adds --recipe, --set, --runs-dir and -q; pass `recipe` and `settings` on to `recipe_of`.

    Args:
        command: A click command's function; it receives `recipe: str | None`,
            `settings: tuple[str, ...]` and `runs_dir: Path`.

    Returns:
        The function with the options.
    """
    command = runs_dir_option(quiet_option(command))
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as train.epochs=1; may be repeated.",
    )(command)
    return click.option(
        "-r", "--recipe", metavar="PATH", help="A recipe file, or the name of one that ships."
    )(command)


def stage_options(command: Command) -> Command:
    """Adds what both stages take: --fresh, --skip-bad-rows, --backend, besides `recipe_options`.

    Args:
        command: A click command's function; it also receives `fresh: bool`, and
            `skip_bad_rows: str | None` and `backend: str | None`, which go on to `recipe_of`.

    Returns:
        The function with the options.
    """
    command = click.option(
        "--skip-bad-rows",
        metavar="FILE",
        help="Leave out rows with faults, and write those of train.csv to FILE-train.csv.",
    )(command)
    command = click.option(
        "--fresh", is_flag=True, help="Start anew; an earlier result is kept aside."
    )(command)
    return recipe_options(backend_option(command))


def recipe_of(
    recipe: str | None,
    settings: Sequence[str],
    skip_bad_rows: str | None = None,
    backend: str | None = None,
) -> Recipe:
    """Loads the recipe that the options name.

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
    from relx.faults import Fault, InputError, nearest
    from relx.recipe import load_recipe
    from relx_cli.recipes import shipped

    step = "relx recipes list shows what ships; relx recipes copy NAME gives you one to edit"
    if recipe is None:
        raise InputError(Fault("no recipe was named", "--recipe", next_step=step))
    if skip_bad_rows is not None:
        settings = [*settings, f"data.skip_bad_rows={json.dumps(skip_bad_rows)}"]
    if backend is not None:
        settings = [*settings, f"device.backend={backend}"]
    path, ships = Path(recipe), shipped()
    if path.is_file() or path.suffix or len(path.parts) != 1:
        return load_recipe(path, settings)
    if recipe not in ships:
        guess = nearest(recipe, ships)
        step = f"did you mean {guess}?" if guess else step
        what = "no such file, and no recipe of this name ships"
        raise InputError(Fault(what, "--recipe", recipe, ", ".join(ships), step))
    return load_recipe(ships[recipe], settings)


def device_of(runs_dir: Path, run_name: str | None, backend: str | None) -> DeviceSection | None:
    """Returns what a run is to be read with on another backend.

    Args:
        runs_dir: The folder of all runs.
        run_name: The run's name; None for the latest finished one.
        backend: What to compute with.

    Returns:
        A section with the backend and the run's precision, and the devices that there are; None
        without a backend, which leaves it to the run.

    Raises:
        InputError: There is no such run, or none is finished.
    """
    if backend is None:
        return None
    from relx.recipe import DeviceSection, recipe_from_tree
    from relx.runs import find_run, read_manifest

    recipe = recipe_from_tree(read_manifest(find_run(runs_dir, run_name)).recipe)
    return DeviceSection.model_validate({"backend": backend, "precision": recipe.device.precision})
