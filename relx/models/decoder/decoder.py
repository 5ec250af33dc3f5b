"""The decoder: from tokens to hidden states, for every family by configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.layers.blocks import DecoderLayer, Norm
from relx.models.decoder.layers.formats import Format
from relx.models.decoder.layers.linear import FrozenLinear, FrozenWeights, Lora
from relx.models.decoder.layers.places import Flat, places_by_kind, token_places

Tensor = Any
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

    def call(
        self,
        token_ids: Tensor,
        beginning: Tensor | None = None,
        last: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Computes the hidden states after the last norm.

        Args:
            token_ids: `(batch, length)` int32, each row's own tokens.
            beginning: What all rows begin with before their own, `(1, prefix)` int32: it is
                computed once for all of them, forward and back. None for nothing.
            last: The place of each row's last token in its own, `(batch,)` int32, where the states
                of these alone are wanted: the last layer computes no others.
            training: Whether dropout is on.

        Returns:
            `(batch, length, hidden)` in the compute type; `(batch, hidden)` with `last`.
        """
        prefix = 0 if beginning is None else beginning.shape[1]
        flat = Flat(prefix, ops.shape(token_ids)[0], ops.shape(token_ids)[1], last)
        tokens = ops.reshape(token_ids, (-1,))
        if beginning is not None:
            tokens = ops.concatenate([ops.reshape(beginning, (-1,)), tokens], axis=0)
        states = self._embedded(tokens, flat)
        places = places_by_kind(self.configuration, flat)
        seed = self.seeds.next() if training else None
        *layers, top = self.stack
        for layer in layers:
            states = layer.call(states, places[layer.type], seed)
        states = top.call(states, places[top.type], seed, last is not None)
        states = states if last is not None else flat.own(states)
        return self.norm.call(states)

    def _embedded(self, tokens: Tensor, flat: Flat) -> Tensor:
        dtype, scale = self.compute_dtype, self.configuration.embedding_scale
        states = ops.cast(ops.take(self.table, tokens, axis=0), dtype)
        if scale != 1:
            states = states * ops.cast(scale, dtype)
        if self.places is not None:
            places = ops.take(self.places, token_places(flat), axis=0)
            states = states + ops.cast(places, dtype)
        return states

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

    def compute_output_shape(
        self, token_ids_shape: Any, beginning_shape: Any = None, last_shape: Any = None
    ) -> Any:
        """Returns `(batch, length, hidden)`, or `(batch, hidden)` with `last`."""
        kept = token_ids_shape if last_shape is None else token_ids_shape[:1]
        return (*kept, self.configuration.hidden_size)
