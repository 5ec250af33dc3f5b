"""ModernBERT: rotated positions, local and global attention in turn, gated feed-forward blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from relx.models.encoder.architectures.attention import attended
from relx.models.encoder.architectures.backbone import EncoderBackbone, starts
from relx.models.encoder.architectures.layers import PACKAGE, Activation, Dropout, LayerNorm
from relx.models.encoder.architectures.weights import Weight, dense, layer_norm, vocabulary
from relx.models.encoder.families.modernbert import ModernBertConfig
from relx.models.encoder.families.registry import configuration_of

Settings = ModernBertConfig | Mapping[str, Any]


def rotated(x: Any, theta: float) -> Any:
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
    angles = positions[:, None] * ops.convert_to_tensor(speeds.astype(np.float32))
    cosines, sines = ops.cos(angles), ops.sin(angles)  # (length, half)
    wide = ops.cast(x, "float32")
    first, second = wide[..., :half], wide[..., half:]
    turned = [first * cosines - second * sines, second * cosines + first * sines]
    return ops.cast(ops.concatenate(turned, axis=-1), x.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class ModernBertLayer(keras.layers.Layer):
    """One layer: attention, then a gated feed-forward block, with a layer norm before each.

    Args:
        configuration: The encoder's configuration.
        index: The layer's number; the first has no layer norm before its attention.
        initializer: How matrices start.
    """

    def __init__(
        self, configuration: Settings, index: int, initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration_of(configuration, ModernBertConfig)
        self.index = index
        self.initializer = initializer
        settings = self.configuration
        heads = settings.num_attention_heads
        self.head_size = settings.hidden_size // heads
        self.attention_layer_norm = self._layer_norm("attention_layer_norm") if index else None
        self.query_key_value_dense = self._einsum(
            "abc,cdef->abdef",
            (None, 3, heads, self.head_size),
            "def" if settings.attention_bias else None,
            "query_key_value",
        )
        self.attention_output_dense = self._einsum(
            "abcd,cde->abe",
            (None, settings.hidden_size),
            "e" if settings.attention_bias else None,
            "attention_output",
        )
        self.feedforward_layer_norm = self._layer_norm("feedforward_layer_norm")
        self.intermediate_dense = self._dense(2 * settings.intermediate_size, "intermediate_dense")
        self.activation = Activation(
            settings.hidden_act, dtype=self.dtype_policy, name="activation"
        )
        self.output_dense = self._dense(settings.hidden_size, "output_dense")
        attention_rate = settings.attention_probs_dropout_prob
        self.weight_dropout = self._dropout(attention_rate, "weight_dropout")
        self.attention_dropout = self._dropout(attention_rate, "attention_dropout")
        self.feedforward_dropout = self._dropout(settings.mlp_dropout, "feedforward_dropout")

    def _layer_norm(self, name: str) -> Any:
        return built_layer_norm(self.configuration, self.dtype_policy, name)

    def _einsum(self, equation: str, shape: tuple[Any, ...], bias: str | None, name: str) -> Any:
        return keras.layers.EinsumDense(
            equation,
            shape,
            bias_axes=bias,
            kernel_initializer=starts(self.initializer, self.configuration),
            dtype=self.dtype_policy,
            name=name,
        )

    def _dense(self, units: int, name: str) -> Any:
        return keras.layers.Dense(
            units,
            use_bias=self.configuration.mlp_bias,
            kernel_initializer=starts(self.initializer, self.configuration),
            dtype=self.dtype_policy,
            name=name,
        )

    def _dropout(self, rate: float, name: str) -> Any:
        return Dropout(rate, dtype=self.dtype_policy, name=name)

    def build(self, x_shape: Any, padding_mask_shape: Any = None) -> None:
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

    def call(self, x: Any, padding_mask: Any, training: bool = False) -> Any:
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
        inside = self.intermediate_dense(self.feedforward_layer_norm(x))
        inside, gate = ops.split(inside, 2, axis=-1)
        inside = self.feedforward_dropout(self.activation(inside) * gate)
        return x + self.output_dense(inside)

    def _attend(self, x: Any, padding_mask: Any, training: bool) -> Any:
        projected = self.query_key_value_dense(x)  # (batch, length, 3, heads, head size)
        query, key, values = ops.unstack(ops.transpose(projected, (2, 0, 3, 1, 4)), axis=0)
        theta = self.configuration.rope_theta(self.index)
        query, key = rotated(query * self.head_size**-0.5, theta), rotated(key, theta)
        mask = self._visible(padding_mask, ops.shape(x)[1])
        seen = attended(query, key, values, mask, self.weight_dropout, training)
        return self.attention_output_dense(seen)

    def _visible(self, padding_mask: Any, length: Any) -> Any:
        """Returns which keys each query sees: `(batch, 1, 1 or queries, keys)`."""
        tokens = ops.cast(padding_mask[:, None, None, :], "bool")
        if not self.configuration.is_local(self.index):
            return tokens
        places = ops.arange(length, dtype="int32")
        distances = ops.abs(places[:, None] - places[None, :])
        near = distances <= self.configuration.local_attention // 2
        return ops.logical_and(tokens, near[None, None])

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """Returns the shape of the hidden states."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration and the layer's number."""
        settings = {"configuration": self.configuration.to_dict(), "index": self.index}
        return {**super().get_config(), **settings}


