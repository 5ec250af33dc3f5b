"""relx fit: how much memory a training will take, before anything of it is loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from relx_cli.options import backend_option, recipe_options

if TYPE_CHECKING:
    from relx.footprint.parts import Footprint
    from relx.footprint.smaller import Proposal
    from relx.recipe import Recipe

GIB = 1 << 30


@click.command(
    short_help="Tell how much memory training will take.",
    epilog="""\b
Examples:
  relx fit --recipe my.yaml
  relx fit --recipe my.yaml --gpu 24
  relx fit --recipe my.yaml --gpu 24 --set decoder.format=nf4 --json""",
)
@recipe_options
@backend_option
@click.option(
    "--gpu",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="The memory of a GPU: say whether the training fits, and what to set if it does not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else; in bytes.")
def fit(
    recipe: str | None,
    settings: tuple[str, ...],
    backend: str | None,
    gpu: float | None,
    as_json: bool,
) -> None:
    """Tell how much memory `relx train` will take on one device.

    Of the model its config.json alone is read; no weights are fetched, and no deep-learning
    framework is started. Counted is a batch of the longest rows, its operations computed one by
    one; what the framework's own code takes comes on top. The exit status is 1 if the training does
    not fit in --gpu.
    """
    from relx.footprint.recipes import configuration_of, footprint_of
    from relx.footprint.smaller import fits, proposals
    from relx.shipped import chosen_recipe

    read = chosen_recipe(recipe, settings, backend=backend)
    configuration = configuration_of(read)
    footprint = footprint_of(read, configuration, on_gpu=gpu is not None)
    if gpu is None:
        _show(read, footprint, as_json, {})
        return
    memory = gpu * GIB
    fitting = fits(footprint.total, memory)
    found = [] if fitting else proposals(read, configuration, memory)
    tree = {
        "gpu": round(memory),
        "fits": fitting,
        "proposals": [{"set": dict(p.settings), "total": round(p.total)} for p in found],
    }
    _show(read, footprint, as_json, tree)
    if not as_json:
        _print_verdict(gpu, footprint, fitting, found)
    click.get_current_context().exit(0 if fitting else 1)


def _show(recipe: Recipe, footprint: Footprint, as_json: bool, more: dict[str, Any]) -> None:
    how = _how(recipe, on_gpu=bool(more))
    if as_json:
        click.echo(json.dumps(how | footprint.tree() | more, ensure_ascii=False, indent=2))
        return
    from relx_cli.tables import print_table

    rows = [(what, _gib(size)) for what, size in footprint.parts.items()]
    print_table(("what", "GiB"), [*rows, ("sum", _gib(footprint.total))], right={"GiB"})
    words = "{rows_at_once} rows x {length} tokens at once, {precision}, {backend}".format(**how)
    click.echo(f"{words}; most is taken {footprint.when}")


def _how(recipe: Recipe, *, on_gpu: bool) -> dict[str, Any]:
    from relx.footprint.parts import rows_at_once
    from relx.footprint.recipes import precision_of

    return {
        "recipe": recipe.name,
        "rows_at_once": rows_at_once(recipe.train.batch_size, recipe.train.accumulate),
        "length": recipe.tokens.max_length,
        "precision": precision_of(recipe, on_gpu=on_gpu),
        "backend": recipe.device.backend,
    }


def _print_verdict(gpu: float, footprint: Footprint, fitting: bool, found: list[Proposal]) -> None:
    from relx.footprint.smaller import OF_THE_DRIVER, UNCOUNTED

    mark = click.style("fits" if fitting else "does not fit", fg="green" if fitting else "red")
    room = f"{UNCOUNTED:.0%} for what is not counted and {OF_THE_DRIVER / GIB:g} GiB for the driver"
    click.echo(f"{mark} in {gpu:g} GiB, with {room}")
    if fitting:
        return
    if not found:
        click.echo("no change of batch, format, precision or recomputing makes it fit")
        return
    click.echo("it would with" if len(found) == 1 else "it would with any of these")
    for proposal in found:
        click.echo(f"  {proposal.options}  ({_gib(proposal.total)} GiB)")


def _gib(size: float) -> str:
    return f"{size / GIB:,.2f}" if size >= GIB / 100 else f"{size / GIB:,.4f}"
