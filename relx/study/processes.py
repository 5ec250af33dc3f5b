"""The cells of a study, a process each: one that fails or is killed leaves the others alone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from relx import progress
from relx.faults import Fault, InputError
from relx.files import disk_faults
from relx.stopping import Stop
from relx.study.plan import Cell, Study
from relx.study.results import kept_result

POLL = 0.2  # seconds
TOLD = 3  # last lines of a log that a message has


@dataclass(frozen=True, slots=True)
class _Working:
    """A cell that a process computes."""

    cell: Cell
    process: subprocess.Popen[bytes]
    log: Path


def run_cells(study: Study, cells: Sequence[Cell], runs_dir: Path, jobs: int = 1) -> None:
    """Computes cells, each in a process of its own; those that are done stay as they are.

    The first Ctrl-C or SIGTERM is handed to the processes, which write their checkpoints and end;
    the same command carries on.

    Args:
        study: The study.
        cells: The cells.
        runs_dir: The folder of all runs.
        jobs: How many are computed at a time.

    Raises:
        InputError: Cells failed; the others were computed.
    """
    folder = study.folder(runs_dir)
    left = deque(cell for cell in cells if kept_result(folder, cell) is None)
    if done := len(cells) - len(left):
        progress.say(f"{done} of {len(cells)} cells are done already")
    working: list[_Working] = []
    faults: list[Fault] = []
    with progress.bar(study.name, len(left), "cells") as bar, Stop() as stop:
        with _ended_with_us(working):
            while (left or working) and not stop.asked:
                while left and len(working) < jobs:
                    working.append(_begun(study, left.popleft(), runs_dir))
                time.sleep(POLL)
                for one in [one for one in working if one.process.poll() is not None]:
                    working.remove(one)
                    faults += _outcome(one, folder)
                    bar.advance()
        stop.leave_if_asked()
    if faults:
        raise InputError(*faults)


def _begun(study: Study, cell: Cell, runs_dir: Path) -> _Working:
    """Starts a cell's process, which writes what it says into a log."""
    log = study.folder(runs_dir) / "logs" / f"{cell.name}.log"
    command = cell_command(study, str(study.cells.index(cell)), runs_dir)
    return _Working(cell, begin_process(command, log), log)


def begin_process(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a process that writes what it says into a log.

    Args:
        command: The command.
        log: The log, to which is appended.

    Returns:
        The process, in a session of its own: Ctrl-C is handed on to it once, and not twice.
    """
    with disk_faults(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        stream = log.open("ab")
    with stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def cell_command(study: Study, cell: str, runs_dir: Path) -> list[str]:
    """Returns the command that computes one cell.

    Args:
        study: The study.
        cell: The cell's number.
        runs_dir: The folder of all runs.
    """
    words = ["study", "run", str(study.file), "--cells", cell, "--runs-dir", str(runs_dir)]
    return relx_command(words)


def relx_command(words: Sequence[str]) -> list[str]:
    """Returns the command of relx in a process of its own.

    Args:
        words: The command's words, such as `train`.
    """
    return [sys.executable, "-m", "relx_cli", *words]


def _outcome(one: _Working, folder: Path) -> list[Fault]:
    """Says how a cell went; the fault of one that failed."""
    status, result = one.process.returncode, None
    if status == 0:
        result = kept_result(folder, one.cell)
    if result is not None:
        figures = result.rows.scores().figures()
        progress.say(f"{one.cell.name}: micro-F1 {figures['micro_f1']:.2f}")
        return []
    lines = one.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = " / ".join(line.strip() for line in lines[-TOLD:])
    progress.warn(f"{one.cell.name} failed with status {status}")
    what, step = "this cell of the study failed", "mend it, and run the study again"
    return [Fault(what, one.cell.name, f"status {status}: {said}", str(one.log), step)]


@contextlib.contextmanager
def _ended_with_us(working: list[_Working]) -> Iterator[None]:
    """Asks what still runs to end, however the block is left, and waits for it."""
    try:
        yield
    finally:
        for one in working:
            one.process.terminate()
        for one in working:
            one.process.wait()
