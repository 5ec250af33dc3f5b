"""The encoder of BERT's build, and its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_hub
from keras import ops

from relx.models.encoder.architectures.attention import attended, picked
from relx.models.encoder.architectures.backbone import EncoderBackbone, starts
from relx.models.encoder.architectures.layers import PACKAGE, Activation, Dropout, LayerNorm
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import configuration_of


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
        self.configuration = configuration_of(configuration, EncoderConfig)
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
        encoder = Encoder(RobertaConfig(100, 16, 2, 2, 32, 34, 1, pad_token_id=1))
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
        settings = configuration_of(configuration, EncoderConfig)

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
