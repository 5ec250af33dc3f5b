"""The sublayers that the architectures build alike, from an encoder's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import keras_hub

from relx.models.encoder.architectures.layers import Activation, Dropout, LayerNorm, Tensor
from relx.models.encoder.families.family import EncoderConfig

Initializer: TypeAlias = "str | keras.initializers.Initializer"


def fresh_initializer(name: str | None, configuration: EncoderConfig) -> Initializer:
    """Returns an initializer for one layer; two layers with one object would start alike.

    Args:
        name: An initializer's name; truncated normal of `initializer_range` unless given.
        configuration: The configuration.

    Returns:
        What a Keras layer takes as an initializer.
    """
    return name or keras.initializers.TruncatedNormal(stddev=configuration.initializer_range)


@dataclass(frozen=True, slots=True)
class Sublayers:
    """Builds sublayers that share an encoder's settings.

    With a random initializer each draws a seed when it is built, dropout does so always: the order
    in which they are built is part of what a seed computes.

    Args:
        configuration: The encoder's configuration.
        initializer: The name of how matrices start; see `Encoder`.
        dtype: The precision: a policy or its name; the global policy where it is None.
    """

    configuration: EncoderConfig
    initializer: str | None
    dtype: keras.DTypePolicy | str | None

    def dense(self, units: int, name: str, use_bias: bool = True) -> keras.layers.Dense:
        """Builds a dense layer."""
        return keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=fresh_initializer(self.initializer, self.configuration),
            dtype=self.dtype,
            name=name,
        )

    def einsum_dense(
        self, equation: str, shape: tuple[int | None, ...], name: str, bias_axes: str | None
    ) -> keras.layers.EinsumDense:
        """Builds a dense layer over several axes; see `keras.layers.EinsumDense`."""
        return keras.layers.EinsumDense(
            equation,
            shape,
            bias_axes=bias_axes,
            kernel_initializer=fresh_initializer(self.initializer, self.configuration),
            dtype=self.dtype,
            name=name,
        )

    def layer_norm(self, name: str, center: bool = True) -> LayerNorm:
        """Builds a layer norm; `center` says whether it has a bias."""
        epsilon = self.configuration.layer_norm_eps
        return LayerNorm(epsilon=epsilon, center=center, dtype=self.dtype, name=name)

    def dropout(self, rate: float, name: str) -> Dropout:
        """Builds a dropout layer."""
        return Dropout(rate, dtype=self.dtype, name=name)

    def activation(self) -> Activation:
        """Builds the activation of a feed-forward block."""
        return Activation(self.configuration.hidden_act, dtype=self.dtype, name="activation")

    def table(self, rows: int, width: int, name: str) -> keras.layers.Embedding:
        """Builds a table with a vector of `width` numbers for each of `rows`."""
        return keras.layers.Embedding(
            rows,
            width,
            embeddings_initializer=fresh_initializer(self.initializer, self.configuration),
            dtype=self.dtype,
            name=name,
        )

    def token_embedding(self) -> keras_hub.layers.ReversibleEmbedding:
        """Builds the token table, which the masked-LM head projects with."""
        return keras_hub.layers.ReversibleEmbedding(
            self.configuration.vocab_size,
            self.configuration.embedding_width,
            embeddings_initializer=fresh_initializer(self.initializer, self.configuration),
            dtype=self.dtype,
            name="token_embedding",
        )

    def position_embedding(self) -> keras_hub.layers.PositionEmbedding:
        """Builds the table of absolute positions."""
        return keras_hub.layers.PositionEmbedding(
            self.configuration.max_sequence_length,
            initializer=fresh_initializer(self.initializer, self.configuration),
            dtype=self.dtype,
            name="position_embedding",
        )

    def segment_embedding(self) -> keras.layers.Embedding | None:
        """Builds the table of token types; a single type needs none."""
        settings = self.configuration
        if settings.num_segments == 1:
            return None
        return self.table(settings.num_segments, settings.embedding_width, "segment_embedding")

    def embeddings_projection(self, use_bias: bool = True) -> keras.layers.Dense | None:
        """Builds the dense layer from the embeddings to the hidden states, where there is one."""
        if not self.configuration.has_projection:
            return None
        return self.dense(self.configuration.hidden_size, "embeddings_projection", use_bias)


class ConfiguredLayer(keras.layers.Layer):
    """A layer that is built from the encoder's configuration alone.

    Args:
        configuration: The encoder's configuration.
    """

    def __init__(self, configuration: EncoderConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration

    @property
    def head_size(self) -> int:
        """Width of an attention head."""
        return self.configuration.hidden_size // self.configuration.num_attention_heads

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


class PostNormLayer(ConfiguredLayer):
    """A Transformer layer with a layer norm behind each of its two blocks, as BERT has it.

    Attributes:
        attention_layer_norm: The layer norm behind attention.
        intermediate_dense: The first dense layer of the feed-forward block.
        activation: Its activation.
        output_dense: Its second dense layer.
        output_layer_norm: The layer norm behind it.
        attention_dropout: The dropout on what attention gives.
        output_dropout: The dropout on what the feed-forward block gives.
    """

    attention_layer_norm: LayerNorm
    intermediate_dense: keras.layers.Dense
    activation: Activation
    output_dense: keras.layers.Dense
    output_layer_norm: LayerNorm
    attention_dropout: Dropout
    output_dropout: Dropout

    def feed_forward(self, rows: Tensor, context: Tensor) -> Tensor:
        """Adds what attention gives, and goes through the feed-forward block.

        Both are matrices of rows: TensorFlow fuses product, bias and gelu of matrices alone.

        Args:
            rows: The layer's hidden states, `(rows, hidden)`.
            context: What attention gives for them, the same shape.

        Returns:
            `(rows, hidden)`.
        """
        rows = self.attention_layer_norm(rows + self.attention_dropout(context))
        inner = self.activation(self.intermediate_dense(rows))  # (rows, intermediate)
        return self.output_layer_norm(rows + self.output_dropout(self.output_dense(inner)))
