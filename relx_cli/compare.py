"""relx compare: runs or submissions side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx.faults import visible
from relx_cli.options import (
    answer_options,
    backend_option,
    draws_option,
    engine_option,
    quiet_option,
    runs_dir_option,
    unverified_option,
)

if TYPE_CHECKING:
    from relx.answers import AnswerOptions
    from relx.compare import ComparedPredictions, PairedComparison
    from relx.engines.engine import EngineName
    from relx.scoring.comparison import McNemar

PAGE = Path("compare.html")
LABEL_HEADINGS = ("label", "fixed", "broken", "McNemar p", "F1 difference", "95 % interval")


@click.command(short_help="Show runs or submissions side by side, as a page.")
@click.argument("names", metavar="A B [...]", nargs=-1)
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="The labelled rows.  [default: those that all the runs chose their epochs by]",
)
@click.option("--out", type=click.Path(path_type=Path), help=f"The page.  [default: {PAGE}]")
@answer_options
@draws_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; no page unless --out is given.")
@backend_option
@engine_option
@runs_dir_option
@unverified_option
@quiet_option
def compare(
    names: tuple[str, ...],
    gold: Path | None,
    out: Path | None,
    answers: AnswerOptions,
    draws: int,
    as_json: bool,
    backend: str | None,
    engine: EngineName | None,
    runs_dir: Path,
) -> None:
    """Compare runs or submissions with the first one named, on the same labelled rows.

    A name that ends in .csv, .json or .jsonl, or that a file has, is a submission; any other is a
    run. The page shows the scores with 95 % intervals of the differences (paired bootstrap),
    McNemar's test, the classes that gained and lost, every row whose labels changed, and where the
    runs' recipes differ.

    \b
    Examples:
      relx compare bert roberta
      relx compare bert roberta --gold dev.csv --out dev.html
      relx compare old.csv new.csv --gold gold.csv
      relx compare bert submission.csv --gold gold.csv --json
    """  # noqa: D301 - click reads the backspace
    if len(names) < 2:
        raise click.UsageError("Name two or more runs or submissions to compare.")
    page = None if as_json and out is None else out or PAGE
    _require_place(page, names, gold)
    _require_fitting(names, answers, backend, engine)
    from relx.compare import compare as compare_sides
    from relx.score import warn_of_collapse
    from relx.sides import open_runs, read_sides

    runs = open_runs(names, gold, runs_dir, backend, engine)
    sides = read_sides(names, gold, answers, runs)
    for side in sides:
        warn_of_collapse(side.scores())
    result = compare_sides(sides, draws)
    if page is not None:
        from relx.look.task_pages import task_page

        task_page(result.reference.task, "compare").write_comparison(result, page)
    if as_json:
        click.echo(visible(json.dumps(result.to_json(), ensure_ascii=False, indent=2)))
    else:
        _print(result)
        click.echo(f"{page} is written")


def _require_place(page: Path | None, names: Sequence[str], gold: Path | None) -> None:
    """Checks that the page can be drawn and written, before the work that leads to it."""
    if page is not None:
        from relx.look.extra import require_look

        require_look("relx compare")
        from relx.look.page import require_place

        files = [Path(name) for name in names if Path(name).is_file()]
        require_place(page, [gold, *files])


def _require_fitting(
    names: Sequence[str],
    answers: AnswerOptions,
    backend: str | None,
    engine: str | None,
) -> None:
    """Refuses options that would be without effect."""
    from relx.sides import is_submission

    submissions = sum(is_submission(name) for name in names)
    if not submissions and (answers.says_how or answers.percent or answers.order is not None):
        options = "--task, --recipe, --labels, --negative, --percent and --probs-order"
        raise click.UsageError(f"{options} go with submissions; a run has its own.")
    if submissions == len(names) and (backend or engine):
        raise click.UsageError("--backend and --engine apply to runs; these are submissions.")


def _print(result: ComparedPredictions) -> None:
    """Prints the scores and McNemar's test of each comparison."""
    from relx_cli.tables import counted, print_table

    for other in result.others:
        names = (result.reference.name, other.rows.name)
        headings = ("score", *names, "difference", "95 % interval", "p")
        print_table(headings, _score_rows(result, other), right=headings[1:])
        click.echo()
        if other.labels:
            print_table(LABEL_HEADINGS, _label_rows(other), right=LABEL_HEADINGS[1:])
            click.echo()
        click.echo(visible(_test_words(other.mcnemar, *names)))
        counts = other.changed()
        kinds = f"{counts['fixed']:,} fixed, {counts['broken']:,} broken"
        kinds += f", {counts['otherwise']:,} changed otherwise"
        click.echo(f"of {counted(len(result.reference.gold), 'row')}: {kinds}\n")


def _score_rows(result: ComparedPredictions, other: PairedComparison) -> Iterator[tuple[str, ...]]:
    before, after = result.reference.scores(), other.rows.scores()
    for name, moved in other.scores.items():
        values = (f"{getattr(side, name):.2f}" for side in (before, after))
        interval = f"{moved.low:+.2f} to {moved.high:+.2f}"
        yield (before.titles[name], *values, f"{moved.value:+.2f}", interval, f"{moved.p:.3f}")


def _label_rows(other: PairedComparison) -> Iterator[tuple[str, ...]]:
    """How often each label was put right and wrong, and whether by chance."""
    for label, test in other.labels.items():
        f1 = other.classes[label]["f1"]
        interval = f"{f1.low:+.2f} to {f1.high:+.2f}"
        counts = (f"{test.second:,}", f"{test.first:,}", f"{test.p:.3g}")
        yield (label, *counts, f"{f1.value:+.2f}", interval)


def _test_words(test: McNemar, first: str, second: str) -> str:
    words = f"McNemar ({test.test}): {test.first:,} rows right with {first} alone, "
    return f"{words}{test.second:,} with {second} alone; p = {test.p:.3g}"