def built_layer_norm(configuration: ModernBertConfig, dtype: Any, name: str) -> Any:
    """Builds a layer norm, with a bias or without.

    Args:
        configuration: The encoder's configuration.
        dtype: The precision.
        name: The layer's name.

    Returns:
        The layer.
    """
    return LayerNorm(
        epsilon=configuration.layer_norm_eps,
        center=configuration.norm_bias,
        dtype=dtype,
        name=name,
    )


@keras.saving.register_keras_serializable(PACKAGE)
class ModernBertEncoder(EncoderBackbone):
    """A ModernBERT.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: See `Encoder`.
        dtype: See `Encoder`.
    """

    def __init__(
        self, configuration: Settings, initializer: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, ModernBertConfig)

        # === Layers ===
        self.token_embedding = keras_hub.layers.ReversibleEmbedding(
            settings.vocab_size,
            settings.hidden_size,
            embeddings_initializer=starts(initializer, settings),
            dtype=dtype,
            name="token_embedding",
        )
        self.embeddings_layer_norm = built_layer_norm(settings, dtype, "embeddings_layer_norm")
        self.embeddings_dropout = Dropout(
            settings.embedding_dropout, dtype=dtype, name="embeddings_dropout"
        )
        self.transformer_layers = [
            ModernBertLayer(
                settings, index, initializer, dtype=dtype, name=f"transformer_layer_{index}"
            )
            for index in range(settings.num_hidden_layers)
        ]
        self.final_layer_norm = built_layer_norm(settings, dtype, "final_layer_norm")

        # === Functional model ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        x = self.embeddings_layer_norm(self.token_embedding(token_ids))
        x = self.embeddings_dropout(x)
        for layer in self.transformer_layers:
            x = layer(x, padding_mask)
        x = self.final_layer_norm(x)
        super().__init__(settings, inputs=inputs, outputs=x, dtype=dtype, **kwargs)


def modernbert_weights(encoder: ModernBertEncoder, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of a ModernBERT; see `weights.encoder_weights`.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable of the encoder, once.
    """
    words = encoder.configuration.family.words
    weights = [
        vocabulary(encoder.token_embedding.embeddings, words, rows, seed),
        *layer_norm(encoder.embeddings_layer_norm, "embeddings.norm"),
        *layer_norm(encoder.final_layer_norm, "final_norm"),
    ]
    for index, layer in enumerate(encoder.transformer_layers):
        key = f"layers.{index}"
        if layer.attention_layer_norm is not None:
            weights += layer_norm(layer.attention_layer_norm, f"{key}.attn_norm")
        weights += [
            *dense(layer.query_key_value_dense, f"{key}.attn.Wqkv"),
            *dense(layer.attention_output_dense, f"{key}.attn.Wo", inputs=2),
            *layer_norm(layer.feedforward_layer_norm, f"{key}.mlp_norm"),
            *dense(layer.intermediate_dense, f"{key}.mlp.Wi"),
            *dense(layer.output_dense, f"{key}.mlp.Wo"),
        ]
    return weights
