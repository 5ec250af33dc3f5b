"""relx compare: runs or submissions side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from relx_cli.options import (
    backend_option,
    device_of,
    draws_option,
    engine_option,
    quiet_option,
    runs_dir_option,
    warn_of_collapse,
)

if TYPE_CHECKING:
    from relx.compare import ComparedPredictions, PairedComparison
    from relx.data.labels import LabelList
    from relx.engines.engine import EngineName
    from relx.predict import Run
    from relx.recipe import DataSection
    from relx.score import ScoredRows
    from relx.scoring.comparison import McNemar

PAGE = Path("compare.html")
SUBMISSIONS = (".csv", ".json", ".jsonl")  # what a name ends in that is no run's


@click.command(short_help="Show runs or submissions side by side, as a page.")
@click.argument("names", metavar="A B [...]", nargs=-1)
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="The labelled rows.  [default: those that all the runs chose their epochs by]",
)
@click.option("--out", type=click.Path(path_type=Path), help=f"The page.  [default: {PAGE}]")
@click.option("--labels", help="Of submissions: klue, or a label file.  [default: the runs', klue]")
@click.option(
    "--negative",
    help="Of submissions: the label that micro-F1 leaves out; '' for none.  [default: no_relation]",
)
@click.option(
    "--ends",
    type=click.Choice(["inclusive", "exclusive"]),
    help="Whether an entity's end index is its last character.  [default: inclusive, or the run's]",
)
@draws_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; no page unless --out is given.")
@backend_option
@engine_option
@runs_dir_option
@quiet_option
def compare(
    names: tuple[str, ...],
    gold: Path | None,
    out: Path | None,
    labels: str | None,
    negative: str | None,
    ends: str | None,
    draws: int,
    as_json: bool,
    backend: str | None,
    engine: EngineName | None,
    runs_dir: Path,
) -> None:
    """Compare runs or submissions with the first one named, on the same labelled rows.

    A name that ends in .csv or is a file's is a submission, any other a run. The page shows the
    scores with 95 % intervals of the differences (paired bootstrap), McNemar's test, the classes
    that gained and lost, every row whose label changed, and in what the runs' recipes differ.

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
    data = _submissions_data(names, labels, negative, ends)
    runs = _runs(names, gold, runs_dir, backend, engine)
    sides = _sides(names, gold, data, runs, ends)
    from relx.compare import compare as compare_sides

    for side in sides:
        warn_of_collapse(side.scores())
    result = compare_sides(sides, draws)
    if page is not None:
        from relx.look.relation.compare import write_comparison

        write_comparison(result, page)
    if as_json:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False, indent=2))
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


def _is_submission(name: str) -> bool:
    return name.lower().endswith(SUBMISSIONS) or Path(name).is_file()


def _submissions_data(
    names: Sequence[str], labels: str | None, negative: str | None, ends: str | None
) -> DataSection | None:
    """Returns how submissions are read; None where the first run says it."""
    submissions = [name for name in names if _is_submission(name)]
    given = labels is not None or negative is not None
    if given and not submissions:
        raise click.UsageError("--labels and --negative go with submissions; a run has its own.")
    if not given and len(submissions) < len(names):
        return None
    from relx.recipe import DataSection

    return DataSection.model_validate(
        {
            "labels": labels or "klue",
            "negative": "no_relation" if negative is None else negative or None,
            "ends": ends or "inclusive",
        }
    )


def _runs(
    names: Sequence[str],
    gold: Path | None,
    runs_dir: Path,
    backend: str | None,
    engine: EngineName | None,
) -> dict[str, Run]:
    """Finds every run before any predicts, and says all that is wrong with the names at once."""
    from relx.compare import require_same_dev_rows
    from relx.faults import Fault, InputError
    from relx.runs.find import find_run

    folders: dict[str, Path] = {}
    faults: list[Fault] = []
    for name in dict.fromkeys(names):
        if not _is_submission(name):
            try:
                folders[name] = find_run(runs_dir, name)
            except InputError as error:
                faults += error.faults
        elif gold is None:
            what = "a submission is compared by the labels of the rows it predicts"
            faults.append(Fault(what, "--gold", name, next_step="name them: --gold FILE"))
    if faults:
        raise InputError(*dict.fromkeys(faults))
    if not folders and (backend or engine):
        raise click.UsageError("--backend and --engine compute with runs; these are submissions.")
    if gold is None:
        require_same_dev_rows(folders)
    from relx.predict import Run

    chosen = backend or _common_backend(folders)
    return {
        name: Run(folder, device_of(runs_dir, name, chosen), engine)
        for name, folder in folders.items()
    }


