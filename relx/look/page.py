"""Pages that are one file: templates, styles, scripts and data, and nothing from a network."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from relx.faults import Fault, InputError
from relx.files import disk_faults, write_text
from relx.look.font import embedded_font
from relx.look.plots import Plot, plots_folder, require_own, svg, write_plots

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from matplotlib.figure import Figure

PACKAGE = "relx.look"
FONT_PLACE = "/* font */"  # where base.html takes the letters that a reader's system may lack


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot as a template shows it.

    Args:
        name: The stem of its files.
        title: What it shows.
        note: What to know when looking at it; may be empty.
        figure: The drawing.
        folder: The address of the folder of its files, relative to the page.
    """

    name: str
    title: str
    note: str
    figure: Figure
    folder: str

    @property
    def svg(self) -> Markup:
        """The drawing as markup; made when a template shows it, since drawing takes time."""
        from markupsafe import Markup

        return Markup(svg(self.figure))


def write_page(
    path: Path,
    template: str,
    plots: Sequence[Plot],
    context: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Writes a page, and beside it the folder with its plots and their numbers.

    Args:
        path: The page to write.
        template: The template's name, as for `render`.
        plots: The plots; the template finds each in `pictures` under its name.
        context: What else the template reads.
        facts: Figures for programs, kept in the plots' index.

    Raises:
        InputError: The page or the folder cannot be written.
    """
    html = render(template, {**context, "pictures": pictures(plots, path)})
    write_plots(plots_folder(path), plots, dict(facts or {}))
    write_text(path, html)


def require_place(out: Path, inputs: Iterable[Path | None] = ()) -> None:
    """Checks that a page can be written, before the work that leads to it.

    Args:
        out: The page.
        inputs: Files that it must not replace.

    Raises:
        InputError: It would replace a folder or one of the inputs, or cannot be written there.
    """
    if out.is_dir():
        raise InputError(Fault("this is a folder, not a file", str(out), next_step="name a file"))
    files = [file for file in inputs if file is not None and file.exists()]
    if out.exists() and any(out.samefile(file) for file in files):
        what = "the page would replace a file that it is made from"
        raise InputError(Fault(what, "--out", str(out), next_step="name another file"))
    require_own(plots_folder(out))
    folder = next(folder for folder in out.absolute().parents if folder.exists())
    with disk_faults(out), tempfile.TemporaryFile(dir=folder):
        pass


def pictures(plots: Sequence[Plot], page: Path) -> dict[str, Picture]:
    """Makes the plots ready for a template.

    Args:
        plots: The plots.
        page: The page that will show them.

    Returns:
        A picture by the name of its plot.
    """
    folder = quote(plots_folder(page).name)  # a `#` would end the address, a `:` a scheme
    return {
        plot.name: Picture(plot.name, plot.title, plot.note, plot.figure, folder) for plot in plots
    }


def render(template: str, context: Mapping[str, Any]) -> str:
    """Fills a template.

    Args:
        template: Its name, such as `report.html`, or `relation/report.html` where it is a task's.
        context: What it reads; a name that is missing is an error.

    Returns:
        The page.
    """
    html = environment().get_template(template).render(context)
    return html.replace(FONT_PLACE, embedded_font(html), 1)


@functools.cache
def environment() -> Environment:
    """Returns the templates, which can call `static(name)` and have the filter `embedded`."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(lambda name: _read("templates", name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(static=_static, version=version("relx"))
    made.filters["embedded"] = embedded
    return made


def embedded(value: Any) -> Markup:
    """Returns JSON that is safe in a `<script type="application/json">` whatever it holds."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _static(name: str) -> Markup:
    """Reads a style sheet or a script of relx's own, which becomes a part of the page."""
    from markupsafe import Markup

    return Markup(_read("static", name))


def _read(kind: str, name: str) -> str:
    """Reads a file of `templates` or `static`; a name such as `relation/eda.js` is a task's."""
    folder, _, file = name.rpartition("/")
    return files(PACKAGE).joinpath(folder, kind, file).read_text(encoding="utf-8")
