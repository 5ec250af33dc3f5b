"""What a backend found on a machine, and what it chose to use of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from relx.devices.processes import Processes
from relx.faults import Fault
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Value = TypeVar("Value")


@dataclass(frozen=True)
class Choice(Generic[Value]):
    """Something that was decided, and why.

    Args:
        value: The decision.
        reason: One sentence.
    """

    value: Value
    reason: str


@dataclass(frozen=True)
class Processor:
    """A device that computes, as a backend names it.

    Args:
        name: Its name, such as `NVIDIA H100` or `CPU, 8 cores`.
        memory: Its memory in bytes, or None where the backend does not say.
    """

    name: str
    memory: int | None = None


@dataclass(frozen=True)
class Machine:
    """What a backend computes on.

    Args:
        processors: The accelerators of this process, or the CPU where there is none.
        accelerated: Whether those are accelerators.
        bfloat16: Whether `auto` takes mixed_bfloat16.
        compiles: Whether steps are compiled by XLA, once a shape.
        spread: Over how many replicas a batch is spread, in all processes.
        strategy: The backend's own object that spreads a batch, or None.
        process: Which process of a run this one is.
        virtual: Into how many devices the CPU is split, to try a strategy without accelerators.
    """

    processors: tuple[Processor, ...]
    accelerated: bool
    bfloat16: Choice[bool]
    compiles: Choice[bool]
    spread: Choice[int] = field(default=Choice(1, "there is one device"))
    strategy: tf.distribute.Strategy | keras.distribution.DataParallel | None = None
    process: Processes = field(default=Processes())
    virtual: int = 1

    def __str__(self) -> str:
        first = self.processors[0].name
        if not self.accelerated:
            return f"{first} in {self.virtual} virtual devices" if self.virtual > 1 else first
        return f"{len(self.processors)} x {first}"


def cpu() -> Processor:
    """Returns the CPU of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Processor(f"CPU, {os.cpu_count()} cores", memory)


def cpu_has(*flags: str) -> bool:
    """Says whether the CPU knows some instructions, by their names in /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags) <= set(line.split())


def unavailable(strategy: str, what: str, next_step: str) -> Fault:
    """Returns the fault of a strategy that cannot be had.

    Args:
        strategy: The recipe's `device.strategy`.
        what: Why not.
        next_step: What to set in its place.
    """
    return Fault(what, "device.strategy", strategy, next_step=next_step)


def too_few(section: DeviceSection) -> Fault:
    """Returns the fault of a strategy of several devices on a single one."""
    what = f"the strategy {section.strategy} needs two devices"
    step = "set device.strategy to auto or one; --backend NAME predicts with what there is"
    return unavailable(section.strategy, what, step)
