"""`relx study`: a recipe with and without options, over seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx.faults import visible
from relx_cli.options import draws_option, quiet_option, runs_dir_option, unverified_option

if TYPE_CHECKING:
    from relx.study.search import TrialRow
    from relx.study.table import OptionRow


@click.group(
    epilog="""\b
Example:
  relx study list study.yaml
  relx study run study.yaml
  relx study show study.yaml --out study.html
  relx study search search.yaml
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


@study.command("search", epilog="Example: relx study search search.yaml")
@study_file
@runs_dir_option
@quiet_option
def search_command(file: Path, runs_dir: Path) -> None:
    """Search values of a recipe, such as learning rates, by the dev score (Optuna's TPE).

    The same command in other processes, or on other machines that share the folder of runs, works
    on the same search: they share RUNS/NAME.search/journal.log. A trial whose curve on dev falls
    behind is ended early. A search that was stopped carries on with the same command.

    \b
    A search file:
      name: tuned
      recipe: roberta-base
      trials: 30
      space:
        train.learning_rate: {from: 1e-5, to: 1e-4, log: true}
        train.batch_size: [16, 32]
        train.epochs: {from: 2, to: 6}
    """  # noqa: D301 - click reads the backspace
    from relx.study.search import open_search, search
    from relx.study.space import read_search

    plan = read_search(file)
    search(plan, runs_dir, open_search(plan, runs_dir))
    click.echo(f"relx study trials {file} shows what came out")


@study.command("trials", epilog="Example: relx study trials search.yaml --out best.yaml")
@study_file
@click.option("--out", type=click.Path(path_type=Path), help="Write the best trial's recipe here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@runs_dir_option
@quiet_option
def trials_command(file: Path, out: Path | None, as_json: bool, runs_dir: Path) -> None:
    """List the trials of a search, the best first, and write the best one's recipe.

    The best of many trials has also been lucky with its dev rows: score it on rows that no trial
    chose an epoch by, or at other seeds with relx study run.
    """
    import dataclasses

    from relx.files import require_place, write_text
    from relx.runs.stage import RECIPE
    from relx.study.search import best_stage, open_search, trial_rows
    from relx.study.space import read_search
    from relx_cli.tables import print_table

    if out is not None:
        require_place(out, "--out", [file])
    plan = read_search(file)
    found = open_search(plan, runs_dir)
    rows = trial_rows(found)
    if as_json:
        trees = [dataclasses.asdict(row) for row in rows]
        click.echo(visible(json.dumps(trees, ensure_ascii=False, indent=2)))
    else:
        headings = ("trial", "state", "dev score", *plan.section.space)
        print_table(headings, (_trial_cells(row, headings[3:]) for row in rows), right=headings[2:])
    if out is not None:
        write_text(out, (best_stage(plan, runs_dir, found) / RECIPE).read_text(encoding="utf-8"))
        click.echo(f"{out} is written", err=as_json)


def _trial_cells(row: TrialRow, keys: Sequence[str]) -> tuple[str, ...]:
    from relx.study.search import shown

    value = "" if row.value is None else f"{row.value:.2f}"
    return (str(row.number), row.state, value, *(shown(row.values.get(key)) for key in keys))


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
