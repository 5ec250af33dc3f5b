"""relx thresholds: the cut-offs that labels are chosen by, searched on labelled rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from relx_cli.options import Predicted, predicted_options, quiet_option, scored_rows

if TYPE_CHECKING:
    from relx.score import ScoredRows
    from relx.scoring.decisions.cross_fitting import Estimate, Search
    from relx.scoring.decisions.cutoffs import Cutoffs

TITLES = {"micro_f1": "micro-F1", "macro_f1": "macro-F1", "accuracy": "cell accuracy"}
WORDS = {"shared": "one for all", "per_label": "one a label", "joint": "one a label, jointly"}


@click.command(short_help="Search the cut-offs that labels are chosen by.")
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="The labelled rows.  [default: those that the run chose its epoch by]",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write them as JSON.")
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw each label's F1 by its cut-off, as PNG, SVG and CSV in this folder.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "shared", "per_label", "joint"]),
    default="auto",
    show_default=True,
    help="What --out and --plots take; auto is what cross-fitting prefers.",
)
@click.option(
    "--measure",
    type=click.Choice(list(TITLES)),
    help="What is to be high.  [default: the recipe's decide.measure, or micro_f1]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@predicted_options
@quiet_option
def thresholds(
    gold: Path | None,
    out: Path | None,
    plots: Path | None,
    method: str,
    measure: str | None,
    as_json: bool,
    **given: Unpack[Predicted],
) -> None:
    """Search the cut-offs of a run, or of a file of probabilities, on labelled rows.

    The search is exact, over all cuts: one cut-off for all labels, one a label for its own F1, and
    the best combination for micro-F1. What each is worth on rows that it was not searched on is
    estimated by cross-fitting over ten folds of sentences, beside the figure on the rows
    themselves, which is always too high. Training keeps cut-offs with the run, and predict and
    score take those; a file written here is taken with --thresholds.

    \b
    Examples:
      relx thresholds
      relx thresholds --run emotion --plots thresholds_plots
      relx thresholds --gold dev.jsonl --pred probs.jsonl --task target --out cuts.json
      relx predict --out answers.jsonl --thresholds cuts.json
    """  # noqa: D301 - click reads the backspace
    if method != "auto" and out is None and plots is None:
        raise click.UsageError("--method chooses what --out and --plots take; name one of them.")
    if given["answers"].thresholds is not None:
        raise click.UsageError("--thresholds names cut-offs to use; this command searches them.")
    if plots is not None:
        from relx.look.extra import require_look

        require_look("relx thresholds --plots")
        from relx.look.plots import require_own

        require_own(plots)
        from relx.files import require_place as require

        require(plots / "plots.json", "--plots")
    if out is not None:
        from relx.files import require_place

        require_place(out, "--out", [gold, given["pred"]])
    rows = scored_rows(gold, **given)
    found, cutoffs = _searched(rows, method, measure)
    if out is not None:
        cutoffs.save(out, found)
    if plots is not None:
        _draw(plots, rows, cutoffs)
    if as_json:
        click.echo(json.dumps(found.to_json() | {"labels": list(cutoffs.labels)}, indent=2))
        return
    _print(found, cutoffs)
    for written in (out, plots):
        if written is not None:
            click.echo(f"{written} is written")


def _searched(rows: ScoredRows, method: str, measure: str | None) -> tuple[Search, Cutoffs]:
    """Searches by every method, and takes the cut-offs of one."""
    from relx.faults import Fault, InputError
    from relx.scoring.decisions.cross_fitting import search_all
    from relx.scoring.decisions.cutoffs import Cutoffs

    if not rows.decision.takes_cutoffs:
        what = "each row has exactly one label, the most probable: there are no cut-offs to search"
        step = "cut-offs are for rows with any number of labels: task: target, decide.labels: many"
        raise InputError(Fault(what, rows.name, next_step=step))
    shares = rows.require_probabilities("a search for cut-offs")
    sentences = [row.sentence for row in rows.examples]
    chosen: Any = measure or rows.decision.inputs()["measure"]
    least = bool(rows.decision.inputs()["at_least_one"])
    found = search_all(rows.gold_cells, shares, sentences, chosen, at_least_one=least)
    source: Any = found.preferred if method == "auto" else method
    values = found.methods[source].cutoffs
    return found, Cutoffs(values, rows.labels.names, least, source)


def _draw(folder: Path, rows: ScoredRows, cutoffs: Cutoffs) -> None:
    from dataclasses import replace

    from relx.look.plots import write_plots
    from relx.look.report.thresholds import threshold_plot

    decided = replace(rows, decision=rows.decision.with_thresholds(cutoffs))
    write_plots(folder, [threshold_plot(decided)])


def _print(found: Search, cutoffs: Cutoffs) -> None:
    from relx_cli.tables import counted, print_table

    headings = (
        "cut-offs",
        f"{TITLES[found.measure]} here",
        "cross-fitted",
        "gain over one for all",
    )
    table = [
        (WORDS[name], f"{result.in_sample:.2f}", _shown(result.cross_fitted), _gain(result.gain))
        for name, result in found.methods.items()
    ]
    print_table(headings, table, right=headings[1:])
    click.echo()
    columns = zip(*(result.cutoffs for result in found.methods.values()), strict=True)
    by_label = [
        (name, *(f"{value:.4f}" for value in values))
        for name, values in zip(cutoffs.labels, columns, strict=True)
    ]
    print_table(("label", *WORDS.values()), by_label, right=WORDS.values())
    click.echo()
    where = f"{counted(found.rows, 'row')}, {counted(found.folds, 'fold')} of sentences"
    click.echo(f"{where}; cross-fitting prefers {found.preferred}: {WORDS[found.preferred]}")
    click.echo("a run keeps its cut-offs; --method and --out write others, for --thresholds")


def _shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _gain(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value == estimate.low == estimate.high == 0:
        return "-"
    return f"{estimate.value:+.2f} ({estimate.low:+.2f} to {estimate.high:+.2f})"
