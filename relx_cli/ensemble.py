"""relx ensemble: several runs and answer files as one."""

from __future__ import annotations

import json
from dataclasses import replace
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
    from relx.scoring.intervals import Difference

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
    help="The members' weights; found: those that make what is right likeliest.",
)
@click.option(
    "--select",
    metavar="N|auto",
    help="Choose N members one by one, one perhaps again; auto: as many as score best.",
)
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
    select: str | None,
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
      relx ensemble bert roberta electra --select auto --mean log --out submission.csv
      relx ensemble bert other.csv=other-oof.csv --weights found --out submission.csv
      relx ensemble one.csv two.csv --weights 2,1 --out submission.csv
    """  # noqa: D301 - click reads the backspace
    from relx.ensemble import measure
    from relx.ensemble_answers import asked_file, read_asked, require_places, write_asked
    from relx.ensemble_members import open_members, reader_of
    from relx.scoring.blending.means import blended

    if len(names) < 2:
        raise click.UsageError("Name two or more runs or answer files.")
    blending = _blending(mean, weights, select, len(names))
    members = open_members(names, runs_dir, backend, engine)
    _require_fitting(members, answers, backend, engine)
    wanted = out is not None or probs is not None
    file = asked_file(members, test) if wanted else None
    require_places({"--out": out, "--probs": probs}, [file, gold, answers.thresholds], members)
    reader = reader_of(members, answers, gold)
    blending = replace(blending, measure=_measure_of(members, answers))
    rows = _measured_rows(members, blending, reader, answers, gold)
    measured = None if rows is None else measure(rows, blending, draws)
    found = blending.fixed(len(names)) if measured is None else measured.weights
    if wanted:
        decision = reader.decision if measured is None else measured.blend.decision
        if out is not None:
            _say_how(decision)
        asked = read_asked(members, reader, answers, file)
        shares = blended(asked.shares, found, mean, many=decision.takes_cutoffs)
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


def _blending(mean: Mean, weights: str, select: str | None, members: int) -> Blending:
    """Reads how members are put together."""
    from relx.ensemble import Blending
    from relx.faults import Fault, InputError

    if select is not None:
        if weights != "equal":
            raise click.UsageError("--select gives weights itself: leave --weights out.")
        if select != "auto" and not (select.isdecimal() and int(select) > 0):
            what, allowed = "this is no number of members", "auto, or a number such as 10"
            raise InputError(Fault(what, "--select", select, allowed))
        return Blending("selected", mean, rounds=None if select == "auto" else int(select))
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


def _require_fitting(
    members: list[Member], answers: AnswerOptions, backend: str | None, engine: str | None
) -> None:
    """Refuses options that would be without effect."""
    runs = sum(member.run is not None for member in members)
    if runs and answers.says_how:
        options = "--task, --recipe, --labels and --negative"
        raise click.UsageError(f"{options} go with answer files alone; a run has its own.")
    if runs == len(members) and (answers.percent or answers.order is not None):
        raise click.UsageError("--percent and --probs-order go with answer files.")
    if not runs and (backend or engine):
        raise click.UsageError("--backend and --engine apply to runs; these are answer files.")


def _measure_of(members: list[Member], answers: AnswerOptions) -> str:
    """Returns what members are selected for: what the first run, or the recipe, chose by."""
    recipes = [member.run.recipe for member in members if member.run is not None]
    recipe = recipes[0] if recipes else answers.recipe
    return "micro_f1" if recipe is None else recipe.train.best_by


def _measured_rows(
    members: list[Member],
    blending: Blending,
    reader: AnswerReader,
    answers: AnswerOptions,
    gold: Path | None,
) -> list[ScoredRows] | None:
    """Reads the rows to measure by; they may be missing where nobody needs or has named them."""
    from relx.ensemble_members import read_measured
    from relx.faults import InputError
    from relx.progress import say

    named = gold is not None or any(member.measured is not None for member in members)
    try:
        return read_measured(members, reader, answers, gold)
    except InputError as error:
        if blending.is_found or named:
            raise
        fault = error.faults[0]
        where = f" ({fault.where})" if fault.where else ""
        say(f"note: nothing is measured: {fault.what}{where}")
        return None


def _say_how(decision: Decision) -> None:
    """Says by which cut-offs labels are chosen, if by any."""
    from relx.progress import say, warn

    if decision.takes_cutoffs and decision.cutoffs is None:
        warn(f"no labelled rows to search the blend's cut-offs on: {decision.described()}")
    elif how := decision.described():
        say(how)


def _print(names: tuple[str, ...], weights: list[float], measured: Measured | None) -> None:
    """Prints the members with their weights and scores, and what the ensemble is worth."""
    from relx_cli.tables import print_table

    if measured is None:
        rows = [(name, f"{weight:.3f}") for name, weight in zip(names, weights, strict=True)]
        print_table(("member", "weight"), rows, right={"weight"})
        return
    titles = measured.equal.scores().titles
    columns = dict.fromkeys((measured.measure, "micro_f1", "auprc"))
    headings = ("member", "weight", *(titles[name] for name in columns))
    print_table(headings, _score_rows(names, weights, measured, list(columns)), right=headings[1:])
    click.echo(f"\n{len(measured.blend.gold):,} rows of {visible(measured.blend.gold_file)}")
    if (own := measured.interval) is not None:
        click.echo(f"{measured.title} {own.value:.2f} (95 %: {own.low:.2f} to {own.high:.2f})")
    if measured.gain is not None:
        click.echo(f"{_moved(measured.gain)} over equal weights: {measured.says}")
    if measured.over_best is not None:
        best = visible(measured.best)
        click.echo(f"{_moved(measured.over_best)} over {best}, the best of them on these rows")
    click.echo(f"at least one member has {measured.oracle:.1f} % of the rows right\n")
    alike = [
        (name, *(f"{100 * share:.1f}" for share in shares))
        for name, shares in zip(names, measured.agreement.tolist(), strict=True)
    ]
    print_table(("rows chosen alike, %", *names), alike, right=set(names))


def _score_rows(
    names: tuple[str, ...], weights: list[float], measured: Measured, columns: list[str]
) -> list[tuple[str, ...]]:
    """Returns the scores of each member and of the blends."""
    from relx.scoring.printed import percent

    def cells(name: str, weight: str, rows: ScoredRows) -> tuple[str, ...]:
        scores = rows.scores()
        return (name, weight, *(percent(getattr(scores, column)) for column in columns))

    triples = zip(names, weights, measured.members, strict=True)
    table = [cells(name, f"{weight:.3f}", rows) for name, weight, rows in triples]
    table.append(cells("equal weights", "", measured.equal))
    if measured.gain is not None:
        table.append(cells("these weights", "", measured.blend))
    if measured.unseen is not measured.blend:
        table.append(cells("weights found on other rows", "", measured.unseen))
    return table


def _moved(gain: Difference) -> str:
    return f"{gain.value:+.2f} (95 %: {gain.low:+.2f} to {gain.high:+.2f})"
