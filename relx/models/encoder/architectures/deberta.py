"""DeBERTa of versions 2 and 3: attention to content and to distance, each with its own vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.encoder.architectures.attention import forbidden, weighed
from relx.models.encoder.architectures.bert import EncoderBackbone, configuration_of, starts
from relx.models.encoder.architectures.layers import PACKAGE, Activation, Dropout, LayerNorm
from relx.models.encoder.architectures.weights import (
    POSITIONS,
    TOKEN_TYPES,
    Weight,
    dense,
    layer_norm,
    plain,
    position_weights,
    vocabulary,
)
from relx.models.encoder.families.family import DebertaConfig

Settings = DebertaConfig | Mapping[str, Any]


def distance_rows(configuration: DebertaConfig) -> NDArray[np.int32]:
    """Says which row of the distance table stands for each distance.

    Near distances have a row each, far ones share rows on a logarithmic scale. The numbers are
    computed as the published code computes them, in float32, since a distance at the edge of a
    bucket would fall to another otherwise.

    Args:
        configuration: The configuration.

    Returns:
        `(2 * farthest + 1,)`: the row for each distance from query to key, from `-farthest` to
        `farthest`, which no text exceeds.
    """
    longest, span = configuration.longest_distance, configuration.span
    farthest = max(longest, configuration.max_sequence_length)
    distances = np.arange(-farthest, farthest + 1)
    if configuration.position_buckets > 0:
        distances = _bucketed(distances, configuration.position_buckets, longest)
    return np.clip(distances + span, 0, 2 * span - 1).astype(np.int32)


def _bucketed(distances: NDArray[Any], buckets: int, longest: int) -> NDArray[Any]:
    near = buckets // 2
    size = np.maximum(np.abs(distances), near).astype(np.float32)
    ratio = np.log(size / np.float32(near)) / np.log(np.float32((longest - 1) / near))
    far = np.ceil(ratio * np.float32(near - 1)) + near
    return np.where(np.abs(distances) <= near, distances, far * np.sign(distances))


@keras.saving.register_keras_serializable(PACKAGE)
class DistanceEmbedding(keras.layers.Layer):
    """The vectors of the distances that occur in a text of some length.

    Args:
        configuration: The encoder's configuration.
        initializer: How the table starts.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration: DebertaConfig = configuration_of(configuration)
        self.embedding = keras.layers.Embedding(
            2 * self.configuration.span,
            self.configuration.hidden_size,
            embeddings_initializer=starts(initializer, self.configuration),
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.layer_norm = None
        if self.configuration.norm_rel_ebd == "layer_norm":
            self.layer_norm = LayerNorm(
                epsilon=self.configuration.layer_norm_eps,
                dtype=self.dtype_policy,
                name="layer_norm",
            )
        self._rows = distance_rows(self.configuration)

    def build(self, input_shape: Any) -> None:
        """Creates the table and its norm."""
        self.embedding.build(None)
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.configuration.hidden_size))
        self.built = True

    def call(self, x: Any) -> Any:
        """Looks the distances up.

        Args:
            x: Hidden states, `(batch, length, hidden)`, of which the length alone is read.

        Returns:
            `(1, 2 * length - 1, hidden)`: the vectors of `1 - length` to `length - 1`.
        """
        length, farthest = ops.shape(x)[1], len(self._rows) // 2
        distances = ops.clip(ops.arange(1 - length, length, dtype="int32"), -farthest, farthest)
        rows = ops.take(ops.convert_to_tensor(self._rows), distances + farthest, axis=0)
        vectors = self.embedding(ops.expand_dims(rows, 0))
        return vectors if self.layer_norm is None else self.layer_norm(vectors)

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """Returns `(1, 2 * length - 1, hidden)`."""
        distances = None if x_shape[1] is None else 2 * x_shape[1] - 1
        return (1, distances, self.configuration.hidden_size)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class DisentangledAttention(keras.layers.Layer):
    """Attention whose scores add content to content, content to position, position to content.

    He et al. 2020, arXiv 2006.03654. A score against a position depends on query and distance;
    there are only `2 * length - 1` distances, so those are multiplied and then shifted into place,
    which needs no gather.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration: DebertaConfig = configuration_of(configuration)
        self.initializer = initializer
        self.query_dense = self._projection("query")
        self.key_dense = self._projection("key")
        self.value_dense = self._projection("value")
        self.position_key_dense = self.position_query_dense = None
        if not self.configuration.share_att_key:
            if "c2p" in self.configuration.pos_att_type:
                self.position_key_dense = self._projection("position_key")
            if "p2c" in self.configuration.pos_att_type:
                self.position_query_dense = self._projection("position_query")
        self.output_dense = keras.layers.EinsumDense(
            "acbd,cde->abe",
            (None, self.configuration.hidden_size),
            bias_axes="e",
            kernel_initializer=starts(initializer, self.configuration),
            dtype=self.dtype_policy,
            name="attention_output",
        )
        rates = self.configuration
        self.position_dropout = self._dropout(rates.hidden_dropout_prob, "position_dropout")
        self.dropout = self._dropout(rates.attention_probs_dropout_prob, "attention_dropout")

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.configuration.hidden_size // self.configuration.num_attention_heads

    def _projection(self, name: str) -> Any:
        return keras.layers.EinsumDense(
            "abc,cde->adbe",
            (self.configuration.num_attention_heads, None, self.head_size),
            bias_axes="de",
            kernel_initializer=starts(self.initializer, self.configuration),
            dtype=self.dtype_policy,
            name=name,
        )

    def _dropout(self, rate: float, name: str) -> Any:
        return Dropout(rate, dtype=self.dtype_policy, name=name)

    def build(
        self, x_shape: Any, distances_shape: Any = None, padding_mask_shape: Any = None
    ) -> None:
        """Creates the projections for hidden states of shape `(batch, length, hidden)`."""
        for projection in (
            self.query_dense,
            self.key_dense,
            self.value_dense,
            self.position_key_dense,
            self.position_query_dense,
        ):
            if projection is not None:
                projection.build((None, None, self.configuration.hidden_size))
        heads = self.configuration.num_attention_heads
        self.output_dense.build((None, heads, None, self.head_size))
        self.built = True

    def call(self, x: Any, distances: Any, padding_mask: Any) -> Any:
        """Attends.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            distances: See `DistanceEmbedding.call`.
            padding_mask: `(batch, length)`.

        Returns:
            `(batch, length, hidden)`.
        """
        kinds = self.configuration.pos_att_type
        scale = 1 / math.sqrt(self.head_size * (1 + len(kinds)))
        # (batch, heads, length, head size)
        query, key = self.query_dense(x) * scale, self.key_dense(x)
        distances = self.position_dropout(distances)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if "c2p" in kinds:
            positions = (self.position_key_dense or self.key_dense)(distances)[0]
            # From a query, keys lie at falling distances.
            scores += _shifted(ops.einsum("bhqd,hrd->bhqr", query, ops.flip(positions, 1)))
        if "p2c" in kinds:
            positions = (self.position_query_dense or self.query_dense)(distances)[0]
            by_key = _shifted(ops.einsum("bhkd,hrd->bhkr", key * scale, positions))
            scores += ops.transpose(by_key, (0, 1, 3, 2))
        added = forbidden(padding_mask[:, None, None, :])
        return self.output_dense(weighed(scores, added, self.value_dense(x), self.dropout))

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """Returns the shape of the hidden states."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


