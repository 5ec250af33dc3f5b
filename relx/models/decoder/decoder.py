"""The decoder: from tokens to hidden states, for every family by configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.configuration import SLIDING, DecoderConfig
from relx.models.decoder.formats import Format
from relx.models.decoder.layers import DecoderLayer, Norm, Positions
from relx.models.decoder.linear import FrozenLinear, FrozenWeights, Lora

Tensor = Any
Past = Sequence[tuple[Tensor, Tensor]]  # keys and values by layer
NO_ADAPTERS: Mapping[str, Lora] = {}


def table_type(format_: Format) -> str:
    """Returns the type of a token table beside kernels of a format.

    A table is looked up and not multiplied with: half the memory loses nothing that shows. float16
    has three bits more than bfloat16, and no embedding is beyond its range.
    """
    return {"float32": "float32", "bfloat16": "bfloat16"}.get(format_, "float16")


class Decoder(FrozenWeights, keras.layers.Layer):
    """A decoder without its vocabulary head; its weights are 0 until they are loaded.

    Rows are padded on the right: nothing that is real looks to the right, so that no padding mask
    is needed.

    Args:
        configuration: The sizes and settings.
        format_: How kernels are stored.
        adapters: The adapter of each linear part that has one, by its name in `linear_shapes`.
        remat: Whether training computes layers again on the way back.
        seed: The seed of dropout.
    """

    def __init__(
        self,
        configuration: DecoderConfig,
        format_: Format = "float32",
        adapters: Mapping[str, Lora] = NO_ADAPTERS,
        remat: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        c = self.configuration = configuration
        self.format = format_
        self.seeds = keras.random.SeedGenerator(seed)
        self.table = self._table("tokens", c.vocab_size)
        self.places = self._table("positions", c.learned_positions)
        policy = self.dtype_policy
        self.stack = [
            DecoderLayer(c, i, format_, dict(adapters), remat, dtype=policy, name=f"layer_{i}")
            for i in range(c.num_layers)
        ]
        self.norm = Norm(c, c.hidden_size, dtype=policy, name="last_norm")
        self.built = True

    def _table(self, name: str, rows: int) -> keras.Variable | None:
        if not rows:
            return None
        return self.add_weight(
            shape=(rows, self.configuration.hidden_size),
            dtype=table_type(self.format),
            name=name,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def call(self, token_ids: Tensor, past: Past | None = None, training: bool = False) -> Tensor:
        """Computes the hidden states after the last norm.

        Args:
            token_ids: `(batch, length)` int32.
            past: Keys and values of a beginning that all rows share, as `keys_and_values` gives.
            training: Whether dropout is on.

        Returns:
            `(batch, length, hidden)` in the compute type.
        """
        states, _ = self._computed(token_ids, past, training)
        return self.norm(states)

    def keys_and_values(self, token_ids: Tensor, training: bool = False) -> Past:
        """Computes the keys and values of a beginning, by layer.

        Args:
            token_ids: `(1, length)` int32.
            training: Whether dropout is on.

        Returns:
            Two of `(1, length, kv_heads, head_dim)` a layer.
        """
        return self._computed(token_ids, None, training)[1]

    def _computed(
        self, token_ids: Tensor, past: Past | None, training: bool
    ) -> tuple[Tensor, Past]:
        start = past[0][0].shape[1] if past else 0
        at = ops.arange(ops.shape(token_ids)[1], dtype="int32") + start  # (length,)
        states, positions = self._embedded(token_ids, at), self._positions(at, start)
        seed = self.seeds.next() if training else None
        found = []
        for i, layer in enumerate(self.stack):
            before = past[i] if past else None
            states, keys, values = layer(states, positions[layer.type], before, seed)
            found.append((keys, values))
        return states, found

    def _embedded(self, token_ids: Tensor, at: Tensor) -> Tensor:
        dtype, scale = self.compute_dtype, self.configuration.embedding_scale
        states = ops.cast(ops.take(self.table, token_ids, axis=0), dtype)
        if scale != 1:
            states = states * ops.cast(scale, dtype)
        if self.places is not None:
            states = states + ops.cast(ops.take(self.places, at, axis=0), dtype)
        return states

    def _positions(self, at: Tensor, start: int) -> dict[str, Positions]:
        """Computes what each kind of layer knows of the places `at`, and of the `start` before."""
        c = self.configuration
        keys = ops.arange(ops.shape(at)[0] + start, dtype="int32")
        distance = at[:, None] - keys[None, :]  # (length, start + length)
        found = {}
        for kind in sorted(set(c.layer_types)):
            visible = distance >= 0
            if kind == SLIDING:
                visible = ops.logical_and(visible, distance < c.window)
            frequencies = c.rope.get(kind)
            if frequencies is None:
                found[kind] = Positions(visible, None, None)
                continue
            rates = ops.convert_to_tensor(np.asarray(frequencies, np.float32))
            angles = ops.cast(at, "float32")[:, None] * rates[None, :]
            found[kind] = Positions(visible, ops.cos(angles), ops.sin(angles))
        return found

    def adapted_parts(self) -> dict[str, FrozenLinear]:
        """Lists the linear parts that have an adapter, by `layer.part`, such as `0.q`."""
        return {
            f"{i}.{name}": part
            for i, layer in enumerate(self.stack)
            for name, part in layer.parts.items()
            if part.lora is not None
        }

    def turn_to_floats(self) -> None:
        """Stores every kernel's very values as float32."""
        for layer in self.stack:
            for part in layer.parts.values():
                part.turn_to_floats()

    def compute_output_shape(self, token_ids_shape: Any, **_: Any) -> Any:
        """Returns `(batch, length, hidden)`."""
        return (*token_ids_shape, self.configuration.hidden_size)
