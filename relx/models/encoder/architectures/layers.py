"""The layers that every encoder here is built of, and their gradients in few passes over memory.

TensorFlow without XLA reads and writes memory once for each operation, and what it derives of a
gelu or a layer norm has many. There gradients are written by hand; the values are Keras' own.
PyTorch has kernels for both, and XLA fuses what it derives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

PACKAGE = "relx"

Gradient = Callable[..., Any]


def by_hand() -> bool:
    """Says whether gradients are written by hand, which pays for itself on TensorFlow."""
    return bool(keras.config.backend() == "tensorflow")


@keras.saving.register_keras_serializable(PACKAGE)  # type: ignore[untyped-decorator]
def gelu_approximate(x: Any) -> Any:
    """Returns the tanh approximation of gelu, which some checkpoints were trained with."""
    return keras.activations.gelu(x, approximate=True)


@keras.saving.register_keras_serializable(PACKAGE)
class Activation(keras.layers.Layer):
    """The activation of a feed-forward layer.

    Args:
        activation: A `hidden_act`, one of `configuration.ACTIVATIONS`.
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation
        tanh = activation.startswith("gelu_")
        self.function = gelu_approximate if tanh else keras.activations.get(activation)

    def call(self, x: Any, training: bool = False) -> Any:
        """Returns the activation of every number."""
        if training and self.activation == "gelu" and by_hand():
            return _gelu(x)
        return self.function(x)

    def compute_output_shape(self, x_shape: Any) -> Any:
        """Returns the shape of `x`."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the activation's name."""
        return {**super().get_config(), "activation": self.activation}


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _gelu(x: Any) -> tuple[Any, Gradient]:
    """The exact gelu: each number times the share of a normal distribution below it."""
    scaled = math.sqrt(0.5) * x
    share = 0.5 + 0.5 * ops.erf(scaled)

    def gradient(upstream: Any) -> Any:
        # The density times x, whose constants are in the exponent.
        rest = scaled * ops.exp(-0.5 * math.log(math.pi) - ops.square(scaled))
        return upstream * (share + rest)

    return x * share, gradient


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(keras.layers.LayerNormalization):
    """Layer normalization over the last axis (Ba et al. 2016, arXiv 1607.06450), in float32."""

    def call(self, inputs: Any) -> Any:
        """Returns the normalized inputs, in the precision of the policy."""
        if not by_hand():
            return super().call(inputs)
        width = inputs.shape[-1]
        rows = ops.reshape(ops.cast(inputs, "float32"), (-1, width))
        normed = _normed(rows, ops.reshape(self.gamma, (1, width)), self.epsilon)
        if self.beta is not None:
            normed = ops.add(normed, self.beta)
        return ops.cast(ops.reshape(normed, ops.shape(inputs)), self.compute_dtype)


def _normed(x: Any, scale: Any, epsilon: float) -> Any:
    """Normalizes the rows of `(rows, width)` and scales their columns by `(1, width)`."""

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def scaled(x: Any, scale: Any) -> tuple[Any, Gradient]:
        centred = x - ops.mean(x, axis=1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=1, keepdims=True)
        inverse = ops.rsqrt(variance + epsilon)
        normal = centred * inverse

        def gradient(upstream: Any) -> tuple[Any, Any]:
            # Sums over rows and columns are products: a sum over rows takes four times as long.
            along = upstream * normal
            over_width = ops.transpose(scale) / x.shape[1]
            mean, slope = ops.matmul(upstream, over_width), ops.matmul(along, over_width)
            of_x = (upstream * scale - (normal * slope + mean)) * inverse
            return of_x, ops.matmul(ops.ones((1, ops.shape(x)[0])), along)

        return normal * scale, gradient

    return scaled(x, scale)


@keras.saving.register_keras_serializable(PACKAGE)
class Dropout(keras.layers.Dropout):
    """Dropout (Srivastava et al. 2014) that spends eight random bits on a number, not thirty-two.

    Eight bits alone would round the rate to 1/256: columns differ by one in how many of the 256
    values drop a number, so that each is dropped with the rate asked for.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops numbers and scales up the others, in training alone."""
        if not training or not self.rate or not by_hand():
            return super().call(inputs, training=training)
        return inputs * self.kept(ops.shape(inputs), inputs.dtype)

    def kept(self, shape: Any, dtype: Any) -> Any:
        """Draws what numbers are multiplied with.

        Args:
            shape: The shape of the numbers; the last size is that of the columns.
            dtype: Their precision.

        Returns:
            0 with the probability `rate`, and `1 / (1 - rate)` otherwise.
        """
        *leading, columns = shape
        count = math.prod(leading) * columns
        least, values = -(2**31), 256 * self.rate
        seed = self.seed_generator
        words = keras.random.randint(((count + 3) // 4, 1), least, -least - 1, "int32", seed)
        drawn = ops.reshape(ops.reshape(ops.view(words, "uint8"), (-1,))[:count], shape)
        uneven = keras.random.uniform((columns,), seed=seed) < values % 1
        dropping = ops.cast(math.floor(values) + ops.cast(uneven, "int32"), "uint8")
        return ops.cast(drawn >= dropping, dtype) * (1 / (1 - self.rate))