def _common_backend(folders: dict[str, Path]) -> str | None:
    """Returns the first run's backend where they differ, since a process has but one."""
    from relx.progress import say
    from relx.runs.manifest import read_manifest

    trained = [read_manifest(path).recipe["device"]["backend"] for path in folders.values()]
    if len(set(trained)) < 2:
        return None
    say(f"note: these runs are of several backends; all predict with {trained[0]}, or --backend")
    return str(trained[0])


def _sides(
    names: Sequence[str],
    gold: Path | None,
    data: DataSection | None,
    runs: dict[str, Run],
    ends: str | None,
) -> list[ScoredRows]:
    """Reads the submissions, then predicts with the runs; each gets the name it was called by."""
    from dataclasses import replace

    from relx.compare import require_same_labels
    from relx.data.labels import read_labels
    from relx.progress import say
    from relx.score import run_rows, submission_rows

    own = {name: _with_ends(run.data, ends) for name, run in runs.items()}
    first = next(iter(runs), None)
    labels: dict[str, LabelList] = {name: run.labels for name, run in runs.items()}
    for name in names:
        if name not in runs:
            labels[name] = read_labels(data) if data else runs[str(first)].labels
    require_same_labels({name: labels[name] for name in names})
    found: dict[str, ScoredRows] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: name in runs):
        if name not in runs:
            assert gold is not None
            section = data or own[str(first)]
            found[name] = submission_rows(Path(name), gold, section, labels[name])
        else:
            say(f"predicting with {runs[name].folder}")
            found[name] = run_rows(runs[name], gold, own[name])
    titles = _titles(names)
    return [replace(found[name], name=t) for name, t in zip(names, titles, strict=True)]


def _with_ends(data: DataSection, ends: str | None) -> DataSection:
    return data if ends is None else data.model_copy(update={"ends": ends})


def _titles(names: Sequence[str]) -> list[str]:
    """Numbers a name that stands there again."""
    titles: list[str] = []
    for place, name in enumerate(names):
        before = names[:place].count(name)
        titles.append(f"{name} ({before + 1})" if before else name)
    return titles


def _print(result: ComparedPredictions) -> None:
    """Prints the scores and McNemar's test of each comparison."""
    from relx_cli.tables import counted, print_table

    for other in result.others:
        names = (result.reference.name, other.rows.name)
        headings = ("score", *names, "difference", "95 % interval", "p")
        print_table(headings, _score_rows(result, other), right=headings[1:])
        click.echo()
        click.echo(_test_words(other.mcnemar, *names))
        counts = other.changed()
        kinds = f"{counts['fixed']:,} fixed, {counts['broken']:,} broken"
        kinds += f", {counts['otherwise']:,} changed otherwise"
        click.echo(f"of {counted(len(result.reference.gold), 'row')}: {kinds}\n")


def _score_rows(result: ComparedPredictions, other: PairedComparison) -> Iterator[tuple[str, ...]]:
    titles = {"micro_f1": "micro-F1", "auprc": "AUPRC"}
    before, after = result.reference.scores(), other.rows.scores()
    for name, moved in other.scores.items():
        values = (f"{getattr(side, name):.2f}" for side in (before, after))
        interval = f"{moved.low:+.2f} to {moved.high:+.2f}"
        yield (titles.get(name, name), *values, f"{moved.value:+.2f}", interval, f"{moved.p:.3f}")


def _test_words(test: McNemar, first: str, second: str) -> str:
    words = f"McNemar ({test.test}): {test.first:,} rows right with {first} alone, "
    return f"{words}{test.second:,} with {second} alone; p = {test.p:.3g}"
