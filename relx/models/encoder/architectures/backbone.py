"""What the encoders of all families have in common."""

from __future__ import annotations

from typing import Any

import keras
import keras_hub

from relx.models.encoder.architectures.attention import gather_states
from relx.models.encoder.architectures.layers import PACKAGE, Shape, Tensor
from relx.models.encoder.families.family import EncoderConfig


def token_inputs(segments: bool) -> dict[str, keras.KerasTensor]:
    """Creates the inputs of an encoder, each `(batch, length)` int32.

    Args:
        segments: Whether it takes token types.

    Returns:
        `token_ids`, `padding_mask` and, with token types, `segment_ids`.
    """
    names = ("token_ids", "padding_mask", "segment_ids")[: 3 if segments else 2]
    return {name: keras.Input((None,), dtype="int32", name=name) for name in names}


class EncoderBackbone(keras_hub.models.Backbone):
    """An encoder: from tokens to hidden states, with its configuration.

    Inputs are `token_ids` and `padding_mask` (1 for a token, 0 for padding) and, where the
    configuration has more than one token type, `segment_ids`: each `(batch, length)`, int32. The
    output is the last hidden states, `(batch, length, hidden)`.

    Attributes:
        token_embedding: The token table, which the masked-LM head projects with.
        transformer_layers: The layers, in the order of the weights on disk.
        configuration: The sizes and settings.
        hidden_dim: Width of the hidden states.
        num_segments: Token types.
        max_sequence_length: The longest text, in tokens.
    """

    token_embedding: keras_hub.layers.ReversibleEmbedding
    transformer_layers: list[keras.layers.Layer]

    def __init__(self, configuration: EncoderConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration
        self.hidden_dim = configuration.hidden_size
        self.num_segments = configuration.num_segments
        self.max_sequence_length = configuration.max_sequence_length

    def states_at(self, positions: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the last hidden states at some positions, for a model on the encoder's inputs.

        Args:
            positions: `(batch, places)`, int32, a symbolic tensor.

        Returns:
            `(batch, places, hidden)`.
        """
        return StatesAt(dtype=self.dtype_policy.name, name="states_at")(self.output, positions)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` builds the same encoder from, without its weights."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class StatesAt(keras.layers.Layer):
    """Gathers the hidden states at some positions."""

    def call(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Gathers; see `attention.gather_states`."""
        return gather_states(hidden, positions)

    def compute_output_shape(self, hidden_shape: Shape, positions_shape: Shape) -> Shape:
        """Returns `(batch, places, hidden)`."""
        return (*positions_shape, hidden_shape[-1])
