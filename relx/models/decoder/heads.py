"""What turns the state of a prompt's last token into the logits of the labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.decoder.layers.linear import FrozenWeights

Tensor = Any
Array = NDArray[np.float32]


class WordHead(FrozenWeights, keras.layers.Layer):
    """Products with the rows that the output layer has for the labels' words, and no others.

    Args:
        labels: How many labels there are.
        width: Width of a state.
        trained: Whether the rows train: they are those of new words then.
        biases: Whether each label has a bias that trains, as its own yes or no needs one.
        cap: The soft cap of logits; 0 for none.
    """

    def __init__(
        self,
        labels: int,
        width: int,
        *,
        trained: bool = False,
        biases: bool = False,
        cap: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cap = cap
        self.rows = self.add_weight(
            shape=(labels, width),
            name="rows",
            dtype="float32",
            initializer="zeros",
            trainable=trained,
            autocast=False,
        )
        self.bias = None
        if biases:
            self.bias = self.add_weight(
                shape=(labels,), name="bias", dtype="float32", initializer="zeros"
            )
        self.built = True

    def call(self, states: Tensor) -> Tensor:
        """Computes logits `(batch, labels)` float32 of states `(batch, hidden)`."""
        logits = ops.matmul(ops.cast(states, "float32"), ops.transpose(self.rows))
        if self.cap:
            logits = self.cap * ops.tanh(logits / self.cap)
        return logits if self.bias is None else logits + self.bias

    def compute_output_shape(self, states_shape: Any) -> Any:
        """Returns `(batch, labels)`."""
        return (states_shape[0], self.rows.shape[0])


class ClassHead(keras.layers.Layer):
    """A linear layer of its own, for labels that no word says.

    Args:
        labels: How many labels there are.
        width: Width of a state.
    """

    def __init__(self, labels: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        options = {"dtype": "float32", "initializer": "zeros"}
        self.kernel = self.add_weight(shape=(width, labels), name="kernel", **options)
        self.bias = self.add_weight(shape=(labels,), name="bias", **options)
        self.built = True

    def draw(self, seed: int) -> None:
        """Draws the kernel: a normal of deviation 0.02, the same on every backend."""
        rng = np.random.default_rng((seed, 1))
        self.kernel.assign(0.02 * rng.standard_normal(self.kernel.shape, dtype=np.float32))

    def call(self, states: Tensor) -> Tensor:
        """Computes logits `(batch, labels)` float32 of states `(batch, hidden)`."""
        return ops.matmul(ops.cast(states, "float32"), self.kernel) + self.bias

    def compute_output_shape(self, states_shape: Any) -> Any:
        """Returns `(batch, labels)`."""
        return (states_shape[0], self.bias.shape[0])


Head = WordHead | ClassHead


def head_weights(head: Head) -> dict[str, Array]:
    """Returns what of a head trains, by name."""
    return {v.name: ops.convert_to_numpy(v) for v in head.trainable_variables}


def assign_head(head: Head, weights: dict[str, Array]) -> None:
    """Sets what of a head trains.

    Args:
        head: The head.
        weights: What `head_weights` returned for a head of the same sizes.

    Raises:
        KeyError: A weight is missing.
        ValueError: A weight has another shape.
    """
    for variable in head.trainable_variables:
        if weights[variable.name].shape != tuple(variable.shape):
            shapes = weights[variable.name].shape, tuple(variable.shape)
            raise ValueError(f"{variable.name} has the shape {shapes[0]}, not {shapes[1]}")
        variable.assign(weights[variable.name])
