"""A linear layer whose kernel is frozen in any format, with a low-rank adapter beside it.

LoRA is Hu et al. 2021, arXiv 2106.09685; over a quantised kernel, QLoRA (Dettmers et al. 2023,
arXiv 2305.14314); rank-stabilised, Kalajdzievski 2023, arXiv 2312.03732.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.layers.dropout import dropped
from relx.models.decoder.layers.formats import Array, Format, dequantized, stored_shapes
from relx.models.decoder.layers.memory import hand_over
from relx.models.decoder.layers.products import frozen_product

Tensor = Any


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter's settings.

    Args:
        rank: The rank.
        alpha: What the product is scaled with, over the rank.
        dropout: The share of inputs that training drops before it.
        rank_stabilized: Whether it is over the rank's root instead.
    """

    rank: int
    alpha: float
    dropout: float = 0.0
    rank_stabilized: bool = False

    @property
    def scaling(self) -> float:
        """What the adapter's product is multiplied with."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilized else self.rank)


class FrozenWeights:
    """Marks layers whose own weights no step changes: a checkpoint leaves them out."""

    holds_frozen_weights = True


class FrozenLinear(FrozenWeights, keras.layers.Layer):
    """`x W + bias`, and beside it `scaling · (dropped(x) A) B`; W and the bias do not train.

    Args:
        inputs: Width of the inputs.
        outputs: Width of the outputs.
        format_: How the kernel is stored.
        use_bias: Whether there is a bias.
        lora: The adapter's settings; None without one.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        format_: Format,
        use_bias: bool = False,
        lora: Lora | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inputs, self.outputs = inputs, outputs
        self.format, self.use_bias, self.lora = format_, use_bias, lora
        shapes = stored_shapes(format_, inputs, outputs)
        self.kernel = self._frozen("kernel", *shapes["kernel"])
        self.scale = self._frozen("scale", *shapes["scale"]) if "scale" in shapes else None
        self.bias = self._frozen("bias", (outputs,), "float32") if use_bias else None
        self.lora_a = self.lora_b = None
        if lora is not None:
            self.lora_a = self._adapter("lora_a", (inputs, lora.rank))
            self.lora_b = self._adapter("lora_b", (lora.rank, outputs))
        self.built = True

    def _frozen(self, name: str, shape: tuple[int, ...], dtype: str) -> keras.Variable:
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def _adapter(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        # float32 whatever the kernel: an optimiser's small steps vanish in less.
        return self.add_weight(shape=shape, dtype="float32", name=name, initializer="zeros")

    def start_adapter(self, rng: np.random.Generator) -> None:
        """Draws A and sets B to 0, so that the adapter changes nothing before the first step.

        Args:
            rng: Where the numbers come from. A is uniform within `1 / √inputs`, as PEFT starts it.
        """
        assert self.lora_a is not None and self.lora_b is not None
        bound = self.inputs**-0.5
        self.lora_a.assign(rng.uniform(-bound, bound, self.lora_a.shape).astype(np.float32))
        self.lora_b.assign(np.zeros(self.lora_b.shape, np.float32))

    def fill(self, stored: Mapping[str, Array], bias: Array | None = None) -> None:
        """Sets the frozen weights.

        Args:
            stored: The kernel in this layer's format, as `quantize` gives it. Nobody may write to
                it any more: the layer may compute with this very memory.
            bias: The bias, `(outputs,)`, where the layer has one.
        """
        hand_over(stored["kernel"], self.kernel)
        if self.scale is not None:
            hand_over(stored["scale"], self.scale)
        if self.bias is not None:
            assert bias is not None
            self.bias.assign(np.asarray(bias, np.float32))

    def turn_to_floats(self) -> None:
        """Stores the kernel's very values as float32, for what cannot compute with fewer bits."""
        if self.format == "float32":
            return
        stored = {"kernel": ops.convert_to_numpy(ops.cast(self.kernel, self._plain_type()))}
        if self.scale is not None:
            stored["scale"] = ops.convert_to_numpy(self.scale)
        values = dequantized(stored, self.format)
        self._tracker.unlock()
        self.format, self.scale = "float32", None
        self.kernel = self._frozen("float_kernel", values.shape, "float32")
        self.kernel.assign(values)
        self._tracker.lock()

    def _plain_type(self) -> str:
        """Returns a type of numpy's that holds the kernel as it is stored."""
        return "float32" if self.format == "bfloat16" else str(self.kernel.dtype)

    def call(self, x: Tensor, seed: Tensor = None) -> Tensor:
        """Multiplies.

        Args:
            x: `(…, inputs)`.
            seed: The seed of the adapter's dropout; None outside training.

        Returns:
            `(…, outputs)`.
        """
        dtype = keras.backend.standardize_dtype(x.dtype)
        if self.scale is None and self.format == dtype:
            y = ops.matmul(x, self.kernel)
        else:
            y = frozen_product(x, self.kernel, self.scale, self.format)
        if self.bias is not None:
            y = y + ops.cast(self.bias, dtype)
        return y if self.lora is None else y + self._adapted(x, seed)

    def _adapted(self, x: Tensor, seed: Tensor) -> Tensor:
        """Computes the adapter's part, `(…, outputs)`."""
        assert self.lora is not None
        if seed is not None and self.lora.dropout:
            x = dropped(x, self.lora.dropout, seed, self.name)
        narrow = ops.matmul(x, ops.cast(self.lora_a, x.dtype)) * self.lora.scaling
        return ops.matmul(narrow, ops.cast(self.lora_b, x.dtype))

    def compute_output_shape(self, x_shape: Any) -> Any:
        """Returns `(…, outputs)`."""
        return (*x_shape[:-1], self.outputs)
