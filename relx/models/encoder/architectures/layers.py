"""The layers that every encoder is made of, and their gradients in few passes over memory.

TensorFlow without XLA reads and writes memory once for each operation, and what it derives of a
gelu or a layer norm has many. There the gradients are written out; the values are Keras' own.
PyTorch has kernels for both, and XLA fuses what it derives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

PACKAGE = "relx"

# A tensor of the backend in use, or Keras' symbolic one: the three backends share no type.
Tensor: TypeAlias = Any
Shape: TypeAlias = tuple[int | None, ...]
Gradient = Callable[..., Any]


def has_written_gradients() -> bool:
    """Says whether gradients are written out, not derived: it pays for itself on TensorFlow."""
    return bool(keras.config.backend() == "tensorflow")


@keras.saving.register_keras_serializable(PACKAGE)  # type: ignore[untyped-decorator]
def gelu_approximate(x: Tensor) -> Tensor:
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

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Applies the activation to every number."""
        if training and self.activation == "gelu" and has_written_gradients():
            return _gelu(x)
        return self.function(x)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """Returns the shape of `x`."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the activation's name."""
        return {**super().get_config(), "activation": self.activation}


@ops.custom_gradient  # type: ignore[untyped-decorator]
def _gelu(x: Tensor) -> tuple[Tensor, Gradient]:
    """The exact gelu: each number times the share of a normal distribution below it."""
    scaled = math.sqrt(0.5) * x
    share = 0.5 + 0.5 * ops.erf(scaled)

    def gradient(upstream: Tensor) -> Tensor:
        # The density times x; its constants are in the exponent.
        rest = scaled * ops.exp(-0.5 * math.log(math.pi) - ops.square(scaled))
        return upstream * (share + rest)

    return x * share, gradient


@keras.saving.register_keras_serializable(PACKAGE)
class LayerNorm(keras.layers.LayerNormalization):
    """Layer normalization over the last axis (Ba et al. 2016, arXiv 1607.06450), in float32."""

    def call(self, inputs: Tensor) -> Tensor:
        """Returns the normalized inputs, in the precision of the policy."""
        if not has_written_gradients():
            return super().call(inputs)
        width = inputs.shape[-1]
        rows = ops.reshape(ops.cast(inputs, "float32"), (-1, width))  # (rows, width)
        rows = _normalize(rows, ops.reshape(self.gamma, (1, width)), self.epsilon)
        if self.beta is not None:
            rows = ops.add(rows, self.beta)
        return ops.cast(ops.reshape(rows, ops.shape(inputs)), self.compute_dtype)


def _normalize(x: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """Normalizes the rows of `(rows, width)` and scales their columns by `(1, width)`."""

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def normalize(x: Tensor, scale: Tensor) -> tuple[Tensor, Gradient]:
        centred = x - ops.mean(x, axis=1, keepdims=True)  # (rows, width)
        variance = ops.mean(ops.square(centred), axis=1, keepdims=True)
        inverse = ops.rsqrt(variance + epsilon)  # (rows, 1)
        normal = centred * inverse

        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            # Sums over rows and columns are products: a sum over rows takes four times as long.
            along = upstream * normal
            over_width = ops.transpose(scale) / x.shape[1]  # (width, 1)
            mean, slope = ops.matmul(upstream, over_width), ops.matmul(along, over_width)
            of_x = (upstream * scale - (normal * slope + mean)) * inverse
            return of_x, ops.matmul(ops.ones((1, ops.shape(x)[0])), along)

        return normal * scale, gradient

    return normalize(x, scale)


@keras.saving.register_keras_serializable(PACKAGE)
class Dropout(keras.layers.Dropout):
    """Dropout (Srivastava et al. 2014) that spends eight random bits on a number, not thirty-two.

    Eight bits alone would round the rate to 1/256: columns differ by one in how many of the 256
    values drop a number, so that each is dropped with the rate asked for.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drops numbers and scales up the others, in training only."""
        if not training or not self.rate or not has_written_gradients():
            return super().call(inputs, training=training)
        return inputs * self.draw_mask(ops.shape(inputs), inputs.dtype)

    def draw_mask(self, shape: Sequence[Any], dtype: str) -> Tensor:
        """Draws what the numbers are multiplied with.

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
        octets = ops.reshape(ops.view(words, "uint8"), (-1,))  # four of each word
        drawn = ops.reshape(octets[:count], shape)
        uneven = keras.random.uniform((columns,), seed=seed) < values % 1  # (columns,)
        dropping = ops.cast(math.floor(values) + ops.cast(uneven, "int32"), "uint8")
        return ops.cast(drawn >= dropping, dtype) * (1 / (1 - self.rate))
