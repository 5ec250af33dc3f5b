"""Tables on standard output: fitted to a terminal, plain and never cut in a pipe or a log."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relx.faults import visible
from relx.scoring.printed import counted as counted

PLAIN_WIDTH = 10_000


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Prints a table.

    Args:
        headings: The columns' headings.
        rows: The cells, one text a column.
        right: The headings of the columns that are aligned on the right.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in map(visible, headings):
        table.add_column(heading, justify="right" if heading in right else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    terminal = Console(highlight=False)
    if terminal.is_terminal:
        terminal.print(table)
    else:
        sys.stdout.writelines(line.rstrip() + "\n" for line in _plain_lines(table))


def _plain_lines(table: Table) -> list[str]:
    """Lays a table out without colour, as wide as it wants to be."""
    console = Console(width=PLAIN_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()
