"""What a command says while it works: bars on a terminal, plain lines in a log, nothing with -q."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from relx.faults import visible

LOG_SECONDS = 30.0

_console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_quiet = False


def configure(quiet: bool) -> None:
    """Sets whether `say` and `bar` are silent; warnings are always shown.

    Args:
        quiet: True for silence.
    """
    global _quiet
    _quiet = quiet


def say(message: str) -> None:
    """Prints one line about the work under way, on standard error."""
    if not _quiet:
        _console.print(visible(message), markup=False)


def warn(message: str) -> None:
    """Prints a line that must not be missed, on standard error, also with -q."""
    _console.print(f"warning: {visible(message)}", style="yellow", markup=False)


@dataclass(slots=True)
class Bar:
    """A piece of work that counts what is done of it.

    Args:
        total: How many units the work has.
        unit: What is counted, in the plural: `steps`, `sentences`.
    """

    total: int
    unit: str
    done: int = 0
    figures: str = ""
    _started: float = field(default_factory=time.monotonic)

    def advance(self, count: int = 1, figures: str = "") -> None:
        """Counts `count` units as done and shows `figures`, such as `loss 1.23`."""
        self.done += count
        self.figures = figures or self.figures

    def speed(self) -> float:
        """Returns the units done per second since the bar began."""
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def line(self, description: str) -> str:
        """Returns the state as one plain line, for logs."""
        left = (self.total - self.done) / max(self.speed(), 1e-9)
        words = (
            f"{description}: {self.done}/{self.total} {self.unit}, {self.speed():.1f} {self.unit}/s"
        )
        return ", ".join(filter(None, [words, f"{left:.0f} s left", self.figures]))


@contextlib.contextmanager
def bar(description: str, total: int, unit: str) -> Iterator[Bar]:
    """Shows the progress of a piece of work until the block ends.

    Args:
        description: What is being done.
        total: How many units the work has.
        unit: What is counted, in the plural: `steps`, `sentences`.

    Yields:
        A bar to advance.
    """
    description = visible(description)
    if _quiet:
        yield Bar(total, unit)
    elif _console.is_terminal:
        with _drawn_bar(description, total, unit) as drawn:
            yield drawn
    else:
        yield _LoggedBar(total, unit, description=description)


@dataclass(slots=True)
class _LoggedBar(Bar):
    """A bar that prints a line every `LOG_SECONDS` instead of drawing."""

    description: str = ""
    _last: float = field(default_factory=time.monotonic)

    def advance(self, count: int = 1, figures: str = "") -> None:
        Bar.advance(self, count, figures)
        if time.monotonic() - self._last >= LOG_SECONDS:
            self._last = time.monotonic()
            say(self.line(self.description))


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        return Text("" if task.speed is None else f"{task.speed:.1f} {unit}/s", style="cyan")


@contextlib.contextmanager
def _drawn_bar(description: str, total: int, unit: str) -> Iterator[Bar]:
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn()]
    columns += [_Speed(), TimeRemainingColumn(), TextColumn("{task.fields[figures]}")]
    with Progress(*columns, console=_console) as drawing:
        task = drawing.add_task(description, total=total, unit=unit, figures="")
        yield _DrawnBar(total, unit, drawing=drawing, task=task)


@dataclass(slots=True)
class _DrawnBar(Bar):
    """A bar that rich draws."""

    drawing: Progress = field(kw_only=True)
    task: TaskID = field(kw_only=True)

    def advance(self, count: int = 1, figures: str = "") -> None:
        Bar.advance(self, count, figures)
        self.drawing.update(self.task, advance=count, figures=self.figures)
