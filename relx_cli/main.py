"""`relx`: finds the command, and turns what went wrong into a message and an exit status."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from relx_cli.options import quiet_option

# Name: where the command is, and its line in `relx --help`, which imports none of them.
COMMANDS = {
    "tapt": ("relx_cli.tapt:tapt", "Stage 1: the encoder reads the task's own sentences."),
    "train": ("relx_cli.train:train", "Stage 2: fine-tune the classifier."),
    "predict": ("relx_cli.predict:predict", "Write a submission, or predict one sentence."),
    "score": ("relx_cli.score:score", "Score predictions against gold labels."),
    "thresholds": ("relx_cli.thresholds:thresholds", "Search the cut-offs of labels."),
    "report": ("relx_cli.report:report", "Show scores, curves and every mistake, as a page."),
    "compare": ("relx_cli.compare:compare", "Show runs or submissions side by side."),
    "ensemble": ("relx_cli.ensemble:ensemble", "Several runs and answer files as one."),
    "attention": ("relx_cli.attention:attention", "Show what the model attends to, as a page."),
    "eda": ("relx_cli.eda:eda", "Show what is in the data, as a page."),
    "validate": ("relx_cli.validate:validate", "Check data and list every fault in it."),
    "import": ("relx_cli.import_:import_", "Make rows of other programs' files."),
    "fit": ("relx_cli.fit:fit", "Tell how much memory training will take."),
    "encoder": ("relx_cli.encoder:encoder", "Show, convert and compare encoders."),
    "decoder": ("relx_cli.decoder:decoder", "Look at label words, merge adapters."),
    "study": ("relx_cli.study:study", "Try options at several seeds, see what each changes."),
    "recipes": ("relx_cli.recipes:recipes", "List, show and copy the recipes that ship."),
    "runs": ("relx_cli.runs:runs", "List and show the runs made so far."),
    "devices": ("relx_cli.devices:devices", "Show the backends and devices to compute on."),
    "demo": ("relx_cli.demo:demo", "Run the whole chain on the sample that ships."),
}
CARRIES_ON = {"tapt", "train", "demo", "study"}
SHOWN_FAULTS = 20
# What the libraries would otherwise print; a value that the user set stays.
SILENCE = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GLOG_minloglevel": "3",
    "GRPC_VERBOSITY": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
}


NOBODY_READS = 141  # as a shell says of what the signal of a broken pipe has ended


class LazyGroup(click.Group):
    """A group that imports a command when it is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Lists the commands in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command.

        Raises:
            UsageError: There is none of this name; the nearest is named.
        """
        if cmd_name.startswith("-"):
            return None
        if cmd_name not in COMMANDS:
            raise click.UsageError(_no_such_command(cmd_name), ctx)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands' lines from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _no_such_command(name: str) -> str:
    from relx.faults import nearest

    guess = nearest(name, COMMANDS)
    return f"No such command {name!r}." + (f" Did you mean {guess!r}?" if guess else "")


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Example:
  relx recipes copy roberta-base my.yaml
  relx validate --recipe my.yaml
  relx tapt     --recipe my.yaml
  relx train    --recipe my.yaml --set train.epochs=3
  relx predict  --out submission.csv
  relx score    --gold dev.csv

relx COMMAND --help explains each. A run that was stopped carries on with the same command.""",
)
@click.version_option(package_name="relx", message="%(prog)s %(version)s")
@quiet_option
def relx() -> None:
    """Text classification, from a folder of a competition's files to its answer file, in Keras."""


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the command's exit status."""
    try:
        sys.exit(_main())
    except KeyboardInterrupt:  # before a command was under way
        sys.exit(_stopped(sys.argv[1:]))


def _main() -> int:
    import logging
    import warnings

    from relx.stopping import note_interrupts

    note_interrupts()
    _open_closed_streams()
    for name, value in SILENCE.items():
        os.environ.setdefault(name, value)
    logging.disable(logging.WARNING)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status if isinstance(error, BrokenPipeError) else _failed(error)
    return status


def _open_closed_streams() -> None:
    """Lets a closed standard stream lead nowhere, else the next file opened would be in its place.

    What libraries print would be written into that file, such as a model's weights.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def run(arguments: Sequence[str]) -> int:
    """Runs one command and reports what went wrong on standard error.

    Args:
        arguments: The words after `relx`.

    Returns:
        0 where it went well, 1 after a fault of relx, 2 after one of the input, 130 after Ctrl-C,
        141 where what read its output has gone before the end.
    """
    try:
        status = relx.main(list(arguments), prog_name="relx", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        return _unexpected(error) if isinstance(error.__cause__, EOFError) else _stopped(arguments)
    except SystemExit as error:
        if error.code == 1:  # what click makes of a broken pipe; a signal has another code
            return NOBODY_READS
        raise
    except Exception as error:
        return _failed(error)
    return status if isinstance(status, int) else 0


def _stopped(arguments: Sequence[str]) -> int:
    carries_on = not CARRIES_ON.isdisjoint(arguments)
    _complain("stopped; the same command carries on" if carries_on else "stopped")
    return 130


def _failed(error: Exception) -> int:
    """Tells a fault of the input from one of relx."""
    from relx.faults import InputError
    from relx_cli.system_faults import system_fault

    if isinstance(error, InputError):
        _show_faults(error.faults)
        return 2
    fault = system_fault(error)
    if fault is not None:
        _show_faults([fault])
        return 2
    return _unexpected(error)


def _show_faults(faults: Sequence[object]) -> None:
    """Prints the first faults in full and counts the rest by kind."""
    mark = click.style("error:", fg="red", bold=True)
    for fault in faults[:SHOWN_FAULTS]:
        _complain(f"{mark} {fault}")
    rest = faults[SHOWN_FAULTS:]
    if rest:
        kinds = Counter(getattr(fault, "kind", "") or "other" for fault in rest)
        counts = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
        _complain(f"and {len(rest)} more: {counts}")


def _complain(text: str) -> None:
    """Prints on standard error, unless nothing can be printed there."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _unexpected(error: BaseException) -> int:
    with contextlib.suppress(OSError):
        traceback.print_exception(error)
    _complain("this is a bug in relx: please report it with the lines above")
    return 1


if __name__ == "__main__":
    main()
