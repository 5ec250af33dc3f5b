"""Losses made of other losses, and how a loss is made of what a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from relx.training.losses import LEAST, LOSSES


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


@keras.saving.register_keras_serializable("relx")
class Distilled(keras.losses.Loss):
    """A loss of what is right, mixed with the distance from what another model says.

    Hinton et al. 2015, https://arxiv.org/abs/1503.02531: (1 - weight) · loss + weight · T² · KL,
    where KL is the Kullback-Leibler divergence of the model's probabilities from the soft labels,
    both at temperature T; T² makes up for gradients that are smaller by as much. Where any number
    of labels is true, it is the mean over labels of the divergence of true and false.

    Args:
        loss: The loss of what is right.
        weight: What the divergence weighs, 0 to 1.
        temperature: T, which the model's logits are divided by; the soft labels are at it already.
        one: Whether exactly one label is true.
        name: The name of the loss.
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        weight: float,
        temperature: float,
        one: bool,
        name: str = "distilled",
    ) -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.loss, self.weight, self.temperature, self.one = loss, weight, temperature, one

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row.

        Args:
            y_true: What is right and the soft labels side by side: a class and shares,
                (batch, 1 + labels), or cells and probabilities, (batch, 2 · labels).
            y_pred: Logits (batch, labels).

        Returns:
            (batch,) float32.
        """
        labels = y_pred.shape[-1]
        right, soft = y_true[:, :-labels], ops.cast(y_true[:, -labels:], "float32")
        if self.one:
            right = ops.cast(ops.round(right[:, 0]), "int32")
        logits = ops.cast(y_pred, "float32") / self.temperature
        distance = self._softmax(soft, logits) if self.one else self._sigmoid(soft, logits)
        own = self.loss.call(right, y_pred)
        return (1 - self.weight) * own + self.weight * self.temperature**2 * distance

    @staticmethod
    def _softmax(soft: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the divergence of distributions over labels, (batch,)."""
        return ops.sum(_entropy(soft) - soft * ops.log_softmax(logits, axis=-1), axis=-1)

    @staticmethod
    def _sigmoid(soft: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the mean over labels of the divergence of true and false, (batch,)."""
        cost = soft * ops.softplus(-logits) + (1 - soft) * ops.softplus(logits)
        return ops.mean(_entropy(soft) + _entropy(1 - soft) + cost, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("weight", "temperature", "one", "name")
        own = {name: getattr(self, name) for name in names}
        return {"loss": keras.losses.serialize(self.loss), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Distilled:
        """Makes the loss again of its arguments."""
        return cls(**{**config, "loss": keras.losses.deserialize(config["loss"])})


def _entropy(shares: keras.KerasTensor) -> keras.KerasTensor:
    """Computes p log p, 0 where p is 0."""
    return shares * ops.log(ops.maximum(shares, LEAST))


def make_loss(name: str, label_smoothing: float, options: Mapping[str, Any]) -> keras.losses.Loss:
    """Makes a loss.

    Args:
        name: Its name in `LOSSES`.
        label_smoothing: See the losses.
        options: Its other arguments; what is not its own is `distilled`, the arguments of
            `Distilled`, and `dropout_samples`, where there are several logits a row in training.

    Returns:
        The loss.
    """
    own = dict(options)
    samples, distilled = own.pop("dropout_samples", 1), own.pop("distilled", None)
    loss = LOSSES[name](label_smoothing, **own)
    if distilled is not None:
        loss = Distilled(loss, **distilled)
    return MeanOverSamples(loss) if samples > 1 else loss
