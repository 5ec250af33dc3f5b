"""ModernBERT: rotated positions, local and global attention in turn, gated feed-forward blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.encoder.architectures.attention import dot_product_attention
from relx.models.encoder.architectures.backbone import EncoderBackbone, token_inputs
from relx.models.encoder.architectures.layers import PACKAGE, Shape, Tensor
from relx.models.encoder.architectures.sublayers import ConfiguredLayer, Sublayers
from relx.models.encoder.architectures.weights import (
    Weight,
    dense_weights,
    layer_norm_weights,
    vocabulary_weight,
)
from relx.models.encoder.families.modernbert import ModernBertConfig
from relx.models.encoder.families.registry import configuration_of

_Settings = ModernBertConfig | Mapping[str, Any]


def rotate_positions(x: Tensor, theta: float) -> Tensor:
    """Rotates pairs of numbers by angles that grow with the position.

    Su et al. 2021, arXiv 2104.09864; a pair is a number of the first half of a head and its
    counterpart in the second.

    Args:
        x: `(batch, heads, length, head size)`.
        theta: The base of the angles.

    Returns:
        The same shape and precision; computed in float32.
    """
    half = x.shape[-1] // 2
    speeds = 1.0 / theta ** (np.arange(0, 2 * half, 2, dtype=np.float32) / (2 * half))
    positions = ops.cast(ops.arange(ops.shape(x)[2], dtype="int32"), "float32")
    angles = positions[:, None] * ops.convert_to_tensor(speeds.astype(np.float32))  # (length, half)
    cosines, sines = ops.cos(angles), ops.sin(angles)
    wide = ops.cast(x, "float32")
    first, second = wide[..., :half], wide[..., half:]
    turned = [first * cosines - second * sines, second * cosines + first * sines]
    return ops.cast(ops.concatenate(turned, axis=-1), x.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class ModernBertLayer(ConfiguredLayer):
    """One layer: attention, then a gated feed-forward block, with a layer norm before each.

    Args:
        configuration: The encoder's configuration.
        index: The layer's number; the first has no layer norm before its attention.
        initializer: How matrices start; see `Encoder`.
    """

    configuration: ModernBertConfig

    def __init__(
        self, configuration: _Settings, index: int, initializer: str | None = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, ModernBertConfig)
        super().__init__(settings, **kwargs)
        self.index = index
        new, hidden = Sublayers(settings, initializer, self.dtype_policy), settings.hidden_size
        biased, center = settings.attention_bias, settings.norm_bias
        self.attention_layer_norm = None
        if index:
            self.attention_layer_norm = new.layer_norm("attention_layer_norm", center)
        # (batch, length, 3, heads, head size)
        shape = (None, 3, settings.num_attention_heads, self.head_size)
        self.query_key_value_dense = new.einsum_dense(
            "abc,cdef->abdef", shape, "query_key_value", bias_axes="def" if biased else None
        )
        self.attention_output_dense = new.einsum_dense(
            "abcd,cde->abe", (None, hidden), "attention_output", bias_axes="e" if biased else None
        )
        self.feedforward_layer_norm = new.layer_norm("feedforward_layer_norm", center)
        width, with_bias = settings.intermediate_size, settings.mlp_bias
        self.intermediate_dense = new.dense(2 * width, "intermediate_dense", with_bias)
        self.activation = new.activation()
        self.output_dense = new.dense(hidden, "output_dense", with_bias)
        attention_rate = settings.attention_probs_dropout_prob
        self.weight_dropout = new.dropout(attention_rate, "weight_dropout")
        self.attention_dropout = new.dropout(attention_rate, "attention_dropout")
        self.feedforward_dropout = new.dropout(settings.mlp_dropout, "feedforward_dropout")

    def build(self, x_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        settings = self.configuration
        shape = (None, None, settings.hidden_size)
        if self.attention_layer_norm is not None:
            self.attention_layer_norm.build(shape)
        self.query_key_value_dense.build(shape)
        heads = settings.num_attention_heads
        self.attention_output_dense.build((None, None, heads, self.head_size))
        self.feedforward_layer_norm.build(shape)
        self.intermediate_dense.build(shape)
        self.output_dense.build((None, None, settings.intermediate_size))
        self.built = True

    def call(self, x: Tensor, padding_mask: Tensor, training: bool = False) -> Tensor:
        """Computes the layer.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            padding_mask: `(batch, length)`.
            training: Whether dropout drops.

        Returns:
            `(batch, length, hidden)`.
        """
        normed = x if self.attention_layer_norm is None else self.attention_layer_norm(x)
        x = x + self.attention_dropout(self._attend(normed, padding_mask, training))
        inner = self.intermediate_dense(self.feedforward_layer_norm(x))
        inner, gate = ops.split(inner, 2, axis=-1)  # each (batch, length, intermediate)
        inner = self.feedforward_dropout(self.activation(inner) * gate)
        return x + self.output_dense(inner)

    def _attend(self, x: Tensor, padding_mask: Tensor, training: bool) -> Tensor:
        projected = self.query_key_value_dense(x)  # (batch, length, 3, heads, head size)
        # each (batch, heads, length, head size)
        query, key, values = ops.unstack(ops.transpose(projected, (2, 0, 3, 1, 4)), axis=0)
        theta = self.configuration.rope_theta(self.index)
        query = rotate_positions(query * self.head_size**-0.5, theta)
        key = rotate_positions(key, theta)
        mask = self._attention_mask(padding_mask, ops.shape(x)[1])
        context = dot_product_attention(query, key, values, mask, self.weight_dropout, training)
        return self.attention_output_dense(context)

    def _attention_mask(self, padding_mask: Tensor, length: Any) -> Tensor:
        """Says which keys each query sees: `(batch, 1, 1 or queries, keys)`."""
        tokens = ops.cast(padding_mask[:, None, None, :], "bool")  # (batch, 1, 1, keys)
        if not self.configuration.is_local(self.index):
            return tokens
        places = ops.arange(length, dtype="int32")
        distances = ops.abs(places[:, None] - places[None, :])  # (queries, keys)
        near = distances <= self.configuration.local_attention // 2
        return ops.logical_and(tokens, near[None, None])

    def compute_output_shape(self, x_shape: Shape, *_: Shape) -> Shape:
        """Returns the shape of the hidden states."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration and the layer's number."""
        return {**super().get_config(), "index": self.index}


