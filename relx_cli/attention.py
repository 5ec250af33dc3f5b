"""relx attention: what a run's encoder attends to in one sentence, as a page and heat maps."""

from __future__ import annotations

from pathlib import Path

import click

from relx_cli.options import (
    backend_option,
    page_option,
    quiet_option,
    runs_dir_option,
    unverified_option,
)
from relx_cli.sentence import GivenSentence, sentence_options


@click.command(short_help="Show what the model attends to, as a page.")
@sentence_options("Look at this sentence.")
@click.option("--id", "row_id", help="Look at the row with this id.")
@click.option("--gold", type=click.Path(path_type=Path), help="Labelled rows, to find --id in.")
@click.option("--test", type=click.Path(path_type=Path), help="Other rows, to find --id in.")
@click.option("--run", "run_name", help="Look into this run.  [default: the latest finished]")
@page_option("attention.html")
@click.option("--layer", type=int, help="Show and draw this layer, from 1.  [default: the mean]")
@click.option("--head", type=int, help="With --layer: this head alone, from 1.")
@click.option(
    "--special/--no-special", default=True, show_default=True, help="Show [CLS], [SEP] and so on."
)
@backend_option
@runs_dir_option
@unverified_option
@quiet_option
def attention(
    given: GivenSentence | None,
    row_id: str | None,
    gold: Path | None,
    test: Path | None,
    run_name: str | None,
    out: Path,
    layer: int | None,
    head: int | None,
    special: bool,
    backend: str | None,
    runs_dir: Path,
) -> None:
    """Show what a run's encoder attends to in a sentence.

    The sentence is read exactly as the run's model reads it, with markers, query and window. The
    page shows the mean of all heads, each layer's mean, each head, and attention rollout; next to
    it are heat maps as PNG, SVG and CSV. Without --gold or --test, a row is looked for among those
    that the run chose its epoch by, then in its test file.

    \b
    Examples:
      relx attention --id 17
      relx attention --id 17 --test test.csv --layer 3 --head 5 --out row17.html
      relx attention --sentence "이순신은 조선의 장군이다." --subject 이순신 --subject-type PER \\
                     --object 장군 --object-type POH
      relx attention --sentence "그 국밥은 정말 맛있었다." --target 국밥
    """  # noqa: D301 - click reads the backspace
    if (given is None) == (row_id is None):
        raise click.UsageError("name a sentence with --sentence, or a row with --id.")
    if given is not None and (gold is not None or test is not None):
        raise click.UsageError("--gold and --test go with --id.")
    if gold is not None and test is not None:
        raise click.UsageError("a row is in one file: name --gold or --test, not both.")
    if head is not None and layer is None:
        raise click.UsageError("--head needs --layer.")
    from relx.look.extra import require_look

    require_look("relx attention")
    from relx.attention import read_attention
    from relx.look.attention.page import find_row, require_view
    from relx.look.attention.plots import View
    from relx.look.page import require_place
    from relx.look.task_pages import task_page
    from relx.predict import open_run

    require_place(out, [gold, test])
    # With Keras: it computes the weights too.
    run = open_run(runs_dir, run_name, backend, "keras")
    made = task_page(run.recipe.task, "attention")
    view = View(layer, head, special)
    require_view(run, view)
    example = find_row(run, row_id or "", gold, test) if given is None else given.row(run)
    made.write_attention(out, read_attention(run, example, run.found.first.device(backend)), view)
    click.echo(f"{out} is written; its plots and numbers are beside it")