def _shifted(scores: Any) -> Any:
    """Moves each row one further to the left than the row above it.

    Args:
        scores: `(batch, heads, length, 2 * length - 1)`; at `(i, r)` of the last two axes the score
            of row `i` with offset `r - (length - 1)`.

    Returns:
        `(batch, heads, length, length)`; at `(i, j)` the score of row `i` with offset `j - i`.
    """
    _, heads, length, offsets = ops.shape(scores)
    scores = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [0, 1]])
    scores = ops.reshape(scores, (-1, heads, length * (offsets + 1)))
    scores = ops.reshape(scores[:, :, length - 1 : -1], (-1, heads, length, offsets))
    return scores[:, :, :, :length]


@keras.saving.register_keras_serializable(PACKAGE)
class DebertaLayer(keras.layers.Layer):
    """One layer: attention, then a feed-forward block, with a layer norm after each.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration: DebertaConfig = configuration_of(configuration)
        settings, policy = self.configuration, self.dtype_policy
        self.attention = DisentangledAttention(
            settings, initializer, dtype=policy, name="attention"
        )
        self.attention_layer_norm = self._layer_norm("attention_layer_norm")
        self.intermediate_dense = keras.layers.Dense(
            settings.intermediate_size,
            kernel_initializer=starts(initializer, settings),
            dtype=policy,
            name="intermediate_dense",
        )
        self.activation = Activation(settings.hidden_act, dtype=policy, name="activation")
        self.output_dense = keras.layers.Dense(
            settings.hidden_size,
            kernel_initializer=starts(initializer, settings),
            dtype=policy,
            name="output_dense",
        )
        self.output_layer_norm = self._layer_norm("output_layer_norm")
        self.attention_dropout = self._dropout("attention_dropout")
        self.output_dropout = self._dropout("output_dropout")

    def _layer_norm(self, name: str) -> Any:
        epsilon = self.configuration.layer_norm_eps
        return LayerNorm(epsilon=epsilon, dtype=self.dtype_policy, name=name)

    def _dropout(self, name: str) -> Any:
        rate = self.configuration.hidden_dropout_prob
        return Dropout(rate, dtype=self.dtype_policy, name=name)

    def build(
        self, x_shape: Any, distances_shape: Any = None, padding_mask_shape: Any = None
    ) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        shape = (None, None, self.configuration.hidden_size)
        self.attention.build(shape)
        self.attention_layer_norm.build(shape)
        self.intermediate_dense.build(shape)
        self.output_dense.build((None, None, self.configuration.intermediate_size))
        self.output_layer_norm.build(shape)
        self.built = True

    def call(self, x: Any, distances: Any, padding_mask: Any) -> Any:
        """Computes the layer.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            distances: See `DistanceEmbedding.call`.
            padding_mask: `(batch, length)`.

        Returns:
            `(batch, length, hidden)`.
        """
        seen = self.attention(x, distances, padding_mask)
        rows = ops.reshape(
            self.attention_layer_norm(x + self.attention_dropout(seen)),
            (-1, self.configuration.hidden_size),
        )
        deep = self.output_dense(self.activation(self.intermediate_dense(rows)))
        rows = self.output_layer_norm(rows + self.output_dropout(deep))
        return ops.reshape(rows, ops.shape(x))

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """Returns the shape of the hidden states."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class DebertaEncoder(EncoderBackbone):
    """A DeBERTa of version 2 or 3.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: See `Encoder`.
        dtype: See `Encoder`.
    """

    def __init__(
        self, configuration: Settings, initializer: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        settings: DebertaConfig = configuration_of(configuration)

        # === Layers ===
        self.token_embedding = keras_hub.layers.ReversibleEmbedding(
            settings.vocab_size,
            settings.embedding_width,
            embeddings_initializer=starts(initializer, settings),
            dtype=dtype,
            name="token_embedding",
        )
        self.position_embedding = None
        if settings.position_biased_input:
            self.position_embedding = keras_hub.layers.PositionEmbedding(
                settings.max_sequence_length,
                initializer=starts(initializer, settings),
                dtype=dtype,
                name="position_embedding",
            )
        self.segment_embedding = None
        if settings.num_segments > 1:
            self.segment_embedding = keras.layers.Embedding(
                settings.num_segments,
                settings.embedding_width,
                embeddings_initializer=starts(initializer, settings),
                dtype=dtype,
                name="segment_embedding",
            )
        self.embeddings_projection = None
        if settings.has_projection:
            self.embeddings_projection = keras.layers.Dense(
                settings.hidden_size,
                use_bias=False,
                kernel_initializer=starts(initializer, settings),
                dtype=dtype,
                name="embeddings_projection",
            )
        self.embeddings_layer_norm = LayerNorm(
            epsilon=settings.layer_norm_eps, dtype=dtype, name="embeddings_layer_norm"
        )
        self.embeddings_dropout = Dropout(
            settings.hidden_dropout_prob, dtype=dtype, name="embeddings_dropout"
        )
        self.distance_embedding = DistanceEmbedding(
            settings, initializer, dtype=dtype, name="distance_embedding"
        )
        self.transformer_layers = [
            DebertaLayer(settings, initializer, dtype=dtype, name=f"transformer_layer_{index}")
            for index in range(settings.num_hidden_layers)
        ]

        # === Functional model ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        x = self.token_embedding(token_ids)  # (batch, length, embedding)
        if self.position_embedding is not None:
            x = x + self.position_embedding(x)
        if self.segment_embedding is not None:
            inputs["segment_ids"] = keras.Input((None,), dtype="int32", name="segment_ids")
            x = x + self.segment_embedding(inputs["segment_ids"])
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        distances = self.distance_embedding(x)
        for layer in self.transformer_layers:
            x = layer(x, distances, padding_mask)
        super().__init__(settings, inputs=inputs, outputs=x, dtype=dtype, **kwargs)


def deberta_weights(encoder: DebertaEncoder, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of a DeBERTa; see `weights.encoder_weights`.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable of the encoder, once.
    """
    words = encoder.configuration.family.words
    distances = encoder.distance_embedding
    weights = [
        vocabulary(encoder.token_embedding.embeddings, words, rows, seed),
        *_place_weights(encoder),
        *layer_norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm"),
        plain(distances.embedding.embeddings, "encoder.rel_embeddings.weight"),
    ]
    if encoder.embeddings_projection is not None:
        weights += dense(encoder.embeddings_projection, "embeddings.embed_proj")
    if distances.layer_norm is not None:
        weights += layer_norm(distances.layer_norm, "encoder.LayerNorm")
    for index, layer in enumerate(encoder.transformer_layers):
        weights += _layer_weights(layer, f"encoder.layer.{index}")
    return weights


def _place_weights(encoder: DebertaEncoder) -> list[Weight]:
    """Absolute positions and token types, of which a DeBERTa may have either, both or none."""
    segments = encoder.segment_embedding
    if encoder.position_embedding is not None and encoder.configuration.type_vocab_size:
        return position_weights(encoder)
    if encoder.position_embedding is not None:
        return [plain(encoder.position_embedding.position_embeddings, POSITIONS)]
    return [] if segments is None else [plain(segments.embeddings, TOKEN_TYPES)]


def _layer_weights(layer: DebertaLayer, key: str) -> list[Weight]:
    attention, inside = layer.attention, f"{key}.attention.self"
    weights = [
        *dense(attention.query_dense, f"{inside}.query_proj"),
        *dense(attention.key_dense, f"{inside}.key_proj"),
        *dense(attention.value_dense, f"{inside}.value_proj"),
        *dense(attention.output_dense, f"{key}.attention.output.dense", inputs=2),
        *layer_norm(layer.attention_layer_norm, f"{key}.attention.output.LayerNorm"),
        *dense(layer.intermediate_dense, f"{key}.intermediate.dense"),
        *dense(layer.output_dense, f"{key}.output.dense"),
        *layer_norm(layer.output_layer_norm, f"{key}.output.LayerNorm"),
    ]
    if attention.position_key_dense is not None:
        weights += dense(attention.position_key_dense, f"{inside}.pos_key_proj")
    if attention.position_query_dense is not None:
        weights += dense(attention.position_query_dense, f"{inside}.pos_query_proj")
    return weights
