"""The figures of a run while it works: `metrics.jsonl` for people, event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from relx.files import disk_faults, write_text

METRICS = "metrics.jsonl"
EVENTS = "logs"


class RunLog:
    """Appends figures to a stage's `metrics.jsonl` and to an event file in `logs/`.

    Args:
        folder: The stage's folder.
        from_epoch: The epoch, from 0, with which this sitting takes up the work; what an earlier
            one noted of it and of later ones is dropped, since these epochs are done again.

    Raises:
        InputError: The disk is full, or the folder cannot be written.
    """

    def __init__(self, folder: Path, from_epoch: int = 0) -> None:
        self._folder = folder
        events = folder / EVENTS
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        with disk_faults(folder):
            events.mkdir(parents=True, exist_ok=True)
            _drop_epochs(folder, from_epoch)
            self._metrics = (folder / METRICS).open("a", encoding="utf-8")
            self._events = RecordWriter((events / name).open("wb"))
        self._write_event(file_version="brain.Event:2")
        # TensorBoard forgets what earlier event files say of epochs from here on.
        self._write_event(step=from_epoch, session_log=SessionLog(status=SessionLog.START))

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Notes an epoch's figures, and sees them on their way to the disk.

        Args:
            epoch: The epoch, from 0.
            figures: Numbers by name, such as `micro_f1`; one that is not finite is null in
                `metrics.jsonl`.
        """
        numbers = {tag: float(value) for tag, value in figures.items()}
        finite = {tag: value if math.isfinite(value) else None for tag, value in numbers.items()}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
        with disk_faults(self._folder):
            self._metrics.write(_line({"epoch": epoch, **finite}))
            self._metrics.flush()
            self._write_event(step=epoch, summary=Summary(value=values))

    def close(self) -> None:
        """Closes both files."""
        self._metrics.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write_event(self, **content: Any) -> None:
        self._events.write(Event(wall_time=time.time(), **content).SerializeToString())
        self._events.flush()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Reads what a stage noted.

    Args:
        folder: The stage's folder.

    Returns:
        A dictionary an epoch, with its number as `epoch`; a killed process's half line is left out.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _drop_epochs(folder: Path, from_epoch: int) -> None:
    """Rewrites the file without those epochs and without a half last line."""
    if (folder / METRICS).exists():
        kept = [record for record in read_metrics(folder) if record["epoch"] < from_epoch]
        write_text(folder / METRICS, "".join(map(_line, kept)))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
