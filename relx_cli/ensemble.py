"""relx ensemble: several runs and answer files as one."""

from __future__ import annotations

import json
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
    from relx.answers import AnswerOptions, AnswerReader
    from relx.engines.engine import EngineName
    from relx.ensemble import Blending, Measured
    from relx.ensemble_members import Member
    from relx.score import ScoredRows
    from relx.scoring.blending.means import Mean
    from relx.scoring.decisions.decision import Decision

File = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Several runs and answer files as one.")
@click.argument("names", metavar="A B [...]", nargs=-1)
@click.option("--out", type=File, help="The answer file to write.")
@click.option("--probs", type=File, help="Write the probabilities here, by the labels' names.")
@click.option(
    "--mean",
    type=click.Choice(("probabilities", "log", "ranks")),
    default="probabilities",
    show_default=True,
    help="Of what the mean is taken.",
)
@click.option(
    "--weights",
    default="equal",
    show_default=True,
    metavar="equal|found|W,W,…",
    help="The members' weights; found: on rows that none was trained on.",
)
@click.option("--select", type=click.IntRange(1), help="Choose so many members, one by one.")
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="The rows to answer.  [default: the runs' data.test, or those of the files]",
)
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="Labelled rows that no member was trained on.  [default: the runs' dev or folds]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@answer_options
@draws_option
@backend_option
@engine_option
@runs_dir_option
@unverified_option
@quiet_option
def ensemble(
    names: tuple[str, ...],
    out: Path | None,
    probs: Path | None,
    mean: Mean,
    weights: str,
    select: int | None,
    test: Path | None,
    gold: Path | None,
    as_json: bool,
    answers: AnswerOptions,
    draws: int,
    backend: str | None,
    engine: EngineName | None,
    runs_dir: Path,
) -> None:
    """Answer rows with the weighted mean of runs and answer files.

    A run takes part with all of its folds. A name that ends in .csv, .json or .jsonl, or that a
    file has, is an answer file with probabilities; TEST.csv=MEASURED.csv names its answers to
    labelled rows too. Weights are found, and members selected, on rows that none was trained on:
    what they gain over equal weights is shown on parts of the rows that they were not found on.

    \b
    Examples:
      relx ensemble bert roberta --out submission.csv
      relx ensemble bert roberta --weights found --out submission.csv
      relx ensemble bert roberta electra --select 10 --mean log --out submission.csv
      relx ensemble bert other.csv=other-oof.csv --weights found --out submission.csv
      relx ensemble one.csv two.csv --weights 2,1 --out submission.csv
    """  # noqa: D301 - click reads the backspace
    from relx.ensemble import measure
    from relx.ensemble_members import open_members, read_asked, reader_of, write_asked

    if len(names) < 2:
        raise click.UsageError("Name two or more runs or answer files.")
    blending = _blending(mean, weights, select, len(names))
    _require_places({"--out": out, "--probs": probs}, [test, gold, answers.thresholds], names)
    members = open_members(names, runs_dir, backend, engine)
    reader = reader_of(members, answers, gold)
    rows = _measured_rows(members, blending, reader, answers, gold)
    measured = None if rows is None else measure(rows, blending, draws)
    found = blending.fixed(len(names)) if measured is None else measured.weights
    if out is not None or probs is not None:
        asked = read_asked(members, reader, test)
        decision = _decision(measured, answers, reader.decision)
        shares = blending.blend(asked.shares, found, many=decision.takes_cutoffs)
        write_asked(asked, shares, decision, out, probs)
    if as_json:
        tree = {"weights": dict(zip(names, found.tolist(), strict=True))}
        tree |= {} if measured is None else {"measured": measured.to_json()}
        click.echo(visible(json.dumps(tree, ensure_ascii=False, indent=2)))
        return
    _print(names, found.tolist(), measured)
    for path in (out, probs):
        if path is not None:
            click.echo(f"{path} is written")


