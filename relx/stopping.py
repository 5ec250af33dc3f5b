"""Ctrl-C and SIGTERM while a stage trains: the first lets the running step end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTE = b"\nstopping after this step, with a checkpoint; a second signal stops at once\n"


_interrupted = False


def note_interrupts() -> None:
    """Remembers Ctrl-C from here on, besides raising KeyboardInterrupt.

    Where it is raised inside of a library's callback or clean-up, Python drops it; `Stop` then
    finds it noted before the work begins.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


class Stop:
    """Notes the first SIGINT or SIGTERM while a block runs; a second one ends the process.

    One that the process was told to ignore stays ignored, and outside of the main thread, where
    Python takes no signals, nothing is noted.

    Args:
        leaves: Whether this process ends its work itself. The others of a run go on until they miss
            the first one, so that it can end its step and write its checkpoint.
    """

    def __init__(self, leaves: bool = True) -> None:
        self.leaves = leaves
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if _interrupted:
            raise KeyboardInterrupt
        if threading.current_thread() is threading.main_thread():
            taken = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in taken}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.received is not None and isinstance(error, Exception):
            self.leave()  # the first process of the run is missed

    @property
    def asked(self) -> bool:
        """Whether this process shall end its work."""
        return self.leaves and self.received is not None

    def leave_if_asked(self) -> None:
        """Ends the command if this process shall end its work."""
        if self.asked:
            self.leave()

    def leave(self) -> NoReturn:
        """Ends the command as the signal asks: with status 130 after Ctrl-C, 143 after SIGTERM."""
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        os.write(2, b"stopped; the same command carries on\n")  # as it is said after Ctrl-C
        raise SystemExit(128 + signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        again = self.received is not None
        self.received = number
        if again:
            self.leave()
        os.write(2, NOTE)  # print might be in the middle of a line
