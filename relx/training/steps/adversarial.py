"""Adversarial training: rows are learnt again where their token vectors are moved for the worse."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import keras
from keras import ops

from relx.devices.backends.gradient import Gradients

if TYPE_CHECKING:
    from relx.devices.backends import gradient_jax, gradient_tensorflow, gradient_torch

    _CHECKED: tuple[Gradients, ...] = (gradient_jax, gradient_tensorflow, gradient_torch)

Tensor = Any
TOKENS = "token_embedding"
LEAST = 1e-30  # of a norm: a row of weight 0 has no gradient


@dataclass(frozen=True)
class _Cut:
    """A model cut in two at its token vectors; in an object, so that Keras counts no layer twice.

    Args:
        below: From the inputs to token vectors `(batch, length, width)`.
        above: From the inputs and token vectors to logits.
    """

    below: keras.Model
    above: keras.Model


class FgmModel(keras.Model):
    """A model that is trained on each row as it is, and with its token vectors moved.

    Miyato et al. 2017, https://arxiv.org/abs/1605.07725, section 3: the vectors move along the
    gradient of the loss, by a given length, r = radius · g / |g|; the loss is that of the row plus
    that of the moved row, and r is taken for a constant. The norm is of a row's own gradient, over
    all of its tokens, so that parts of a batch and replicas change nothing. The vectors are moved
    as they are; the paper scales the table first.

    Args:
        model: A functional model to logits, with a layer of token vectors; its layers are shared.
        radius: How far a row's token vectors move, all together.
    """

    def __init__(self, model: keras.Model, radius: float) -> None:
        vectors = model.get_layer(TOKENS).output
        super().__init__(inputs=model.input, outputs=model.output, name=model.name)
        below = keras.Model(model.input, vectors, name="below")
        above = keras.Model([*model.input.values(), vectors], model.output, name="above")
        self.radius, self.cut = radius, _Cut(below, above)

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Tensor:
        """Computes logits; in training token vectors alone, of which `compute_loss` goes on."""
        if training:
            return self.cut.below(inputs, training=True)
        return super().call(inputs, training=training, mask=mask)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the loss of a batch, in training that of the moved rows added.

        Args:
            x: The inputs by name.
            y: The targets.
            y_pred: Logits `(batch, labels)`; in training token vectors `(batch, length, width)`.
            sample_weight: `(batch,)` float32.
            training: Whether it is that of a step.

        Returns:
            A scalar, float32.
        """
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        usual = super().compute_loss
        inputs = [ops.convert_to_tensor(x[name]) for name in self.input]

        def loss(vectors: Tensor) -> Tensor:
            logits = self.cut.above([*inputs, vectors], training=True)
            return usual(x, y, logits, sample_weight, True)

        first, gradient = _on_backend().value_and_gradient(loss, y_pred)
        move = along(gradient, self.radius)
        return first + loss(y_pred + ops.cast(move, y_pred.dtype))


def along(gradient: Tensor, radius: float) -> Tensor:
    """Computes how rows move along a gradient.

    Args:
        gradient: `(batch, length, width)`.
        radius: The length of each row's move.

    Returns:
        The same shape, float32, no gradient through it; 0 for a row without a gradient.
    """
    gradient = ops.cast(gradient, "float32")
    largest = ops.max(ops.abs(gradient), axis=(1, 2), keepdims=True)
    scaled = gradient / ops.maximum(largest, LEAST)  # whose squares cannot vanish
    norm = ops.sqrt(ops.sum(ops.square(scaled), axis=(1, 2), keepdims=True))
    return ops.stop_gradient(radius * scaled / ops.maximum(norm, LEAST))


def _on_backend() -> Gradients:
    """Returns what computes gradients on the backend that runs."""
    name = f"relx.devices.backends.gradient_{keras.config.backend()}"
    return cast(Gradients, importlib.import_module(name))
