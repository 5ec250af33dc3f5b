"""What listens to Keras's loops."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from relx.progress import Bar
from relx.recipe import CheckpointSection


class UnfetchedCallbacks(keras.callbacks.CallbackList):
    """Hands a step's figures on as they lie on the device.

    Keras's own list fetches them first, and so waits for every step before it sends the next.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Calls every callback."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class Advance(keras.callbacks.Callback):
    """Moves a progress bar with the batches and shows the loss, which is fetched once a second.

    Args:
        bar: The bar.
        parts: How many items of the dataset make a batch.
    """

    def __init__(self, bar: Bar, parts: int = 1) -> None:
        super().__init__()
        self.bar = bar
        self.parts = parts
        self.shown = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts a step, which ends with the last part of its batch."""
        if (batch + 1) % self.parts:
            return
        figures = ""
        if logs and time.monotonic() - self.shown >= 1:
            figures = f"loss {float(logs['loss']):.3f}"
            self.shown = time.monotonic()
        self.bar.advance(1, figures)

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts a batch."""
        self.bar.advance()


class Pace:
    """Says when a checkpoint is due.

    Args:
        section: The recipe's `checkpoint`.
    """

    def __init__(self, section: CheckpointSection) -> None:
        self.steps = section.steps
        self.seconds = None if section.minutes is None else 60 * section.minutes
        self.saved()

    def saved(self) -> None:
        """Counts from now on."""
        self._done = 0
        self._since = time.monotonic()

    def is_due(self) -> bool:
        """Counts a step, and says whether a checkpoint shall follow it."""
        self._done += 1
        if self.steps is not None and self._done >= self.steps:
            return True
        return self.seconds is not None and time.monotonic() - self._since >= self.seconds


class Watch(keras.callbacks.Callback):
    """Calls back after every step of an epoch, and keeps the running loss over a pause in it.

    Args:
        after_step: Called with the number of the epoch's steps that are done and with the running
            figures, which are still on the device. It may save the model by way of `Watch.model`:
            in the middle of a fit JAX has the weights elsewhere until that is read.
        first_step: The step with which this sitting goes on, from 0.
        parts: How many items of the dataset make a batch.
    """

    def __init__(
        self, after_step: Callable[[int, Mapping[str, Any]], None], first_step: int, parts: int
    ) -> None:
        super().__init__()
        self.after_step = after_step
        self.first_step = first_step
        self.parts = parts
        self._running: list[Any] = []

    def set_model(self, model: keras.Model) -> None:
        """Notes the running loss that a checkpoint brought: Keras forgets it as a fit begins."""
        super().set_model(model)
        if self.first_step:
            self._running = [ops.convert_to_numpy(metric) for metric in model.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Goes on with the running loss of the steps before."""
        for metric, value in zip(self.model.metrics_variables, self._running, strict=False):
            metric.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Ends a step, which has as many items as a batch has parts."""
        steps, rest = divmod(batch + 1, self.parts)
        if not rest:
            self.after_step(self.first_step + steps, logs or {})
