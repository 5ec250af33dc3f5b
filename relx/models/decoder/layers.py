"""A layer of a decoder: norms, attention with rotary positions, and the feed-forward part."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from relx.models.decoder.configuration import DecoderConfig
from relx.models.decoder.formats import Format
from relx.models.decoder.linear import FrozenLinear, FrozenWeights, Lora

Tensor = Any
_HIDDEN = -1e30  # the score of a token that is not seen, in float32


class Positions(NamedTuple):
    """What a kind of layer knows of the tokens' places.

    Args:
        visible: Which keys each query sees, `(queries, keys)` bool.
        cos: Of the angles, `(queries, turning / 2)` float32; None where nothing turns.
        sin: Likewise.
    """

    visible: Tensor
    cos: Tensor | None
    sin: Tensor | None


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
        y = ops.cast(x, "float32")
        if self.kind == "layer":
            y = y - ops.mean(y, axis=-1, keepdims=True)
        power = ops.mean(ops.square(y), axis=-1, keepdims=True)
        scale = ops.convert_to_tensor(self.scale)
        y = (
            y
            * ops.rsqrt(power + self.epsilon)
            * (1 + scale if self.kind == "rms_from_one" else scale)
        )
        return ops.cast(y if self.bias is None else y + self.bias, x.dtype)

    def compute_output_shape(self, x_shape: Any) -> Any:
        """Returns the shape of `x`."""
        return x_shape


def activated(x: Tensor, kind: str) -> Tensor:
    """Computes silu, gelu, or gelu by its tanh formula."""
    if kind == "silu":
        return x * ops.sigmoid(x)
    if kind == "gelu":
        return 0.5 * x * (1 + ops.erf(x * 2**-0.5))
    return 0.5 * x * (1 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the first elements of each head by the angles of its place.

    Rotary positions: Su et al. 2021, arXiv 2104.09864; element i turns with element i + n.

    Args:
        x: `(batch, length, heads, head_dim)`.
        cos: `(length, n)`; 2 n elements turn.
        sin: Likewise.

    Returns:
        As `x`.
    """
    size = cos.shape[-1]
    cos, sin = (ops.cast(part, x.dtype)[None, :, None, :] for part in (cos, sin))
    one, other = x[..., :size], x[..., size : 2 * size]
    parts = [one * cos - other * sin, other * cos + one * sin]
    if 2 * size < x.shape[-1]:
        parts.append(x[..., 2 * size :])
    return ops.concatenate(parts, axis=-1)


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
        self,
        x: Tensor,
        positions: Positions,
        past: tuple[Tensor, Tensor] | None = None,
        seed: Tensor = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Computes the layer.

        Args:
            x: `(batch, length, hidden)`.
            positions: What this kind of layer knows of the places.
            past: Keys and values of the tokens before, each
                `(batch or 1, tokens, kv_heads, head_dim)`; None where there are none.
            seed: The seed of dropout; None outside training.

        Returns:
            The states, and the keys and values of these tokens.
        """

        # What a rematerialised function closes over gets no gradient on TensorFlow, silently: all
        # that depends on what trains is an argument.
        def block(x: Tensor, *past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return self._block(x, positions, past or None, seed)

        run = keras.remat(block) if self.remat and seed is not None else block
        return run(x, *(past or ()))

    def _block(
        self, x: Tensor, positions: Positions, past: tuple[Tensor, ...] | None, seed: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        attended, keys, values = self._attend(
            self._normed("before_attention", x), positions, past, seed
        )
        attended = self._normed("after_attention", attended)
        if self.configuration.residual == "parallel":
            beside = self._normed("before_mlp", x)
            x = x + attended
        else:
            x = x + attended
            beside = self._normed("before_mlp", x)
        return x + self._normed("after_mlp", self._fed_forward(beside, seed)), keys, values

    def _normed(self, name: str, x: Tensor) -> Tensor:
        return self.norms[name](x) if name in self.norms else x

    def _fed_forward(self, x: Tensor, seed: Tensor) -> Tensor:
        parts, activation = self.parts, self.configuration.activation
        middle = parts["up"](x, seed)
        if self.configuration.gated:
            middle = activated(parts["gate"](x, seed), activation) * middle
        else:
            middle = activated(middle, activation)
        return parts["down"](middle, seed)

    def _attend(
        self, x: Tensor, positions: Positions, past: tuple[Tensor, ...] | None, seed: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, values = self._heads(x, seed)
        if positions.cos is not None:
            queries = turned(queries, positions.cos, positions.sin)
            keys = turned(keys, positions.cos, positions.sin)
        own = keys, values
        if past is not None:
            keys, values = (
                _joined(old, new) for old, new in zip(past, (keys, values), strict=True)
            )
        mixed = self._mixed(queries, keys, values, positions.visible)
        return self.parts["o"](mixed, seed), *own

    def _heads(self, x: Tensor, seed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Computes queries, keys and values, each `(batch, length, heads, head_dim)`."""
        c = self.configuration
        if c.fused_qkv:
            ends = (c.num_heads * c.head_dim, (c.num_heads + c.num_kv_heads) * c.head_dim)
            split = ops.split(self.parts["qkv"](x, seed), ends, axis=-1)
        else:
            split = [self.parts[name](x, seed) for name in ("q", "k", "v")]
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        counts = (c.num_heads, c.num_kv_heads, c.num_kv_heads)
        queries, keys, values = (
            ops.reshape(part, (batch, length, count, c.head_dim))
            for part, count in zip(split, counts, strict=True)
        )
        if c.qk_norm:
            queries, keys = self.norms["queries"](queries), self.norms["keys"](keys)
        return queries, keys, values

    def _mixed(self, queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
        """Mixes values by the scores of queries and keys, `(batch, length, heads × head_dim)`."""
        c = self.configuration
        batch, length = ops.shape(queries)[0], ops.shape(queries)[1]
        groups = (batch, length, c.num_kv_heads, c.num_heads // c.num_kv_heads, c.head_dim)
        scores = ops.einsum(
            "btkgd,bskd->bkgts", ops.reshape(queries * c.attention_scale, groups), keys
        )
        scores = ops.cast(scores, "float32")
        if c.attention_cap:
            scores = c.attention_cap * ops.tanh(scores / c.attention_cap)
        shares = ops.softmax(ops.where(visible, scores, _HIDDEN), axis=-1)
        mixed = ops.einsum("bkgts,bskd->btkgd", ops.cast(shares, values.dtype), values)
        return ops.reshape(mixed, (batch, length, c.num_heads * c.head_dim))


def _joined(old: Tensor, new: Tensor) -> Tensor:
    """Puts the keys or values of a shared beginning before a batch's own."""
    batch = ops.shape(new)[0]
    return ops.concatenate([ops.broadcast_to(old, (batch, *old.shape[1:])), new], axis=1)
