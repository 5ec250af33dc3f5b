"""Losses made of other losses, and how a loss is made of what a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from relx.training.losses import LOSSES


@keras.saving.register_keras_serializable("relx")
class MeanOverSamples(keras.losses.Loss):
    """The mean of the losses of several logits a row, each of a dropout mask of its own.

    Inoue 2019, https://arxiv.org/abs/1905.09788: the losses are averaged, not the logits. The loss
    of a mean of logits would be smaller, and trains less against each mask.

    Args:
        loss: The loss of one row's logits.
        name: The name of the loss.
    """

    def __init__(self, loss: keras.losses.Loss, name: str = "mean_over_samples") -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.loss = loss

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row.

        Args:
            y_true: What the loss takes.
            y_pred: Logits (batch, samples, labels); without dropout (batch, labels).

        Returns:
            (batch,) float32.
        """
        if len(y_pred.shape) == 2:
            return self.loss.call(y_true, y_pred)
        count = y_pred.shape[1]
        return sum(self.loss.call(y_true, y_pred[:, i]) for i in range(count)) / count

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"loss": keras.losses.serialize(self.loss), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MeanOverSamples:
        """Makes the loss again of its arguments."""
        return cls(keras.losses.deserialize(config["loss"]), config["name"])


def make_loss(name: str, label_smoothing: float, options: Mapping[str, Any]) -> keras.losses.Loss:
    """Makes a loss.

    Args:
        name: Its name in `LOSSES`.
        label_smoothing: See the losses.
        options: Its other arguments; `dropout_samples`, where there are several logits a row in
            training, is not its own.

    Returns:
        The loss.
    """
    own = dict(options)
    samples = own.pop("dropout_samples", 1)
    loss = LOSSES[name](label_smoothing, **own)
    return MeanOverSamples(loss) if samples > 1 else loss
