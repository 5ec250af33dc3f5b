"""What listens to Keras's loops."""

from __future__ import annotations

import time
from typing import Any

import keras

from relx.progress import Bar


class Advance(keras.callbacks.Callback):
    """Moves a progress bar with the batches and shows the loss, which is fetched once a second.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self.bar = bar
        self.shown = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts a step."""
        figures = ""
        if logs and time.monotonic() - self.shown >= 1:
            figures = f"loss {float(logs['loss']):.3f}"
            self.shown = time.monotonic()
        self.bar.advance(1, figures)

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts a batch."""
        self.bar.advance()
