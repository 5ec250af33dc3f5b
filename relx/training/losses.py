"""The loss of both stages: cross-entropy of class indices, summed over weights that sum to one."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("relx")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy from logits, with label smoothing, in float32.

    The weights of a batch sum to 1 over all replicas, so that the sum is the mean over the rows or
    masked positions that count, however many there are and wherever they are computed.

    Args:
        label_smoothing: The probability that is spread evenly over all classes (Szegedy et al.
            2016, https://arxiv.org/abs/1512.00567).
        name: The name of the loss.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "cross_entropy") -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing = label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row or position.

        Args:
            y_true: Class indices (batch, …) int32.
            y_pred: Logits (batch, …, classes).

        Returns:
            (batch, …) float32.
        """
        logits = ops.cast(y_pred, "float32")  # (batch, …, classes)
        # (batch, …)
        loss = ops.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
        if self.label_smoothing == 0:
            return loss
        spread = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"label_smoothing": self.label_smoothing, "name": self.name}
