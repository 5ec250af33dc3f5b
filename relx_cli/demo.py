"""relx demo: the whole chain on a sample that ships with relx."""

from __future__ import annotations

import contextlib
import importlib.resources
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from relx_cli.options import quiet_option, runs_dir_option


@dataclass(frozen=True, slots=True)
class Demo:
    """A sample, the recipe for it, and the files of its answers.

    Args:
        command: What runs it.
        name: The name of the recipe that ships, and of its run.
        files: The sample's files, with a gap for the part.
        answers: The answer file.
        probabilities: The file of probabilities, where the answer file has none: what is scored.
        adapts: Whether TAPT is a part of it.
    """

    command: str
    name: str
    files: str
    answers: str
    probabilities: str | None = None
    adapts: bool = True

    def file(self, part: str) -> Path:
        """Returns a file of the sample: from here where it lies below, as one would type it."""
        file = Path(str(importlib.resources.files("sample"))) / self.files.format(part)
        here = Path.cwd()
        return file.relative_to(here) if file.is_relative_to(here) else file

    def settings(self) -> tuple[str, ...]:
        """Returns the settings that name the sample's files, wherever relx is installed."""
        files = {part: str(self.file(part)) for part in ("train", "dev", "test")}
        return tuple(f"data.{part}={json.dumps(file)}" for part, file in files.items())


DEMOS = {
    "relation": Demo("relx demo", "demo", "{}.csv", "submission.csv"),
    "emotion": Demo(
        "relx demo emotion", "emotion-demo", "emotion/{}.jsonl", "answers.jsonl", "probs.jsonl"
    ),
    "decoder": Demo(
        "relx demo decoder",
        "decoder-demo",
        "emotion/{}.jsonl",
        "answers.jsonl",
        "probs.jsonl",
        adapts=False,
    ),
}


@click.command()
@click.argument("sample", type=click.Choice(list(DEMOS)), default="relation")
@runs_dir_option
@quiet_option
@click.pass_context
def demo(context: click.Context, sample: str, runs_dir: Path) -> None:
    """Run the whole chain on a small sample: TAPT, train, predict, score, report.

    The sample relation, the default, asks how two entities are related; emotion asks which emotions
    are felt about a target, and cut-offs are searched as well; decoder asks a tiny decoder the
    same, without TAPT. It takes a minute or two on two CPU cores, needs no network and no data of
    yours, and shows that relx works here: the samples are synthetic, so their scores say nothing
    about real text. All that it writes is in runs/demo, runs/emotion-demo or runs/decoder-demo. A
    demo that was stopped carries on with the same command.

    \b
    Examples:
      relx demo
      relx demo emotion
      relx demo decoder
      relx demo --runs-dir FOLDER
    """  # noqa: D301 - click reads the backspace
    from relx.shipped import shipped
    from relx_cli.tapt import tapt
    from relx_cli.train import train

    chosen = DEMOS[sample]
    recipe = {
        "recipe": str(shipped()[chosen.name]),
        "settings": chosen.settings(),
        "runs_dir": runs_dir,
    }
    with _own_folder(chosen):
        if chosen.adapts:
            context.invoke(tapt, **recipe)
        context.invoke(train, **recipe)
    _answer(context, chosen, runs_dir)
    _report(context, chosen, runs_dir)


@contextlib.contextmanager
def _own_folder(chosen: Demo) -> Iterator[None]:
    """Says what the demo can do where there is another run of its name: it has no --set."""
    from relx.faults import InputError

    try:
        yield
    except InputError as error:
        elsewhere = f"{chosen.command} --runs-dir FOLDER"
        step = f"{elsewhere} makes a demo elsewhere, and leaves this run as it is"
        raise InputError(
            *(
                replace(fault, next_step=step) if fault.kind == "other inputs" else fault
                for fault in error.faults
            )
        ) from error


def _answer(context: click.Context, chosen: Demo, runs_dir: Path) -> None:
    """Writes the answers of the test rows, and scores them."""
    from relx_cli.predict import predict
    from relx_cli.score import score
    from relx_cli.thresholds import thresholds

    folder, run = runs_dir / chosen.name, {"run_name": chosen.name, "runs_dir": runs_dir}
    answers, gold = folder / chosen.answers, chosen.file("test_gold")
    if chosen.probabilities is None:
        context.invoke(predict, test=chosen.file("test"), out=answers, **run)
        context.invoke(score, gold=gold, pred=answers)
        return
    shares = folder / chosen.probabilities
    context.invoke(thresholds, **run)
    context.invoke(predict, test=chosen.file("test"), out=answers, probs=shares, **run)
    context.invoke(score, gold=gold, pred=shares, **run)


def _report(context: click.Context, chosen: Demo, runs_dir: Path) -> None:
    """Writes the report, or says in a line what it takes where the libraries are missing."""
    from relx.faults import InputError
    from relx.look.extra import require_look
    from relx.progress import warn
    from relx_cli.report import report

    try:
        require_look("relx report")
    except InputError as error:
        (fault,) = error.faults
        step = f"{fault.next_step}, then {chosen.command} again"
        warn(f"no report is written ({fault.received}): {step}")
        return
    page, gold = runs_dir / chosen.name / "report.html", chosen.file("test_gold")
    context.invoke(report, run_name=chosen.name, gold=gold, out=page, runs_dir=runs_dir)
