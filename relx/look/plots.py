"""Plots that a page shows in the reader's colours, and that are beside it as PNG, SVG and CSV."""

from __future__ import annotations

import csv
import functools
import io
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from relx.faults import Fault, InputError
from relx.files import read_json, whole_folder, write_json
from relx.look.cells import cell
from relx.look.font import drawable, families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INDEX = "plots.json"
DPI = 160
HEAT = "Blues"
FONT_SIZE = 9  # points

# In a page each of these becomes a variable of the style sheet, which knows light and dark.
INK = "#1b2030"
FAINT = "#6b7280"
GRID = "#dfe3ea"
PAPER = "#ffffff"
FIRST = "#2f5fd0"
SECOND = "#d9622b"
THIRD = "#1f8a70"
FOURTH = "#8a4fbf"
VARIABLES = {
    INK: "ink",
    FAINT: "faint",
    GRID: "grid",
    PAPER: "paper",
    FIRST: "first",
    SECOND: "second",
    THIRD: "third",
    FOURTH: "fourth",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing and the numbers it shows.

    Args:
        name: The stem of its files, such as `label-shares`.
        title: What it shows, in one line.
        figure: The drawing.
        columns: The headings of the numbers.
        rows: The numbers, one tuple per line of the CSV.
        note: What to know when looking at it; may be empty.
    """

    name: str
    title: str
    figure: Figure
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    note: str = ""


def new_figure(width: float = 7.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """Makes a figure with one pair of axes, in the common style.

    Args:
        width: In inches.
        height: In inches.

    Returns:
        The figure and its axes.
    """
    figure = empty_figure(width, height)
    return figure, figure.add_subplot()


def empty_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """Makes a figure without axes, in the common style; sizes are in inches."""
    from matplotlib.figure import Figure

    _use_style()
    return Figure(figsize=(width, height), layout="constrained")


def heat_map(
    axes: Axes,
    values: npt.NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    highest: float | None = None,
    texts: Sequence[Sequence[str]] | None = None,
) -> None:
    """Draws a matrix as coloured cells, the first row on top.

    Args:
        axes: Where to draw.
        values: `(rows, columns)`, from 0 on; nan is left blank.
        rows: The rows' names.
        columns: The columns' names.
        highest: The value of the darkest colour; the largest one unless given.
        texts: The text in each cell; none unless given.
    """
    top = float(np.nanmax(values, initial=0.0)) if highest is None else highest
    axes.pcolormesh(values, cmap=HEAT, vmin=0, vmax=top or 1.0, rasterized=values.size > 4096)
    axes.invert_yaxis()
    axes.set_xticks(
        np.arange(len(columns)) + 0.5, [drawable(name) for name in columns], rotation=90
    )
    axes.set_yticks(np.arange(len(rows)) + 0.5, [drawable(name) for name in rows])
    axes.tick_params(length=0)
    axes.grid(False)
    for row, cells in enumerate(texts or ()):
        for column, text in enumerate(cells):
            # Dark cells need light letters; both colours are the same in light and dark mode.
            color = "#fefefe" if values[row, column] > 0.55 * (top or 1.0) else "#10131a"
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6}
            if text:  # inside its cell, so that the layout need not measure it
                axes.text(column + 0.5, row + 0.5, text, color=color, in_layout=False, **style)


def svg(figure: Figure) -> str:
    """Returns a figure as an SVG element whose colours are variables of the page's style sheet."""
    text = _svg(figure, letters="none", transparent=True)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*_\d+"', "<g", text)  # a page holds many figures, and an id once
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    # The width comes from the page; the view box keeps the proportions.
    return re.sub(r'(<svg[^>]*?) width="[^"]+" height="[^"]+"', r"\1", text, count=1, flags=re.S)


def svg_file(figure: Figure) -> str:
    """Returns a figure as a file of its own, whose letters are outlines and need no font."""
    return _svg(figure, letters="path", facecolor="white")


def _svg(figure: Figure, letters: str, **settings: Any) -> str:
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": letters}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, **settings)
    return stream.getvalue()


def png_bytes(figure: Figure) -> bytes:
    """Returns a figure as a PNG on white paper."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white")
    return stream.getvalue()


def write_plots(folder: Path, plots: Sequence[Plot], facts: dict[str, Any] | None = None) -> None:
    """Writes each plot as PNG, SVG and CSV, and an index of them, whole or not at all.

    Args:
        folder: The folder; what an earlier call wrote into it is replaced, and nothing else is.
        plots: The plots; their names differ.
        facts: Figures for programs, kept in the index as `facts`.

    Raises:
        InputError: The folder holds something else, or cannot be written.
    """
    require_own(folder)
    with whole_folder(folder) as beside:
        for plot in plots:
            (beside / f"{plot.name}.png").write_bytes(png_bytes(plot.figure))
            (beside / f"{plot.name}.svg").write_text(svg_file(plot.figure), encoding="utf-8")
            _write_csv(beside / f"{plot.name}.csv", plot)
        listed = [{"name": plot.name, "title": plot.title, "note": plot.note} for plot in plots]
        write_json(beside / INDEX, {"plots": listed, "facts": facts or {}})
        for other in _others(folder):
            if other.is_dir() and not other.is_symlink():
                shutil.copytree(other, beside / other.name, symlinks=True)
            else:
                shutil.copy2(other, beside / other.name, follow_symlinks=False)


def _others(folder: Path) -> list[Path]:
    """Lists what somebody put into a folder of plots, besides the plots that its index lists."""
    if not folder.exists():
        return []
    names = [str(plot.get("name")) for plot in _index(folder) or [] if isinstance(plot, dict)]
    own = {f"{name}{ending}" for name in names for ending in (".png", ".svg", ".csv")}
    return [path for path in folder.iterdir() if path.name not in own | {INDEX}]


def _index(folder: Path) -> list[Any] | None:
    """Returns the plots that a folder lists; None where it is none of relx's."""
    if not (folder / INDEX).is_file():
        return None
    index = read_json(folder / INDEX)
    plots = index.get("plots") if isinstance(index, dict) else None
    return plots if isinstance(plots, list) else None


def plots_folder(page: Path) -> Path:
    """Returns the folder beside a page that holds its plots: `report_plots` of `report.html`."""
    return page.with_name(f"{page.stem}_plots")


def require_own(folder: Path) -> None:
    """Refuses to replace a folder that relx did not write.

    Args:
        folder: The folder of a page's plots, which may exist.

    Raises:
        InputError: It holds something else.
    """
    if not folder.exists():
        return
    ours = folder.is_dir() and _index(folder) is not None
    if not ours and (not folder.is_dir() or any(folder.iterdir())):
        what = "the plots would go here, but something else is here already"
        step = "name another page with --out, or move this away"
        raise InputError(Fault(what, str(folder), next_step=step))


def _write_csv(path: Path, plot: Plot) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(map(cell, plot.columns))
        writer.writerows(map(cell, row) for row in plot.rows)


@functools.cache
def _use_style() -> None:
    import matplotlib
    from cycler import cycler

    ink = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    settings: dict[str, Any] = dict.fromkeys(ink, INK)
    settings |= dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), FAINT)
    settings |= {
        "font.family": list(families()),
        "font.size": FONT_SIZE,
        "axes.unicode_minus": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlesize": 10,
        "axes.prop_cycle": cycler(color=[FIRST, SECOND, THIRD, FOURTH]),
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "svg.hashsalt": "relx",
        "text.parse_math": False,  # a dollar sign in a sentence does not begin a formula
    }
    matplotlib.rcParams.update(settings)