def _blending(mean: Mean, weights: str, select: int | None, members: int) -> Blending:
    """Reads how members are put together."""
    from relx.ensemble import Blending
    from relx.faults import Fault, InputError

    if select is not None:
        if weights != "equal":
            raise click.UsageError("--select gives weights itself: leave --weights out.")
        return Blending("selected", mean, rounds=select)
    if weights in ("equal", "found"):
        made = Blending("found" if weights == "found" else "equal", mean)
    else:
        try:
            made = Blending("given", mean, tuple(float(part) for part in weights.split(",")))
        except ValueError:
            what, allowed = "these are no weights", "equal, found, or numbers such as 2,1,1"
            raise InputError(Fault(what, "--weights", weights, allowed)) from None
    made.require(members)
    return made


def _require_places(
    outputs: dict[str, Path | None], inputs: list[Path | None], names: tuple[str, ...]
) -> None:
    """Refuses to write over what is read, or two things into one file."""
    from relx.files import require_place

    files = [Path(part) for name in names for part in (name, *name.rsplit("=", 1))]
    for option, path in outputs.items():
        if path is not None:
            require_place(path, option, [*inputs, *(file for file in files if file.is_file())])
    given = [path.resolve() for path in outputs.values() if path is not None]
    if len(set(given)) < len(given):
        raise click.UsageError("--out and --probs are one file: name two.")


def _measured_rows(
    members: list[Member],
    blending: Blending,
    reader: AnswerReader,
    answers: AnswerOptions,
    gold: Path | None,
) -> list[ScoredRows] | None:
    """Reads the rows to measure by: where weights need them they have to be there."""
    from relx.ensemble_members import read_measured
    from relx.faults import InputError
    from relx.progress import say

    try:
        return read_measured(members, reader, answers, gold)
    except InputError as error:
        if blending.is_found or gold is not None:
            raise
        say(f"note: nothing is measured: {error.faults[0].what}")
        return None


def _decision(measured: Measured | None, answers: AnswerOptions, usual: Decision) -> Decision:
    """Returns how labels are chosen: by given cut-offs, else by those of the measured rows."""
    if answers.thresholds is not None or measured is None:
        if usual.takes_cutoffs and answers.thresholds is None:
            from relx.progress import warn

            warn(f"the blend's own cut-offs are not known; {usual.described()}")
        return usual
    return measured.blend.decision


def _print(names: tuple[str, ...], weights: list[float], measured: Measured | None) -> None:
    """Prints the members with their weights and scores, and what the ensemble is worth."""
    from relx.scoring.printed import percent
    from relx_cli.tables import print_table

    if measured is None:
        rows = [(name, f"{weight:.3f}") for name, weight in zip(names, weights, strict=True)]
        print_table(("member", "weight"), rows, right={"weight"})
        return

    def cells(name: str, weight: str, rows: ScoredRows) -> tuple[str, ...]:
        scores = rows.scores()
        return (name, weight, percent(scores.micro_f1), percent(scores.auprc))

    triples = zip(names, weights, measured.members, strict=True)
    table = [cells(name, f"{weight:.3f}", rows) for name, weight, rows in triples]
    table.append(cells("equal weights", "", measured.equal))
    if measured.gain is not None:
        table.append(cells("these weights, on these rows", "", measured.blend))
        table.append(cells("found on other rows", "", measured.cross_fitted))
    headings = ("member", "weight", "micro-F1", "AUPRC")
    print_table(headings, table, right=headings[1:])
    click.echo(f"\n{len(measured.blend.gold):,} rows of {visible(measured.blend.gold_file)}")
    if (gain := measured.gain) is not None:
        interval = f"95 %: {gain.low:+.2f} to {gain.high:+.2f}"
        click.echo(f"gain over equal weights {gain.value:+.2f} ({interval}): {measured.says}")
    click.echo(f"at least one member has {measured.oracle:.1f} % of the rows right\n")
    alike = [
        (name, *(f"{100 * share:.1f}" for share in shares))
        for name, shares in zip(names, measured.agreement.tolist(), strict=True)
    ]
    print_table(("rows chosen alike, %", *names), alike, right=set(names))
