"""The figures of a run while it works: `metrics.jsonl` for people, event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.pr_curve import metadata as of_curves
from tensorboard.plugins.text import metadata as of_texts
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from relx.faults import Fault, InputError, shorten
from relx.files import disk_faults, write_text

METRICS = "metrics.jsonl"
EVENTS = "logs"
THRESHOLDS = 201  # of a precision-recall curve in TensorBoard, from 0 to 1 in equal steps
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#!|~&]")


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

    def text(self, epoch: int, tag: str, markdown: str) -> None:
        """Notes a text for TensorBoard.

        Args:
            epoch: The epoch, from 0.
            tag: What the text shows.
            markdown: The text; what comes from data goes through `escaped` first.
        """
        self._write_tensor(epoch, tag, markdown, of_texts.create_summary_metadata("", ""))

    def pr_curve(
        self,
        epoch: int,
        tag: str,
        gold: npt.NDArray[np.bool_],
        scores: npt.NDArray[np.floating[Any]],
    ) -> None:
        """Notes a precision-recall curve for TensorBoard.

        Args:
            epoch: The epoch, from 0.
            tag: Whose curve it is; TensorBoard groups by the part before the first slash.
            gold: Which rows have the class, any shape.
            scores: The probabilities of the class, of the same shape, from 0 to 1.
        """
        metadata = of_curves.create_summary_metadata(tag.partition("/")[2] or tag, "", THRESHOLDS)
        self._write_tensor(epoch, tag, curve_counts(gold, scores), metadata)

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

    def _write_tensor(self, epoch: int, tag: str, value: Any, metadata: SummaryMetadata) -> None:
        tensor: TensorProto = make_tensor_proto(value)
        values = [Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]
        with disk_faults(self._folder):
            self._write_event(step=epoch, summary=Summary(value=values))

    def _write_event(self, **content: Any) -> None:
        self._events.write(Event(wall_time=time.time(), **content).SerializeToString())
        self._events.flush()


def curve_counts(
    gold: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.floating[Any]],
    thresholds: int = THRESHOLDS,
) -> npt.NDArray[np.float32]:
    """Counts what TensorBoard draws a precision-recall curve from.

    Args:
        gold: Which rows have the class, any shape.
        scores: The probabilities of the class, of the same shape, from 0 to 1.
        thresholds: How many there are, from 0 to 1 in equal steps.

    Returns:
        True positives, false positives, true negatives, false negatives, precision and recall at
        each threshold, where a row counts whose score is not below it: (6, thresholds). Precision
        is 0 where no row does, and recall where no row has the class.
    """
    steps = np.arange(thresholds) / (thresholds - 1)
    found, wrong = (_not_below(steps, scores[part]) for part in (gold, ~gold))
    positives = int(gold.sum())
    counts = [found, wrong, gold.size - positives - wrong, positives - found]
    rates = [found / np.maximum(found + wrong, 1), found / max(positives, 1)]
    return np.stack([*counts, *rates]).astype(np.float32)


def _not_below(
    steps: npt.NDArray[np.float64], scores: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.intp]:
    return scores.size - np.searchsorted(np.sort(scores, axis=None), steps)


def escaped(text: str) -> str:
    """Returns a text of one line that reads as it is in Markdown, also in a cell of a table."""
    line = " ".join(text.split())
    return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", line)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown; what comes from data went through `escaped`."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Reads what a stage noted.

    Args:
        folder: The stage's folder.

    Returns:
        A dictionary an epoch, with its number as `epoch`; a killed process's half line is left out.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / METRICS
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        if all("epoch" in record for record in found):
            return found
        received = "a line without an epoch"
    except (OSError, ValueError, TypeError, RecursionError) as error:
        received = shorten(str(error))
    what, allowed = "this run's figures are damaged", "a JSON object an epoch, each on a line"
    step = "bring the file back, or start anew with --fresh"
    raise InputError(Fault(what, str(path), received, allowed, step))


def _drop_epochs(folder: Path, from_epoch: int) -> None:
    """Rewrites the file without those epochs and without a half last line."""
    if (folder / METRICS).exists():
        kept = [record for record in read_metrics(folder) if record["epoch"] < from_epoch]
        write_text(folder / METRICS, "".join(map(_line, kept)))


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
