"""The encoder and its masked-LM head, built of KerasHub's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_hub
from keras import ops

from relx.encoder.configuration import EncoderConfig

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


@keras.saving.register_keras_serializable(PACKAGE)
class Encoder(keras_hub.models.Backbone):
    """A Transformer encoder with layer norms after each block, as in BERT and RoBERTa.

    Inputs are `token_ids` and `padding_mask` (1 for a token, 0 for padding) and, where the
    configuration has more than one token type, `segment_ids`: each `(batch, length)`, int32. The
    output is the last hidden states, `(batch, length, hidden)`.

    Args:
        configuration: The sizes and settings, or what `EncoderConfig.to_dict` returns.
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
        if not isinstance(configuration, EncoderConfig):
            configuration = EncoderConfig(**configuration)

        # === Layers ===
        self.token_embedding = keras_hub.layers.ReversibleEmbedding(
            configuration.vocab_size,
            configuration.hidden_size,
            embeddings_initializer=_initializer(initializer, configuration),
            dtype=dtype,
            name="token_embedding",
        )
        self.position_embedding = keras_hub.layers.PositionEmbedding(
            configuration.max_sequence_length,
            initializer=_initializer(initializer, configuration),
            dtype=dtype,
            name="position_embedding",
        )
        self.segment_embedding = None
        if configuration.num_segments > 1:
            self.segment_embedding = keras.layers.Embedding(
                configuration.num_segments,
                configuration.hidden_size,
                embeddings_initializer=_initializer(initializer, configuration),
                dtype=dtype,
                name="segment_embedding",
            )
        self.embeddings_layer_norm = keras.layers.LayerNormalization(
            epsilon=configuration.layer_norm_eps, dtype=dtype, name="embeddings_layer_norm"
        )
        self.embeddings_dropout = keras.layers.Dropout(
            configuration.hidden_dropout_prob, dtype=dtype, name="embeddings_dropout"
        )
        self.transformer_layers = [
            keras_hub.layers.TransformerEncoder(
                num_heads=configuration.num_attention_heads,
                intermediate_dim=configuration.intermediate_size,
                activation=activation_named(configuration.hidden_act),
                dropout=configuration.hidden_dropout_prob,
                layer_norm_epsilon=configuration.layer_norm_eps,
                kernel_initializer=_initializer(initializer, configuration),
                dtype=dtype,
                name=f"transformer_layer_{index}",
            )
            for index in range(configuration.num_hidden_layers)
        ]

        # === Functional model ===
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="int32", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        tokens = self.token_embedding(token_ids)  # (batch, length, hidden)
        x = tokens + self.position_embedding(tokens)
        if self.segment_embedding is not None:
            inputs["segment_ids"] = keras.Input((None,), dtype="int32", name="segment_ids")
            x = x + self.segment_embedding(inputs["segment_ids"])
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        for layer in self.transformer_layers:
            x = layer(x, padding_mask=padding_mask)
        super().__init__(inputs=inputs, outputs=x, dtype=dtype, **kwargs)

        # === Configuration ===
        self.configuration = configuration
        self.hidden_dim = configuration.hidden_size
        self.num_segments = configuration.num_segments
        self.max_sequence_length = configuration.max_sequence_length

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds an equal encoder from, without its weights."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedLMHead(keras.layers.Layer):
    """Scores every token of the vocabulary at the masked positions, and computes no others.

    Dense, activation, layer norm, then a projection with the encoder's token embedding and a bias.

    Args:
        token_embedding: The encoder's token embedding; its table is the projection.
        activation: A `hidden_act`.
        layer_norm_epsilon: Epsilon of the layer norm.
        initializer: How the dense matrix starts.
    """

    def __init__(
        self,
        token_embedding: Any,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        # The sublayers follow the precision policy; the bias and the logits stay float32.
        super().__init__(autocast=False, **kwargs)
        self.token_embedding = token_embedding
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.dense = keras.layers.Dense(
            token_embedding.output_dim,
            activation=activation_named(activation),
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )

    def build(self, hidden_shape: Any, positions_shape: Any = None) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        self.dense.build(hidden_shape)
        self.layer_norm.build((None, None, self.token_embedding.output_dim))
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
        return ops.cast(logits, "float32") + ops.cast(self.bias, "float32")

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
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskedLMHead:
        """Builds a head from `get_config`'s settings."""
        config.pop("autocast", None)
        embedding = keras.layers.deserialize(config.pop("token_embedding"))
        return cls(token_embedding=embedding, **config)


def build_encoder(configuration: EncoderConfig, initializer: str | None = None) -> Encoder:
    """Builds an encoder under the global precision policy.

    Args:
        configuration: The sizes and settings.
        initializer: How matrices start; see `Encoder`.

    Returns:
        The encoder, every variable created.
    """
    return Encoder(configuration, initializer=initializer, name="encoder")


def build_head(encoder: Encoder, initializer: str | None = None) -> MaskedLMHead:
    """Builds the masked-LM head of an encoder.

    Args:
        encoder: The encoder, whose token embedding the head projects with.
        initializer: How the dense matrix starts; see `Encoder`.

    Returns:
        The head, every variable created.
    """
    configuration = encoder.configuration
    head = MaskedLMHead(
        encoder.token_embedding,
        activation=configuration.head_activation,
        layer_norm_epsilon=configuration.layer_norm_eps,
        initializer=_initializer(initializer, configuration),
        name="masked_lm_head",
    )
    head.build((None, None, configuration.hidden_size))
    return head


def _initializer(name: str | None, configuration: EncoderConfig) -> Any:
    """Returns an initializer for one layer; two layers with one object would start alike."""
    return name or keras.initializers.TruncatedNormal(stddev=configuration.initializer_range)
