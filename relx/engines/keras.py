"""Keras as an engine: the relation model itself, on the run's device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from relx import progress
from relx.data.batches import ReadingRows, reading_plan
from relx.devices.device import Device

if TYPE_CHECKING:
    import keras


class KerasEngine:
    """The relation model itself, on the run's device.

    Args:
        model: The relation model.
        device: What it was built on.
    """

    def __init__(self, model: keras.Model, device: Device) -> None:
        self.model, self.device = model, device
        self.segments = "segment_ids" in model.input

    def logits(self, arrays: ReadingRows, batch_size: int) -> np.ndarray:
        """Computes logits; see `relx.engines.engine.Engine`."""
        return predict_logits(self.model, self.device, arrays, batch_size)

    def __str__(self) -> str:
        return f"Keras on {self.device}"


def predict_logits(
    model: keras.Model, device: Device, arrays: ReadingRows, batch_size: int
) -> np.ndarray:
    """Computes the logits of rows with Keras, the longest first, and puts them back in order.

    Args:
        model: A relation model.
        device: What the model was built on.
        arrays: The rows.
        batch_size: Rows per batch.

    Returns:
        (rows, classes) float32, in the rows' order.

    Raises:
        InputError: The device has too little memory for a batch.
    """
    from relx.devices.memory import BatchWatch, memory_faults
    from relx.training.callbacks import Advance

    bucket_lengths = device.bucket_lengths(arrays.lengths, batch_size)
    plan = reading_plan(
        arrays.lengths, batch_size, bucket_lengths=bucket_lengths, multiple=device.replicas
    )
    data = device.stream(
        lambda: arrays.stream(plan), arrays.signature(len(plan[0].rows)), len(plan)
    )
    watch = BatchWatch(plan)
    shown = progress.bar("predict", len(plan), "batches")
    with shown as bar, memory_faults(device, "predict", watch):
        computed = device.predict(model, data, callbacks=[Advance(bar), watch])
    real = np.concatenate([np.arange(len(b.rows)) < b.real for b in plan])
    logits = np.empty((len(arrays.lengths), computed.shape[1]), np.float32)
    logits[np.concatenate([b.rows for b in plan])[real]] = computed[real]
    return logits
