"""The encoder that BERT and its kin share, and the masked-LM head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_hub
from keras import ops

from relx.models.encoder.architectures.attention import attended, picked
from relx.models.encoder.architectures.layers import PACKAGE, Activation, Dropout, LayerNorm
from relx.models.encoder.families.family import FAMILIES, EncoderConfig


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

    def states_at(self, positions: Any) -> Any:
        """Returns the last hidden states at some positions, for a model on the encoder's inputs.

        Args:
            positions: `(batch, places)`, int32, a symbolic tensor.

        Returns:
            `(batch, places, hidden)`.
        """
        return StatesAt(dtype=self.dtype_policy.name, name="states_at")(self.output, positions)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds an equal encoder from, without its weights."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class StatesAt(keras.layers.Layer):
    """Picks hidden states at some positions."""

    def call(self, hidden: Any, positions: Any) -> Any:
        """Picks; see `attention.picked`."""
        return picked(hidden, positions)

    def compute_output_shape(self, hidden_shape: Any, positions_shape: Any) -> Any:
        """Returns `(batch, places, hidden)`."""
        return (*positions_shape, hidden_shape[-1])


@keras.saving.register_keras_serializable(PACKAGE)
class EncoderLayer(keras.layers.Layer):
    """One layer: attention, then a feed-forward block, with a layer norm after each.

    Args:
        configuration: The encoder's configuration, or what `to_dict` of it returns.
        initializer: How matrices start; see `Encoder`.
    """

    def __init__(
        self,
        configuration: EncoderConfig | Mapping[str, Any],
        initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.configuration: EncoderConfig = configuration_of(configuration)
        self.initializer = initializer
        settings, policy = self.configuration, self.dtype_policy
        hidden, rate = settings.hidden_size, settings.hidden_dropout_prob
        self.query_dense = self._dense(hidden, "query_dense")
        self.key_dense = self._dense(hidden, "key_dense")
        self.value_dense = self._dense(hidden, "value_dense")
        self.attention_output_dense = self._dense(hidden, "attention_output_dense")
        self.attention_layer_norm = self._layer_norm("attention_layer_norm")
        self.output_layer_norm = self._layer_norm("output_layer_norm")
        self.intermediate_dense = self._dense(settings.intermediate_size, "intermediate_dense")
        self.activation = Activation(settings.hidden_act, dtype=policy, name="activation")
        self.output_dense = self._dense(hidden, "output_dense")
        weight_rate = settings.attention_probs_dropout_prob
        self.weight_dropout = Dropout(weight_rate, dtype=policy, name="weight_dropout")
        self.attention_dropout = Dropout(rate, dtype=policy, name="attention_dropout")
        self.output_dropout = Dropout(rate, dtype=policy, name="output_dropout")

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.configuration.hidden_size // self.configuration.num_attention_heads

    def _dense(self, units: int, name: str) -> Any:
        start = starts(self.initializer, self.configuration)
        return keras.layers.Dense(
            units, kernel_initializer=start, dtype=self.dtype_policy, name=name
        )

    def _layer_norm(self, name: str) -> Any:
        epsilon = self.configuration.layer_norm_eps
        return LayerNorm(epsilon=epsilon, dtype=self.dtype_policy, name=name)

    def build(
        self, x_shape: Any, padding_mask_shape: Any = None, positions_shape: Any = None
    ) -> None:
        """Creates the weights for hidden states of shape `(batch, length, hidden)`."""
        shape = (None, self.configuration.hidden_size)
        for part in (
            self.query_dense,
            self.key_dense,
            self.value_dense,
            self.attention_output_dense,
            self.attention_layer_norm,
            self.output_layer_norm,
            self.intermediate_dense,
        ):
            part.build(shape)
        self.output_dense.build((None, self.configuration.intermediate_size))
        self.built = True

    def call(self, x: Any, padding_mask: Any, positions: Any = None, training: bool = False) -> Any:
        """Computes the layer, at every position or at some, which see all others all the same.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            padding_mask: `(batch, length)`.
            positions: Where to compute, `(batch, places)`; everywhere unless given.
            training: Whether dropout drops.

        Returns:
            `(batch, length or places, hidden)`.
        """
        places = x if positions is None else picked(x, positions)
        seen = self._attend(x, places, padding_mask, training)
        # Matrices of rows from here on: TensorFlow fuses product, bias and gelu of matrices alone.
        rows = ops.reshape(places, (-1, self.configuration.hidden_size))
        seen = self.attention_output_dense(ops.reshape(seen, ops.shape(rows)))
        rows = self.attention_layer_norm(rows + self.attention_dropout(seen))
        deep = self.output_dense(self.activation(self.intermediate_dense(rows)))
        rows = self.output_layer_norm(rows + self.output_dropout(deep))
        return ops.reshape(rows, ops.shape(places))

    def _attend(self, x: Any, places: Any, padding_mask: Any, training: bool) -> Any:
        """Lets places see x: `(batch, places, heads, head size)`."""
        # A scaled projection is a scaled query, of fewer numbers than there are queries.
        scale = self.head_size**-0.5
        query = (self.query_dense.kernel * scale, self.query_dense.bias * scale)
        others = [(dense.kernel, dense.bias) for dense in (self.key_dense, self.value_dense)]
        if places is x:
            queries, keys, values = self._projected(x, [query, *others])
        else:
            (queries,), (keys, values) = (
                self._projected(places, [query]),
                self._projected(x, others),
            )
        mask = padding_mask[:, None, None, :]
        return attended(queries, keys, values, mask, self.weight_dropout, training)

    def _projected(self, x: Any, projections: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Projects in one product; each result is `(batch, heads, length, head size)`."""
        batch, length, width = ops.shape(x)
        kernels, biases = zip(*projections, strict=True)
        rows = ops.matmul(ops.reshape(x, (-1, width)), ops.concatenate(kernels, axis=1))
        rows = ops.add(rows, ops.concatenate(biases, axis=0))
        split = (batch, length, len(projections), -1, self.head_size)
        return list(ops.unstack(ops.transpose(ops.reshape(rows, split), (2, 0, 3, 1, 4)), axis=0))

    def compute_output_shape(
        self, x_shape: Any, padding_mask_shape: Any = None, positions_shape: Any = None
    ) -> Any:
        """Returns `(batch, length or places, hidden)`."""
        return x_shape if positions_shape is None else (*positions_shape, x_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
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
        self.embeddings_layer_norm = LayerNorm(
            epsilon=settings.layer_norm_eps, dtype=dtype, name="embeddings_layer_norm"
        )
        self.embeddings_dropout = Dropout(
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
            EncoderLayer(settings, initializer, dtype=dtype, name=f"transformer_layer_{index}")
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
        *first, last = (self.transformer_layers[index] for index in settings.layer_sequence)
        for layer in first:
            x = layer(x, padding_mask)
        self._last_layer, self._before_last = last, x
        super().__init__(
            settings, inputs=inputs, outputs=last(x, padding_mask), dtype=dtype, **kwargs
        )

    def states_at(self, positions: Any) -> Any:
        """Computes the last layer at some positions alone; see `EncoderBackbone.states_at`."""
        return self._last_layer(self._before_last, self.input["padding_mask"], positions)


@keras.saving.register_keras_serializable(PACKAGE)
class MaskedLMHead(keras.layers.Layer):
    """Scores every token of the vocabulary for each hidden state.

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
            use_bias=dense_bias,
            kernel_initializer=initializer,
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense_activation = Activation(activation, dtype=self.dtype_policy, name="activation")
        self.layer_norm = LayerNorm(
            epsilon=layer_norm_epsilon,
            center=norm_bias,
            dtype=self.dtype_policy,
            name="layer_norm",
        )

    def build(self, hidden_shape: Any) -> None:
        """Creates the weights for hidden states of shape `(batch, places, hidden)`."""
        self.dense.build(hidden_shape)
        self.layer_norm.build((None, self.token_embedding.output_dim))
        self.bias = None
        if self.output_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.token_embedding.input_dim,), initializer="zeros"
            )
        self.built = True

    def call(self, hidden: Any) -> Any:
        """Scores the vocabulary.

        Args:
            hidden: Hidden states, `(batch, places, hidden)`.

        Returns:
            Logits, `(batch, places, vocabulary)`, float32.
        """
        batch, places, width = ops.shape(hidden)
        rows = self.dense_activation(self.dense(ops.reshape(hidden, (-1, width))))
        logits = self.token_embedding(self.layer_norm(rows), reverse=True)
        logits = ops.cast(logits, "float32")
        if self.bias is not None:
            logits = ops.add(logits, ops.cast(self.bias, "float32"))
        return ops.reshape(logits, (batch, places, self.token_embedding.input_dim))

    def compute_output_shape(self, hidden_shape: Any) -> tuple[Any, ...]:
        """Returns `(batch, places, vocabulary)`."""
        return (*hidden_shape[:-1], self.token_embedding.input_dim)

    def compute_output_spec(self, hidden: Any) -> Any:
        """Returns the logits' shape and their precision, float32 under every policy."""
        return keras.KerasTensor(self.compute_output_shape(hidden.shape), dtype="float32")

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
