"""relx validate: every fault of the data, before anything is computed with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx.faults import visible
from relx_cli.options import recipe_options

if TYPE_CHECKING:
    from relx.data.tokenizing.coverage import Coverage
    from relx.validate import Report

SHOWN_FAULTS = 50


@click.command(short_help="Check data and list every fault in it.")
@recipe_options
@click.option("--data", type=click.Path(path_type=Path), help="Check this file alone.")
@click.option("--task", help="With --data: the task of its rows.  [default: relation]")
@click.option(
    "--labels", help="With --data: klue, from-train, or a label file.  [default: the task's]"
)
@click.option(
    "--negative",
    help="With --data: the label that means nothing was found; '' for none.  [default: the task's]",
)
@click.option(
    "--ends",
    type=click.Choice(["inclusive", "exclusive"]),
    help="With --data: whether a span's end is its last character.  [default: the task's]",
)
@click.option(
    "--encoding",
    type=click.Choice(["auto", "utf-8", "cp949"]),
    help="With --data: the file's encoding.  [default: auto]",
)
@click.option("--sheet", help="With --data: the sheet of an Excel workbook.  [default: the first]")
@click.option(
    "--skip-bad-rows",
    "skipped",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the rows with faults to this CSV, and succeed if nothing else is wrong.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Print more than {SHOWN_FAULTS} faults.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def validate(
    recipe: str | None,
    settings: tuple[str, ...],
    data: Path | None,
    skipped: Path | None,
    show_all: bool,
    as_json: bool,
    **reading: str | None,
) -> None:
    """Check the files of a recipe, or one file, and list every fault in them.

    Faults are named by file, line, id and column, and counted by kind. Warnings name what can be
    used but looks wrong: duplicate rows, one pair of entities with two labels, sentences shared by
    train and test, texts that the window cuts, labels without examples. Nothing is repaired and
    nothing is dropped. The exit status is 2 when there is a fault, else 0.

    \b
    Examples:
      relx validate --recipe recipes/roberta.yaml
      relx validate --recipe recipes/roberta.yaml --set data.train=my.csv --json
      relx validate --data my.csv --labels label2id.json --ends exclusive
      relx validate --data my.csv --skip-bad-rows bad.csv
    """  # noqa: D301 - click reads the backspace
    given = {
        name: value
        for name, value in reading.items()
        if value or (name == "negative" and value is not None)
    }
    if data is None and given:
        names = ", ".join(f"--{name}" for name in given)
        raise click.UsageError(f"{names} goes with --data; a recipe has it in its data section.")
    if "task" in given and (recipe is not None or settings):
        raise click.UsageError("--task goes with --data alone; a recipe names its task.")
    report = _report(recipe, settings, data, given)
    if skipped is not None:
        _write_skipped(report, skipped)
    faults = report.faults if skipped is None else report.file_faults
    if as_json:
        click.echo(visible(json.dumps(report.to_json(), ensure_ascii=False, indent=2)))
    else:
        _print(report, len(report.faults) if show_all else SHOWN_FAULTS)
    click.get_current_context().exit(2 if faults else 0)


def _report(
    recipe: str | None, settings: tuple[str, ...], data: Path | None, given: dict[str, str]
) -> Report:
    from relx.known_tasks import USUAL
    from relx.recipe import DataSection
    from relx.shipped import chosen_recipe
    from relx.tasks.task import usual_section
    from relx.validate import validate, validate_file

    if data is None:
        return validate(chosen_recipe(recipe, settings))
    task = given.pop("task", USUAL)
    values = {name: value or None for name, value in given.items()}  # '' is no negative label
    if recipe is None and not settings:
        section = usual_section(task, "data", DataSection).changed(train=str(data), **values)
        return validate_file(data, section, task_name=task)
    read = chosen_recipe(recipe, settings)
    # Labels that are those of the training file are not the ones that this file happens to show.
    train = read.data.train if Path(read.data.train).is_file() else str(data)
    return validate_file(data, read.data.changed(train=train, **values), read)


def _write_skipped(report: Report, path: Path) -> None:
    from relx.data.rows.bad_rows import write_bad_rows
    from relx.progress import say

    if report.bad_rows:
        write_bad_rows(path, report.bad_rows)
        say(f"{len(report.bad_rows)} rows with faults written to {path}")
    else:
        say(f"no row has a fault; {path} was not written")


def _print(report: Report, most: int) -> None:
    from relx_cli.tables import counted

    mark = click.style("fault:", fg="red", bold=True)
    for fault in report.faults[:most]:
        click.echo(f"{mark} {fault}")
    if len(report.faults) > most:
        click.echo(f"and {len(report.faults) - most} more faults; --all prints them")
    _print_kinds(report)
    mark = click.style("warning:", fg="yellow")
    for finding in report.findings:
        more = finding.places and finding.count > len(finding.places)
        places = [*finding.places, *(["…"] if more else [])]
        lines = [", ".join(places)] if finding.kind == "labels without examples" else places
        click.echo("\n  ".join([f"{mark} {visible(finding.message)}", *map(visible, lines)]))
    for check in report.left_out:
        click.echo(f"not checked: {visible(check)}")
    _print_counts(report)
    count = sum(file.rows for file in report.files)
    faults, warnings = len(report.faults), len(report.findings)
    kinds = counted(warnings, "kind of warning", "kinds of warnings")
    click.echo(f"{counted(count, 'row')}, {counted(faults, 'fault')}, {kinds}")


def _print_kinds(report: Report) -> None:
    from relx_cli.tables import print_table

    if report.faults:
        click.echo()
        rows = [(kind, str(count)) for kind, count in report.kinds.most_common()]
        print_table(["kind of fault", "count"], rows, right=["count"])
        click.echo()


def _unknown(coverage: Coverage | None) -> str:
    from relx.data.tokenizing.coverage import percent

    return "not counted" if coverage is None else percent(coverage.lost, coverage.tokens)


def _print_counts(report: Report) -> None:
    """Prints the rows of each file and of each label."""
    from relx_cli.tables import print_table

    click.echo()
    rows = [
        (file.role, file.path, str(file.rows), str(file.bad_rows), _unknown(file.coverage))
        for file in report.files
    ]
    numbers = ["rows", "bad rows", "unknown tokens"]
    print_table(["file", "path", *numbers], rows, right=numbers)
    click.echo()
    labelled = [file for file in report.files if set(file.labels) - {""}]
    names = [*(report.labels.names if report.labels else ()), ""]
    roles = [file.role for file in labelled]
    counts = [[name, *(str(file.labels.get(name, 0)) for file in labelled)] for name in names]
    shown = [row for row in counts if row[0] or set(row[1:]) - {"0"}]
    if labelled:
        print_table(
            ["label", *roles], [[row[0] or "(none)", *row[1:]] for row in shown], right=roles
        )
        click.echo()
