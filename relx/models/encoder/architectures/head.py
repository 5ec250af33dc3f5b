"""The masked-LM head."""

from __future__ import annotations

from typing import Any

import keras
import keras_hub
from keras import ops

from relx.models.encoder.architectures.layers import PACKAGE, Activation, LayerNorm, Shape, Tensor
from relx.models.encoder.architectures.sublayers import Initializer


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
        token_embedding: keras_hub.layers.ReversibleEmbedding,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        dense_bias: bool = True,
        norm_bias: bool = True,
        output_bias: bool = True,
        initializer: Initializer = "glorot_uniform",
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

    def build(self, hidden_shape: Shape) -> None:
        """Creates the weights for hidden states of shape `(batch, places, hidden)`."""
        self.dense.build(hidden_shape)
        self.layer_norm.build((None, self.token_embedding.output_dim))
        self.bias = None
        if self.output_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.token_embedding.input_dim,), initializer="zeros"
            )
        self.built = True

    def call(self, hidden: Tensor) -> Tensor:
        """Scores the vocabulary.

        Args:
            hidden: Hidden states, `(batch, places, hidden)`.

        Returns:
            Logits, `(batch, places, vocabulary)`, float32.
        """
        batch, places, width = ops.shape(hidden)
        rows = ops.reshape(hidden, (-1, width))  # (batch * places, hidden)
        rows = self.dense_activation(self.dense(rows))  # (batch * places, embedding)
        # (batch * places, vocabulary)
        logits = self.token_embedding(self.layer_norm(rows), reverse=True)
        logits = ops.cast(logits, "float32")
        if self.bias is not None:
            logits = ops.add(logits, ops.cast(self.bias, "float32"))
        return ops.reshape(logits, (batch, places, self.token_embedding.input_dim))

    def compute_output_shape(self, hidden_shape: Shape) -> Shape:
        """Returns `(batch, places, vocabulary)`."""
        return (*hidden_shape[:-1], self.token_embedding.input_dim)

    def compute_output_spec(self, hidden: keras.KerasTensor) -> keras.KerasTensor:
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