@keras.saving.register_keras_serializable(PACKAGE)
class ModernBertEncoder(EncoderBackbone):
    """A ModernBERT.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: See `Encoder`.
        dtype: See `Encoder`.
    """

    def __init__(
        self,
        configuration: _Settings,
        initializer: str | None = None,
        dtype: keras.DTypePolicy | str | None = None,
        **kwargs: Any,
    ) -> None:
        settings = configuration_of(configuration, ModernBertConfig)
        new, center = Sublayers(settings, initializer, dtype), settings.norm_bias

        # === Layers ===
        self.token_embedding = new.token_embedding()
        self.embeddings_layer_norm = new.layer_norm("embeddings_layer_norm", center)
        self.embeddings_dropout = new.dropout(settings.embedding_dropout, "embeddings_dropout")
        self.transformer_layers = [
            ModernBertLayer(
                settings, index, initializer, dtype=dtype, name=f"transformer_layer_{index}"
            )
            for index in range(settings.num_hidden_layers)
        ]
        self.final_layer_norm = new.layer_norm("final_layer_norm", center)

        # === Functional model ===
        inputs = token_inputs(segments=False)
        x = self.embeddings_layer_norm(self.token_embedding(inputs["token_ids"]))
        x = self.embeddings_dropout(x)  # (batch, length, hidden)
        for layer in self.transformer_layers:
            x = layer(x, inputs["padding_mask"])
        x = self.final_layer_norm(x)
        super().__init__(settings, inputs=inputs, outputs=x, dtype=dtype, **kwargs)


def modernbert_weights(encoder: ModernBertEncoder, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of a ModernBERT; see `build.encoder_weights`.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable of the encoder, once.
    """
    words = encoder.configuration.family.words
    weights = [
        vocabulary_weight(encoder.token_embedding.embeddings, words, rows, seed),
        *layer_norm_weights(encoder.embeddings_layer_norm, "embeddings.norm"),
        *layer_norm_weights(encoder.final_layer_norm, "final_norm"),
    ]
    for index, layer in enumerate(encoder.transformer_layers):
        key = f"layers.{index}"
        if layer.attention_layer_norm is not None:
            weights += layer_norm_weights(layer.attention_layer_norm, f"{key}.attn_norm")
        weights += [
            *dense_weights(layer.query_key_value_dense, f"{key}.attn.Wqkv"),
            *dense_weights(layer.attention_output_dense, f"{key}.attn.Wo", inputs=2),
            *layer_norm_weights(layer.feedforward_layer_norm, f"{key}.mlp_norm"),
            *dense_weights(layer.intermediate_dense, f"{key}.mlp.Wi"),
            *dense_weights(layer.output_dense, f"{key}.mlp.Wo"),
        ]
    return weights
