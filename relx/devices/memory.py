"""Out of memory: one message that says in which batch, and what to set; and a lost process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from relx.data.batches import Batch
from relx.devices.device import Device
from relx.faults import Fault, InputError


class BatchWatch(keras.callbacks.Callback):
    """Notes which batch a loop of Keras computes; the feeder is a few batches ahead of it.

    Args:
        plan: The batches, in their order.
        parts: The parts of a batch, computed one after the other.
        first_step: The first batch that is computed.
    """

    def __init__(self, plan: Sequence[Batch], parts: int = 1, first_step: int = 0) -> None:
        super().__init__()
        self.plan, self.parts = plan, parts
        self._first_part = first_step * parts
        self._part = self._first_part

    @property
    def batch(self) -> Batch:
        """The batch that is computed."""
        return self.plan[self._part // self.parts]

    @property
    def rows(self) -> int:
        """How many rows are computed at once, over all replicas."""
        return len(self.batch.rows) // self.parts

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes a part of a batch by its place in the epoch."""
        self._part = self._first_part + batch

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes a batch by its place."""
        self._part = batch

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes a batch by its place."""
        self._part = batch


@contextlib.contextmanager
def memory_faults(device: Device, stage: str, watch: BatchWatch) -> Iterator[None]:
    """Turns a lack of memory, or of the run's other processes, into an InputError.

    Args:
        device: What computes.
        stage: The section of the recipe that says how large a batch is: tapt, train or predict.
        watch: Listens to the loop that the block runs.

    Raises:
        InputError: The memory did not suffice, or another process of the run has ended.
    """
    try:
        yield
    except Exception as error:
        if device.is_out_of_memory(error):
            raise InputError(_out_of_memory(device, stage, watch)) from error
        if device.is_process_lost(error):
            raise InputError(_lost(stage)) from error
        raise


def _out_of_memory(device: Device, stage: str, watch: BatchWatch) -> Fault:
    received = f"{watch.rows} rows x {watch.batch.length} tokens at once, {device}"
    return Fault(
        "there is not enough memory for this batch",
        stage,
        received,
        next_step=f"{_smaller(device, stage, watch)}; {_other(device)}",
        kind="out of memory",
    )


def _lost(stage: str) -> Fault:
    what = "another process of this run has ended, and this one cannot go on alone"
    step = "see why it ended, then start all of them again: the run resumes from its checkpoint"
    return Fault(what, stage, next_step=step, kind="lost process")


def _smaller(device: Device, stage: str, watch: BatchWatch) -> str:
    """Says how fewer rows are computed at once."""
    half = watch.rows // 2
    if half < device.replicas:
        return "the batch cannot be made smaller"
    if stage == "predict":
        return f"--set predict.batch_size={half} (relx predict: --batch-size {half})"
    return (
        f"--set {stage}.accumulate={2 * watch.parts} computes the same batch in parts of {half} "
        f"rows; or a lower {stage}.batch_size"
    )


def _other(device: Device) -> str:
    """Says what else takes less memory."""
    precision = ", device.precision=mixed_bfloat16" if device.precision == "float32" else ""
    return f"or a lower tokens.max_length{precision}"
