"""`relx study`: a recipe with and without options, over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx.faults import visible
from relx_cli.options import draws_option, quiet_option, runs_dir_option, unverified_option

if TYPE_CHECKING:
    from relx.study.table import OptionRow


@click.group(
    epilog="""\b
Example:
  relx study list study.yaml
  relx study run study.yaml
  relx study show study.yaml --out study.html
  relx study slurm study.yaml --out job.sh --option --gres=gpu:1

\b
A study file:
  name: markers
  recipe: roberta-base
  seeds: [1, 2, 3]
  gold: held-out.csv
  options:
    query: {set: {markers.query: "{subject}"}}
    adapted: {tapt: true}
    five-folds: {folds: all, set: {data.folds: 5}}"""
)
def study() -> None:
    """Try options of a recipe at several seeds, and see what each changes and costs."""


study_file = click.argument("file", type=click.Path(path_type=Path))


@study.command("list", epilog="Example: relx study list study.yaml")
@study_file
@runs_dir_option
@quiet_option
def list_command(file: Path, runs_dir: Path) -> None:
    """List the cells of a study: each option at each seed, and whether it is done."""
    from relx.study.plan import read_study
    from relx.study.results import kept_result
    from relx_cli.tables import print_table

    plan = read_study(file)
    found = [kept_result(plan.folder(runs_dir), cell) for cell in plan.cells]
    rows = [
        (str(place), cell.option, str(cell.seed), cell.recipe.name, "" if done is None else "done")
        for place, (cell, done) in enumerate(zip(plan.cells, found, strict=True))
    ]
    print_table(("cell", "option", "seed", "run", "state"), rows, right={"cell", "seed"})


@study.command("run", epilog="Example: relx study run study.yaml --cells 0,3")
@study_file
@click.option("--cells", metavar="N,N…", help="These cells alone, by their numbers.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Cells at a time."
)
@runs_dir_option
@unverified_option
@quiet_option
def run_command(file: Path, cells: str | None, jobs: int, runs_dir: Path) -> None:
    """Compute a study's cells, each in a process of its own; one alone in this process.

    Cells that are done are not computed again, and a study that was stopped carries on with the
    same command. What a cell says is in RUNS/NAME.study/logs.
    """
    from relx.study.plan import chosen_cells, read_study

    plan = read_study(file)
    chosen = chosen_cells(plan, cells)
    if len(chosen) == 1:
        from relx.study.cell import run_cell
        from tapt.pretrain import adapted_origin, pretrain

        run_cell(plan, chosen[0], runs_dir, pretrain, adapted_origin)
        return
    from relx.study.processes import run_cells

    run_cells(plan, chosen, runs_dir, jobs)
    click.echo(f"relx study show {file} shows what came out")


@study.command("show", epilog="Example: relx study show study.yaml --out study.html")
@study_file
@click.option("--out", type=click.Path(path_type=Path), help="Write a page with the intervals.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@draws_option
@runs_dir_option
@quiet_option
def show_command(file: Path, out: Path | None, as_json: bool, draws: int, runs_dir: Path) -> None:
    """Show what each option changes: paired by seed, with its standard error and interval.

    Options are compared with the recipe without them at the same seeds. The interval is of draws of
    seeds and rows. Of fewer than three seeds nothing is claimed.
    """
    if out is not None:
        from relx.look.extra import require_look

        require_look("relx study show --out")
        from relx.look.page import require_place

        require_place(out, [file])
    from relx.study.plan import read_study
    from relx.study.table import study_table

    table = study_table(read_study(file), runs_dir, draws)
    if out is not None:
        from relx.look.study import write_study

        write_study(table, out)
    if as_json:
        click.echo(visible(json.dumps(table.to_json(), ensure_ascii=False, indent=2)))
        return
    from relx_cli.tables import print_table

    headings = (
        *("option", "seeds", "micro-F1", "difference", "std. error", "95 % interval"),
        *("AUPRC", "difference of AUPRC", "time", "says"),
    )
    rows = [_cells(row) for row in table.rows]
    print_table(headings, rows, right=headings[1:-1])
    click.echo(f"\n{table.count:,} rows of {visible(table.gold)}; ", nl=False)
    click.echo(f"{table.done} of {table.cells} cells are done; {table.draws:,} draws")
    if out is not None:
        click.echo(f"{out} is written")


def _cells(row: OptionRow) -> tuple[str, ...]:
    from relx.study.table import printed_effect

    f1, auprc = (
        printed_effect(row.effects[name]) if name in row.effects else {}
        for name in ("micro_f1", "auprc")
    )
    scores = [f"{row.scores[name]:.2f}" for name in ("micro_f1", "auprc")]
    found = [f1.get(name, "") for name in ("value", "error", "interval")]
    own = (row.option, str(len(row.seeds)), scores[0], *found)
    return (*own, scores[1], auprc.get("value", ""), f"{row.cost:.2f} ×", row.verdict)


@study.command("slurm", epilog="Example: relx study slurm study.yaml --option --gres=gpu:1")
@study_file
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("study.sh"),
    show_default=True,
    help="The script for sbatch.",
)
@click.option("--option", "options", multiple=True, help="An option of sbatch; may be repeated.")
@click.option("--at-once", type=click.IntRange(1), help="The most tasks that run at a time.")
@runs_dir_option
@quiet_option
def slurm_command(
    file: Path, out: Path, options: tuple[str, ...], at_once: int | None, runs_dir: Path
) -> None:
    """Write a study as a job array for SLURM: a task a cell, carried on where it is cut."""
    from relx.files import require_place
    from relx.study.plan import read_study
    from relx.study.slurm import write_job_array

    require_place(out, "--out", [file])
    plan = read_study(file)
    write_job_array(plan, runs_dir, out, options, at_once)
    click.echo(f"{out} is written: sbatch {out} begins {len(plan.cells)} tasks")
