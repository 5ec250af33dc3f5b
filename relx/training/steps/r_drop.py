"""R-Drop: what a model predicts under two dropout masks may not differ."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any


class RDropModel(keras.Model):
    """A model that is trained on two dropout masks at once.

    Liang et al. 2021, https://arxiv.org/abs/2106.14448, equation 4. A row costs the mean of its two
    losses and alpha / 4 times the two divergences of what was predicted: the paper's loss halved,
    so that with alpha = 0 it is the size of the usual one, and alpha means what it means there.

    The masks are drawn one after the other, of the same generators: rows are not doubled, so that
    the weights of a batch still sum to one, whatever its parts and replicas are.

    Args:
        model: A functional model to logits `(batch, labels)`; its layers are shared, not copied.
        alpha: What the divergence weighs.
        softmax: Whether probabilities are a softmax of logits; else each is a sigmoid.
    """

    def __init__(self, model: keras.Model, alpha: float, softmax: bool) -> None:
        super().__init__(inputs=model.input, outputs=model.output, name=model.name)
        self.alpha, self.softmax = alpha, softmax

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Computes the loss of a batch, in training with a second forward pass.

        Args:
            x: The inputs by name.
            y: The targets.
            y_pred: The logits, `(batch, labels)`.
            sample_weight: `(batch,)` float32.
            training: Whether dropout drops.

        Returns:
            A scalar, float32.
        """
        first = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return first
        again = self(x, training=True)
        second = super().compute_loss(x, y, again, sample_weight, training)
        apart = ops.sum(ops.multiply(sample_weight, divergence(y_pred, again, self.softmax)))
        return (first + second) / 2 + self.alpha / 4 * apart


def divergence(one: Tensor, other: Tensor, softmax: bool) -> Tensor:
    """Computes KL(p, q) + KL(q, p) of the probabilities of two sets of logits.

    The logarithms of probabilities are logits less a number that both terms share: what is left of
    either sum is the difference of probabilities times that of logits, without a logarithm.

    Args:
        one: Logits, `(batch, labels)`.
        other: Logits, the same shape.
        softmax: Whether a row's labels exclude one another. Otherwise each label is a Bernoulli
            variable, and a row has the mean of its labels, as in the losses of many labels.

    Returns:
        `(batch,)` float32.
    """
    one, other = ops.cast(one, "float32"), ops.cast(other, "float32")
    if softmax:
        apart = ops.softmax(one, axis=-1) - ops.softmax(other, axis=-1)
        return ops.sum(apart * (one - other), axis=-1)
    return ops.mean((ops.sigmoid(one) - ops.sigmoid(other)) * (one - other), axis=-1)
