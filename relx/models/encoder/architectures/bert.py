"""The encoder of BERT's build, and its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from relx.models.encoder.architectures.attention import dot_product_attention, gather_states
from relx.models.encoder.architectures.backbone import EncoderBackbone, token_inputs
from relx.models.encoder.architectures.layers import PACKAGE, Shape, Tensor
from relx.models.encoder.architectures.sublayers import PostNormLayer, Sublayers
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import configuration_of

_Settings = EncoderConfig | Mapping[str, Any]


@keras.saving.register_keras_serializable(PACKAGE)
class EncoderLayer(PostNormLayer):
    """One layer: attention, then a feed-forward block, with a layer norm after each.

    Args:
        configuration: The encoder's configuration, or what `to_dict` of it returns.
        initializer: How matrices start; see `Encoder`.
    """

    def __init__(
        self, configuration: _Settings, initializer: str | None = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, EncoderConfig)
        super().__init__(settings, **kwargs)
        new, hidden = Sublayers(settings, initializer, self.dtype_policy), settings.hidden_size
        self.query_dense = new.dense(hidden, "query_dense")
        self.key_dense = new.dense(hidden, "key_dense")
        self.value_dense = new.dense(hidden, "value_dense")
        self.attention_output_dense = new.dense(hidden, "attention_output_dense")
        self.attention_layer_norm = new.layer_norm("attention_layer_norm")
        self.output_layer_norm = new.layer_norm("output_layer_norm")
        self.intermediate_dense = new.dense(settings.intermediate_size, "intermediate_dense")
        self.activation = new.activation()
        self.output_dense = new.dense(hidden, "output_dense")
        rate, weight_rate = settings.hidden_dropout_prob, settings.attention_probs_dropout_prob
        self.weight_dropout = new.dropout(weight_rate, "weight_dropout")
        self.attention_dropout = new.dropout(rate, "attention_dropout")
        self.output_dropout = new.dropout(rate, "output_dropout")

    def build(
        self,
        x_shape: Shape,
        padding_mask_shape: Shape | None = None,
        positions_shape: Shape | None = None,
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

    def call(
        self,
        x: Tensor,
        padding_mask: Tensor,
        positions: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Computes the layer, everywhere or at some positions alone, which still see all others.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            padding_mask: `(batch, length)`.
            positions: Where to compute, `(batch, places)`; everywhere unless given.
            training: Whether dropout drops.

        Returns:
            `(batch, length or places, hidden)`.
        """
        places = x if positions is None else gather_states(x, positions)  # (batch, places, hidden)
        context = self._attend(x, places, padding_mask, training)
        rows = ops.reshape(places, (-1, self.configuration.hidden_size))  # (batch * places, hidden)
        context = self.attention_output_dense(ops.reshape(context, ops.shape(rows)))
        return ops.reshape(self.feed_forward(rows, context), ops.shape(places))

    def _attend(self, x: Tensor, places: Tensor, padding_mask: Tensor, training: bool) -> Tensor:
        """Lets the places attend to all of `x`: `(batch, places, heads, head size)`."""
        # A scaled projection is a scaled query, of fewer numbers than there are queries.
        scale = self.head_size**-0.5
        query = (self.query_dense.kernel * scale, self.query_dense.bias * scale)
        others = [(dense.kernel, dense.bias) for dense in (self.key_dense, self.value_dense)]
        if places is x:
            queries, keys, values = self._project(x, [query, *others])
        else:
            (queries,) = self._project(places, [query])
            keys, values = self._project(x, others)
        mask = padding_mask[:, None, None, :]  # (batch, 1, 1, length)
        return dot_product_attention(queries, keys, values, mask, self.weight_dropout, training)

    def _project(self, x: Tensor, projections: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Projects in one product; each result is `(batch, heads, length, head size)`."""
        batch, length, width = ops.shape(x)
        kernels, biases = zip(*projections, strict=True)
        rows = ops.matmul(ops.reshape(x, (-1, width)), ops.concatenate(kernels, axis=1))
        rows = ops.add(rows, ops.concatenate(biases, axis=0))  # (rows, projections * hidden)
        split = ops.reshape(rows, (batch, length, len(projections), -1, self.head_size))
        # (projections, batch, heads, length, head size)
        return list(ops.unstack(ops.transpose(split, (2, 0, 3, 1, 4)), axis=0))

    def compute_output_shape(
        self,
        x_shape: Shape,
        padding_mask_shape: Shape | None = None,
        positions_shape: Shape | None = None,
    ) -> Shape:
        """Returns `(batch, length or places, hidden)`."""
        return x_shape if positions_shape is None else (*positions_shape, x_shape[-1])


@keras.saving.register_keras_serializable(PACKAGE)
class Encoder(EncoderBackbone):
    """A Transformer encoder with layer norms after each block.

    It is BERT, RoBERTa, XLM-R and DistilBERT; with embeddings of another width than the hidden
    states, ELECTRA; and with layers that share weights, ALBERT.

    Args:
        configuration: The sizes and settings, or what `to_dict` of them returns.
        initializer: The name of how matrices start; truncated normal of `initializer_range` unless
            given. A loader passes `zeros`, which costs nothing, and assigns every weight.
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
        configuration: _Settings,
        initializer: str | None = None,
        dtype: keras.DTypePolicy | str | None = None,
        **kwargs: Any,
    ) -> None:
        settings = configuration_of(configuration, EncoderConfig)
        new = Sublayers(settings, initializer, dtype)

        # === Layers ===
        self.token_embedding = new.token_embedding()
        self.position_embedding = new.position_embedding()
        self.segment_embedding = new.segment_embedding()
        self.embeddings_layer_norm = new.layer_norm("embeddings_layer_norm")
        self.embeddings_dropout = new.dropout(settings.hidden_dropout_prob, "embeddings_dropout")
        self.embeddings_projection = new.embeddings_projection()
        self.transformer_layers = [
            EncoderLayer(settings, initializer, dtype=dtype, name=f"transformer_layer_{index}")
            for index in range(max(settings.layer_sequence) + 1)
        ]

        # === Functional model ===
        inputs = token_inputs(self.segment_embedding is not None)
        tokens = self.token_embedding(inputs["token_ids"])  # (batch, length, embedding)
        x = tokens + self.position_embedding(tokens)
        if self.segment_embedding is not None:
            x = x + self.segment_embedding(inputs["segment_ids"])
        x = self.embeddings_dropout(self.embeddings_layer_norm(x))
        if self.embeddings_projection is not None:
            x = self.embeddings_projection(x)  # (batch, length, hidden)
        *first, last = (self.transformer_layers[index] for index in settings.layer_sequence)
        for layer in first:
            x = layer(x, inputs["padding_mask"])
        self._last_layer, self._before_last = last, x
        outputs = last(x, inputs["padding_mask"])
        super().__init__(settings, inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)

    def states_at(self, positions: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the last layer at some positions alone; see `EncoderBackbone.states_at`."""
        return self._last_layer(self._before_last, self.input["padding_mask"], positions)
