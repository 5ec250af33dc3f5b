"""DeBERTa of versions 2 and 3: its layer, the encoder, and its weights on disk."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from relx.models.encoder.architectures.backbone import EncoderBackbone, token_inputs
from relx.models.encoder.architectures.deberta_attention import (
    DebertaSettings,
    DisentangledAttention,
    DistanceEmbedding,
)
from relx.models.encoder.architectures.layers import PACKAGE, Shape, Tensor
from relx.models.encoder.architectures.sublayers import PostNormLayer, Sublayers
from relx.models.encoder.architectures.weights import (
    POSITIONS,
    TOKEN_TYPES,
    Weight,
    dense_weights,
    layer_norm_weights,
    plain_weight,
    position_weights,
    vocabulary_weight,
)
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.registry import configuration_of


@keras.saving.register_keras_serializable(PACKAGE)
class DebertaLayer(PostNormLayer):
    """One layer: attention, then a feed-forward block, with a layer norm after each.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start; see `Encoder`.
    """

    def __init__(
        self, configuration: DebertaSettings, initializer: str | None = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, DebertaConfig)
        super().__init__(settings, **kwargs)
        new = Sublayers(settings, initializer, self.dtype_policy)
        self.attention = DisentangledAttention(
            settings, initializer, dtype=self.dtype_policy, name="attention"
        )
        self.attention_layer_norm = new.layer_norm("attention_layer_norm")
        self.intermediate_dense = new.dense(settings.intermediate_size, "intermediate_dense")
        self.activation = new.activation()
        self.output_dense = new.dense(settings.hidden_size, "output_dense")
        self.output_layer_norm = new.layer_norm("output_layer_norm")
        rate = settings.hidden_dropout_prob
        self.attention_dropout = new.dropout(rate, "attention_dropout")
        self.output_dropout = new.dropout(rate, "output_dropout")

    def build(
        self,
        x_shape: Shape,
        distances_shape: Shape | None = None,
        padding_mask_shape: Shape | None = None,
    ) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        shape = (None, None, self.configuration.hidden_size)
        self.attention.build(shape)
        self.attention_layer_norm.build(shape)
        self.intermediate_dense.build(shape)
        self.output_dense.build((None, None, self.configuration.intermediate_size))
        self.output_layer_norm.build(shape)
        self.built = True

    def call(self, x: Tensor, distances: Tensor, padding_mask: Tensor) -> Tensor:
        """Computes the layer.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            distances: See `DistanceEmbedding.call`.
            padding_mask: `(batch, length)`.

        Returns:
            `(batch, length, hidden)`.
        """
        flat = (-1, self.configuration.hidden_size)  # (batch * length, hidden)
        context = ops.reshape(self.attention(x, distances, padding_mask), flat)
        return ops.reshape(self.feed_forward(ops.reshape(x, flat), context), ops.shape(x))

    def compute_output_shape(self, x_shape: Shape, *_: Shape) -> Shape:
        """Returns the shape of the hidden states."""
        return x_shape


@keras.saving.register_keras_serializable(PACKAGE)
class DebertaEncoder(EncoderBackbone):
    """A DeBERTa of version 2 or 3.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: See `Encoder`.
        dtype: See `Encoder`.
    """

    def __init__(
        self,
        configuration: DebertaSettings,
        initializer: str | None = None,
        dtype: keras.DTypePolicy | str | None = None,
        **kwargs: Any,
    ) -> None:
        settings = configuration_of(configuration, DebertaConfig)
        new = Sublayers(settings, initializer, dtype)

        # === Layers ===
        self.token_embedding = new.token_embedding()
        biased = settings.position_biased_input
        self.position_embedding = new.position_embedding() if biased else None
        self.segment_embedding = new.segment_embedding()
        self.embeddings_projection = new.embeddings_projection(use_bias=False)
        self.embeddings_layer_norm = new.layer_norm("embeddings_layer_norm")
        self.embeddings_dropout = new.dropout(settings.hidden_dropout_prob, "embeddings_dropout")
        self.distance_embedding = DistanceEmbedding(
            settings, initializer, dtype=dtype, name="distance_embedding"
        )
        self.transformer_layers = [
            DebertaLayer(settings, initializer, dtype=dtype, name=f"transformer_layer_{index}")
            for index in range(settings.num_hidden_layers)
        ]

        # === Functional model ===
        inputs = token_inputs(self.segment_embedding is not None)
        x = self.token_embedding(inputs["token_ids"])  # (batch, length, embedding)
        if self.position_embedding is not None:
            x = x + self.position_embedding(x)
        if self.segment_embedding is not None:
            x = x + self.segment_embedding(inputs["segment_ids"])
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)  # (batch, length, hidden)
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        distances = self.distance_embedding(x)  # (1, 2 * length - 1, hidden)
        for layer in self.transformer_layers:
            x = layer(x, distances, inputs["padding_mask"])
        super().__init__(settings, inputs=inputs, outputs=x, dtype=dtype, **kwargs)


def deberta_weights(encoder: DebertaEncoder, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of a DeBERTa; see `build.encoder_weights`.

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
        vocabulary_weight(encoder.token_embedding.embeddings, words, rows, seed),
        *_place_weights(encoder),
        *layer_norm_weights(encoder.embeddings_layer_norm, "embeddings.LayerNorm"),
        plain_weight(distances.embedding.embeddings, "encoder.rel_embeddings.weight"),
    ]
    if encoder.embeddings_projection is not None:
        weights += dense_weights(encoder.embeddings_projection, "embeddings.embed_proj")
    if distances.layer_norm is not None:
        weights += layer_norm_weights(distances.layer_norm, "encoder.LayerNorm")
    for index, layer in enumerate(encoder.transformer_layers):
        weights += _layer_weights(layer, f"encoder.layer.{index}")
    return weights


def _place_weights(encoder: DebertaEncoder) -> list[Weight]:
    """Absolute positions and token types, of which a DeBERTa may have either, both or none."""
    segments = encoder.segment_embedding
    if encoder.position_embedding is not None and encoder.configuration.type_vocab_size:
        return position_weights(encoder)
    if encoder.position_embedding is not None:
        return [plain_weight(encoder.position_embedding.position_embeddings, POSITIONS)]
    return [] if segments is None else [plain_weight(segments.embeddings, TOKEN_TYPES)]


def _layer_weights(layer: DebertaLayer, key: str) -> list[Weight]:
    attention, inside = layer.attention, f"{key}.attention.self"
    weights = [
        *dense_weights(attention.query_dense, f"{inside}.query_proj"),
        *dense_weights(attention.key_dense, f"{inside}.key_proj"),
        *dense_weights(attention.value_dense, f"{inside}.value_proj"),
        *dense_weights(attention.output_dense, f"{key}.attention.output.dense", inputs=2),
        *layer_norm_weights(layer.attention_layer_norm, f"{key}.attention.output.LayerNorm"),
        *dense_weights(layer.intermediate_dense, f"{key}.intermediate.dense"),
        *dense_weights(layer.output_dense, f"{key}.output.dense"),
        *layer_norm_weights(layer.output_layer_norm, f"{key}.output.LayerNorm"),
    ]
    if attention.position_key_dense is not None:
        weights += dense_weights(attention.position_key_dense, f"{inside}.pos_key_proj")
    if attention.position_query_dense is not None:
        weights += dense_weights(attention.position_query_dense, f"{inside}.pos_query_proj")
    return weights
