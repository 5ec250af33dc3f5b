"""relx report: a page with the scores, curves and every mistake of a run or a submission."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from relx_cli.options import (
    Predicted,
    draws_option,
    page_option,
    predicted_options,
    quiet_option,
    scored_rows,
)


@click.command(short_help="Show the scores, curves and every mistake, as a page.")
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    help="The labelled rows.  [default: those that the run chose its epoch by]",
)
@page_option("report.html")
@draws_option
@predicted_options
@quiet_option
def report(gold: Path | None, out: Path, draws: int, **given: Unpack[Predicted]) -> None:
    """Write a page about the latest run, or a submission, on labelled rows.

    The page is one file that any browser opens without a network: scores with their 95 %
    intervals, learning curves, the confusion matrix or which labels are missing where which are
    surplus, the figures and curves of every label, calibration, and a browser of all rows, the most
    confident mistakes first. Beside it, in
    report_plots, is every plot as PNG and SVG, and its numbers as CSV.

    \b
    Examples:
      relx report
      relx report --run roberta --gold dev.csv
      relx report --gold gold.csv --pred submission.csv --out submission.html
    """  # noqa: D301 - click reads the backspace
    from relx.look.extra import require_look

    require_look("relx report")
    from relx.look.page import require_place
    from relx.look.plots import plots_folder
    from relx.look.report.page import figures_of, headline
    from relx.look.task_pages import task_page
    from relx.score import warn_of_collapse
    from relx_cli.tables import counted, print_table

    require_place(out, [gold, given["pred"], given["answers"].thresholds])
    rows = scored_rows(gold, **given)
    made = task_page(rows.task, "report")
    figures = figures_of(rows, draws)
    warn_of_collapse(figures.scores)
    made.write_report(figures, out)
    headings = ("score", "percent", "95 % interval")
    print_table(headings, headline(figures), right=headings[1:])
    size = out.stat().st_size / 1e6
    click.echo(f"\n{counted(figures.scores.rows, 'row')}; {out} is written, {size:.1f} MB")
    click.echo(f"plots and their numbers: {plots_folder(out)}")
