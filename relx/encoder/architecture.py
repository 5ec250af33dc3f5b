"""The encoder that BERT and its kin share, built of KerasHub's layers, and the masked-LM head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_hub
from keras import ops

from relx.encoder.families import FAMILIES, EncoderConfig

PACKAGE = "relx"


@keras.saving.register_keras_serializable(PACKAGE)  # type: ignore[untyped-decorator]
def gelu_approximate(x: Any) -> Any:
    """Returns the tanh approximation of gelu, which some checkpoints were trained with."""
    return keras.activations.gelu(x, approximate=True)


def activation_named(name: str) -> str | Callable[[Any], Any]:
    """Returns Keras' activation for a `hidden_act`.

    Args:
        name: One of `configuration.ACTIVATIONS`.

    Returns:
        What a Keras layer takes as `activation`.
    """
    return gelu_approximate if name.startswith("gelu_") else name


def configuration_of(settings: EncoderConfig | Mapping[str, Any]) -> Any:
    """Returns a configuration of its family's class.

    Args:
        settings: The configuration, or what its `to_dict` returned.

    Returns:
        The configuration.
    """
    if isinstance(settings, EncoderConfig):
        return settings
    return FAMILIES[settings["model_type"]].configuration(**settings)


def starts(name: str | None, configuration: EncoderConfig) -> Any:
    """Returns an initializer for one layer; two layers with one object would start alike.

    Args:
        name: An initializer's name; truncated normal of `initializer_range` unless given.
        configuration: The configuration.

    Returns:
        What a Keras layer takes as an initializer.
    """
    return name or keras.initializers.TruncatedNormal(stddev=configuration.initializer_range)


class EncoderBackbone(keras_hub.models.Backbone):
    """What every encoder here is: tokens to hidden states, with its configuration.

    Inputs are `token_ids` and `padding_mask` (1 for a token, 0 for padding) and, where the
    configuration has more than one token type, `segment_ids`: each `(batch, length)`, int32. The
    output is the last hidden states, `(batch, length, hidden)`.

    Attributes:
        token_embedding: The token table, which the masked-LM head projects with.
        transformer_layers: The layers, in the order of a file.
        configuration: The sizes and settings.
        hidden_dim: Width of the hidden states.
        num_segments: Token types.
        max_sequence_length: The longest text, in tokens.
    """

    token_embedding: Any
    transformer_layers: list[Any]

    def __init__(self, configuration: EncoderConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration
        self.hidden_dim = configuration.hidden_size
        self.num_segments = configuration.num_segments
        self.max_sequence_length = configuration.max_sequence_length

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds an equal encoder from, without its weights."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class Encoder(EncoderBackbone):
    """A Transformer encoder with layer norms after each block.

    It holds BERT, RoBERTa, XLM-R and DistilBERT; with embeddings of another width than the hidden
    states ELECTRA; and with layers that share weights ALBERT.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: The name of how matrices start; truncated normal of `initializer_range` unless
            given. A loader says `zeros`, which costs nothing, and assigns every weight.
        dtype: The precision; the global policy unless said otherwise. Variables stay float32.

    Example:
        ```python
        encoder = Encoder(EncoderConfig("roberta", 100, 16, 2, 2, 32, 34, 1, pad_token_id=1))
        token_ids = np.ones((4, 8), "int32")
        encoder({"token_ids": token_ids, "padding_mask": token_ids})  # (4, 8, 16)
        ```
    """

    def __init__(
        self,
        configuration: EncoderConfig | Mapping[str, Any],
        initializer: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        settings: EncoderConfig = configuration_of(configuration)

        # === Layers ===
        self.token_embedding = keras_hub.layers.ReversibleEmbedding(
            settings.vocab_size,
            settings.embedding_width,
            embeddings_initializer=starts(initializer, settings),
            dtype=dtype,
            name="token_embedding",
        )
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
        self.embeddings_layer_norm = keras.layers.LayerNormalization(
            epsilon=settings.layer_norm_eps, dtype=dtype, name="embeddings_layer_norm"
        )
        self.embeddings_dropout = keras.layers.Dropout(
            settings.hidden_dropout_prob, dtype=dtype, name="embeddings_dropout"
        )
        self.embeddings_projection = None
        if settings.has_projection:
            self.embeddings_projection = keras.layers.Dense(
                settings.hidden_size,
                kernel_initializer=starts(initializer, settings),
                dtype=dtype,
                name="embeddings_projection",
            )
        self.transformer_layers = [
            keras_hub.layers.TransformerEncoder(
                num_heads=settings.num_attention_heads,
                intermediate_dim=settings.intermediate_size,
                activation=activation_named(settings.hidden_act),
                dropout=settings.hidden_dropout_prob,
                layer_norm_epsilon=settings.layer_norm_eps,
                kernel_initializer=starts(initializer, settings),
                dtype=dtype,
                name=f"transformer_layer_{index}",
            )
            for index in range(max(settings.layer_sequence) + 1)
        ]

        # === Functional model ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        tokens = self.token_embedding(token_ids)  # (batch, length, embedding)
        x = tokens + self.position_embedding(tokens)
        if self.segment_embedding is not None:
            inputs["segment_ids"] = keras.Input((None,), dtype="int32", name="segment_ids")
            x = x + self.segment_embedding(inputs["segment_ids"])
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)
        for index in settings.layer_sequence:
            x = self.transformer_layers[index](x, padding_mask=padding_mask)
        super().__init__(settings, inputs=inputs, outputs=x, dtype=dtype, **kwargs)


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedLMHead(keras.layers.Layer):
    """Scores every token of the vocabulary at the masked positions, and computes no others.

    Dense, activation, layer norm, then a projection with the encoder's token embedding and a bias.

    Args:
        token_embedding: The encoder's token embedding; its table is the projection.
        activation: A `hidden_act`.
        layer_norm_epsilon: Epsilon of the layer norm.
        dense_bias: Whether the dense layer has a bias.
        norm_bias: Whether the layer norm has one.
        output_bias: Whether the projection has one.
        initializer: How the dense matrix starts.
    """

    def __init__(
        self,
        token_embedding: Any,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        dense_bias: bool = True,
        norm_bias: bool = True,
        output_bias: bool = True,
        initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        # The sublayers follow the precision policy; the bias and the logits stay float32.
        super().__init__(autocast=False, **kwargs)
        self.token_embedding = token_embedding
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dense_bias, self.norm_bias, self.output_bias = dense_bias, norm_bias, output_bias
        self.dense = keras.layers.Dense(
            token_embedding.output_dim,
            activation=activation_named(activation),
            use_bias=dense_bias,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon,
            center=norm_bias,
            dtype=self.dtype_policy,
            name="layer_norm",
        )

    def build(self, hidden_shape: Any, positions_shape: Any = None) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        self.dense.build(hidden_shape)
        self.layer_norm.build((None, None, self.token_embedding.output_dim))
        self.bias = None
        if self.output_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.token_embedding.input_dim,), initializer="zeros"
            )
        self.built = True

    def call(self, hidden: Any, positions: Any) -> Any:
        """Scores the vocabulary at some positions.

        Args:
            hidden: Hidden states, `(batch, length, hidden)`.
            positions: Token positions, `(batch, slots)`, int32.

        Returns:
            Logits, `(batch, slots, vocabulary)`, float32.
        """
        batch, length, width = ops.shape(hidden)
        starts = ops.expand_dims(ops.arange(batch, dtype="int32") * length, axis=1)
        rows = ops.reshape(hidden, (-1, width))  # (batch * length, hidden)
        masked = ops.take(rows, ops.cast(positions, "int32") + starts, axis=0)
        logits = self.token_embedding(self.layer_norm(self.dense(masked)), reverse=True)
        logits = ops.cast(logits, "float32")
        return logits if self.bias is None else logits + ops.cast(self.bias, "float32")

    def compute_output_shape(self, hidden_shape: Any, positions_shape: Any) -> tuple[Any, ...]:
        """Returns `(batch, slots, vocabulary)`."""
        return (*positions_shape, self.token_embedding.input_dim)

    def compute_output_spec(self, hidden: Any, positions: Any) -> Any:
        """Returns the logits' shape and their precision, float32 under every policy."""
        shape = self.compute_output_shape(hidden.shape, positions.shape)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Returns the settings, with the token embedding's own."""
        return {
            **super().get_config(),
            "token_embedding": keras.layers.serialize(self.token_embedding),
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "dense_bias": self.dense_bias,
            "norm_bias": self.norm_bias,
            "output_bias": self.output_bias,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskedLMHead:
        """Builds a head from `get_config`'s settings."""
        config.pop("autocast", None)
        embedding = keras.layers.deserialize(config.pop("token_embedding"))
        return cls(token_embedding=embedding, **config)
