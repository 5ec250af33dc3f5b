"""DeBERTa of versions 2 and 3: its layer, the encoder, and its weights on disk."""

from __future__ import annotations

from typing import Any

import keras
import keras_hub
from keras import ops

from relx.models.encoder.architectures.backbone import EncoderBackbone, starts
from relx.models.encoder.architectures.deberta_attention import (
    DisentangledAttention,
    DistanceEmbedding,
    Settings,
)
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
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.registry import configuration_of


@keras.saving.register_keras_serializable(PACKAGE)
class DebertaLayer(keras.layers.Layer):
    """One layer: attention, then a feed-forward block, with a layer norm after each.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration_of(configuration, DebertaConfig)
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
        settings = configuration_of(configuration, DebertaConfig)

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
