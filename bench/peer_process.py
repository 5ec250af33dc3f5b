"""Runs a command as a process and measures it from outside: time, memory, when it said what."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
SAMPLES_A_SECOND = 5
# What both sides print after a step, on standard error: `train 1/2: 1/16 steps, …`.
STEP = r"\b.*: [1-9]\d*/\d+ (?:steps|batches|sentences)\b"


@dataclass(frozen=True)
class Measured:
    """What was seen of a process.

    Args:
        seconds: From its start to its end.
        cpu_seconds: What it computed, on all cores.
        peak_mib: The most memory that it held, its children included.
        gpu_peak_mib: The most that all GPUs held, less what they held before; None without one.
        lines: What it printed on standard error, each line with its seconds since the start.
        output: What it printed on standard output.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    gpu_peak_mib: float | None
    lines: tuple[tuple[float, str], ...]
    output: str

    def first_step(self, title: str) -> float | None:
        """Finds the end of the first step.

        Args:
            title: How the lines begin that count steps: tapt, train or predict.

        Returns:
            Its seconds since the start; None where no line counts steps.
        """
        step = re.compile(re.escape(title) + STEP)
        return next((at for at, line in self.lines if step.match(line)), None)


class CommandError(Exception):
    """A measured command ended with an exit status other than 0."""


def measure(command: Sequence[str], extra: Mapping[str, str] | None = None) -> Measured:
    """Runs a command to its end.

    Args:
        command: The words.
        extra: Variables of its environment, besides those of this process.

    Returns:
        What was seen.

    Raises:
        CommandError: It failed; with the last of what it printed.
    """
    gpu_before = gpu_memory()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.PIPE,
            env={**os.environ, **(extra or {})},
            text=True,
            errors="replace",
        )
        with _watched(process.pid, gpu_before) as peaks:
            lines = _lines(process, started)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        said = "\n".join([line for _, line in lines][-20:])
        raise CommandError(f"exit status {process.returncode}: {' '.join(command)}\n{said}")
    return Measured(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        # ru_maxrss is exact but knows this one process; the samples know its children too.
        peak_mib=max(usage.ru_maxrss / 1024, peaks.resident),
        gpu_peak_mib=peaks.gpu if gpu_before is not None else None,
        lines=tuple(lines),
        output=printed,
    )


def _lines(process: subprocess.Popen[str], started: float) -> list[tuple[float, str]]:
    assert process.stderr is not None
    with process.stderr as stream:
        return [(time.monotonic() - started, line.rstrip("\n")) for line in stream]


@dataclass(slots=True)
class _Peaks:
    resident: float = 0.0
    gpu: float = 0.0


@contextlib.contextmanager
def _watched(pid: int, gpu_before: float | None) -> Iterator[_Peaks]:
    """Samples the memory of a process and its descendants for as long as the block runs."""
    peaks, over = _Peaks(), threading.Event()

    def watch() -> None:
        while not over.wait(1 / SAMPLES_A_SECOND):
            peaks.resident = max(peaks.resident, tree_memory(pid))
            if gpu_before is not None:
                peaks.gpu = max(peaks.gpu, (gpu_memory() or 0.0) - gpu_before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def tree_memory(pid: int) -> float:
    """Returns the resident memory of a process and its descendants in MiB; 0 without /proc."""
    return sum(_resident(member) for member in _tree(pid))


def _tree(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        for thread in Path(f"/proc/{member}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                members += map(int, thread.read_text().split())
    return members


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / MIB


def gpu_memory() -> float | None:
    """Returns the memory in use on all NVIDIA GPUs in MiB, None where there is none."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    used = [float(line) for line in done.stdout.split()]
    return sum(used) if used else None


def say(message: str) -> None:
    """Prints a line about the bench itself on standard error."""
    print(message, file=sys.stderr, flush=True)
