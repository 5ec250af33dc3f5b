"""A layer of a decoder: norms, attention with rotary positions, and the feed-forward part."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.layers.formats import Format
from relx.models.decoder.layers.linear import FrozenLinear, FrozenWeights, Lora
from relx.models.decoder.layers.places import Places

Tensor = Any


class Norm(FrozenWeights, keras.layers.Layer):
    """An RMS or layer norm, computed in float32.

    Args:
        configuration: The decoder's; its `norm` and epsilon are used.
        width: Width of what is normed.
    """

    def __init__(self, configuration: DecoderConfig, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.epsilon = configuration.norm, configuration.norm_epsilon
        options = {"shape": (width,), "dtype": "float32", "trainable": False, "autocast": False}
        self.scale = self.add_weight(name="scale", initializer="ones", **options)
        self.bias = None
        if self.kind == "layer":
            self.bias = self.add_weight(name="bias", initializer="zeros", **options)
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Norms the last axis; the result has the type of `x`."""
        scale = ops.convert_to_tensor(self.scale)
        if self.kind == "layer":
            return ops.layer_normalization(x, scale, self.bias, epsilon=self.epsilon)
        scale = 1 + scale if self.kind == "rms_from_one" else scale
        return ops.rms_normalization(x, scale, epsilon=self.epsilon)

    def compute_output_shape(self, x_shape: Any) -> Any:
        """Returns the shape of `x`."""
        return x_shape


def activated(x: Tensor, kind: str) -> Tensor:
    """Computes silu, gelu, or gelu by its tanh formula."""
    if kind == "silu":
        return ops.silu(x)
    if keras.backend.backend() == "torch":  # one kernel, which keeps `x` alone for the way back
        return ops.gelu(x, approximate=kind != "gelu")
    if kind == "gelu":
        return 0.5 * x * (1 + ops.erf(x * 2**-0.5))
    return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


class DecoderLayer(FrozenWeights, keras.layers.Layer):
    """One layer, with the norms where its family has them.

    Args:
        configuration: The decoder's.
        index: Which layer it is, from 0.
        format_: How kernels are stored.
        adapters: The adapter of each linear part that has one.
        remat: Whether training computes the layer again on the way back instead of keeping what
            it computed.
    """

    def __init__(
        self,
        configuration: DecoderConfig,
        index: int,
        format_: Format,
        adapters: dict[str, Lora],
        remat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.configuration, self.remat = configuration, remat
        self.type = configuration.layer_types[index]
        policy = self.dtype_policy
        self.parts = {
            name: FrozenLinear(
                *shape,
                format_,
                configuration.has_bias(name),
                adapters.get(name),
                dtype=policy,
                name=f"layer_{index}_{name}",
            )
            for name, shape in configuration.linear_shapes().items()
        }
        self.norms = {
            name: Norm(configuration, width, dtype=policy, name=f"layer_{index}_{name}")
            for name, width in configuration.norm_widths().items()
        }
        self.built = True

    def call(
        self, x: Tensor, places: Places, seed: Tensor = None, last_alone: bool = False
    ) -> Tensor:
        """Computes the layer.

        Args:
            x: `(tokens, hidden)`, a batch as one flat row.
            places: What this kind of layer knows of their places.
            seed: The seed of dropout; None outside training.
            last_alone: Whether the rows' last tokens alone are asked for.

        Returns:
            The states, `(tokens, hidden)`, or `(batch, hidden)` of the last tokens.
        """

        # What a rematerialised function closes over gets no gradient on TensorFlow, silently: all
        # that depends on what trains is an argument.
        def block(x: Tensor) -> Tensor:
            return self._block(x, places, seed, last_alone)

        return (keras.remat(block) if self.remat and seed is not None else block)(x)

    def _block(self, x: Tensor, places: Places, seed: Tensor, last_alone: bool) -> Tensor:
        attended = self._attend(self._normed("before_attention", x), places, seed, last_alone)
        attended = self._normed("after_attention", attended)
        x = places.flat.chosen(x) if last_alone else x
        if self.configuration.residual == "parallel":
            beside = self._normed("before_mlp", x)
            x = x + attended
        else:
            x = x + attended
            beside = self._normed("before_mlp", x)
        return x + self._normed("after_mlp", self._fed_forward(beside, seed))

    def _normed(self, name: str, x: Tensor) -> Tensor:
        return self.norms[name].call(x) if name in self.norms else x

    def _fed_forward(self, x: Tensor, seed: Tensor) -> Tensor:
        parts, activation = self.parts, self.configuration.activation
        middle = parts["up"].call(x, seed)
        if self.configuration.gated:
            middle = activated(parts["gate"].call(x, seed), activation) * middle
        else:
            middle = activated(middle, activation)
        return parts["down"].call(middle, seed)

    def _attend(self, x: Tensor, places: Places, seed: Tensor, last_alone: bool) -> Tensor:
        c = self.configuration
        queries, keys, values = self._heads(x, seed)
        queries, keys = places.turned(queries) * c.attention_scale, places.turned(keys)
        if last_alone:
            queries = places.flat.chosen(queries)
            mixed = places.mixed_last(queries, keys, values, c.attention_cap)
        else:
            mixed = places.mixed(queries, keys, values, c.attention_cap)
        return self.parts["o"].call(mixed, seed)

    def _heads(self, x: Tensor, seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Computes queries, keys and values, each `(tokens, heads, head_dim)`."""
        c = self.configuration
        if c.fused_qkv:
            ends = (c.num_heads * c.head_dim, (c.num_heads + c.num_kv_heads) * c.head_dim)
            split = ops.split(self.parts["qkv"].call(x, seed), ends, axis=-1)
        else:
            split = [self.parts[name].call(x, seed) for name in ("q", "k", "v")]
        counts = (c.num_heads, c.num_kv_heads, c.num_kv_heads)
        queries, keys, values = (
            ops.reshape(part, (-1, count, c.head_dim))
            for part, count in zip(split, counts, strict=True)
        )
        if c.qk_norm:
            queries, keys = self.norms["queries"].call(queries), self.norms["keys"].call(keys)
        return queries, keys, values
