"""relx demo: the whole chain on the sample that ships with relx."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from relx_cli.options import quiet_option, runs_dir_option

NAME = "demo"  # of the recipe that ships, and of its run


@click.command()
@runs_dir_option
@quiet_option
@click.pass_context
def demo(context: click.Context, runs_dir: Path) -> None:
    """Run the whole chain on a small sample: TAPT, train, predict, score, report.

    It takes a minute or two on two CPU cores, needs no network and no data of yours, and shows that
    relx works here: the sample is synthetic, so its scores say nothing about real text. All that it
    writes is in runs/demo. A demo that was stopped carries on with the same command.

    \b
    Examples:
      relx demo
      relx demo --runs-dir FOLDER
    """  # noqa: D301 - click reads the backspace
    from relx.shipped import shipped
    from relx_cli.predict import predict
    from relx_cli.score import score
    from relx_cli.tapt import tapt
    from relx_cli.train import train

    recipe = {"recipe": str(shipped()[NAME]), "settings": _settings(), "runs_dir": runs_dir}
    submission, gold = runs_dir / NAME / "submission.csv", _sample("test_gold.csv")
    with _own_folder():
        context.invoke(tapt, **recipe)
        context.invoke(train, **recipe)
    context.invoke(
        predict, run_name=NAME, test=_sample("test.csv"), out=submission, runs_dir=runs_dir
    )
    context.invoke(score, gold=gold, pred=submission)
    _report(context, runs_dir, gold)


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """Says what the demo can do where there is another run of its name: it has no --set."""
    from relx.faults import InputError

    try:
        yield
    except InputError as error:
        step = "relx demo --runs-dir FOLDER makes a demo elsewhere, and leaves this run as it is"
        raise InputError(
            *(
                replace(fault, next_step=step) if fault.kind == "other inputs" else fault
                for fault in error.faults
            )
        ) from error


def _report(context: click.Context, runs_dir: Path, gold: Path) -> None:
    """Writes the report, or says in a line what it takes where the libraries are missing."""
    from relx.faults import InputError
    from relx.look.extra import require_look
    from relx.progress import warn
    from relx_cli.report import report

    try:
        require_look("relx report")
    except InputError as error:
        (fault,) = error.faults
        warn(f"no report is written ({fault.received}): {fault.next_step}, then relx demo again")
        return
    page = runs_dir / NAME / "report.html"
    context.invoke(report, run_name=NAME, gold=gold, out=page, runs_dir=runs_dir)


def _settings() -> tuple[str, ...]:
    """Returns the settings that name the sample's files, wherever relx is installed."""
    files = {part: str(_sample(f"{part}.csv")) for part in ("train", "dev", "test")}
    return tuple(f"data.{part}={json.dumps(file)}" for part, file in files.items())


def _sample(name: str) -> Path:
    """Returns the path of a sample's file: from here where it lies below, as one would type it."""
    file = Path(str(importlib.resources.files("sample"))) / name
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
