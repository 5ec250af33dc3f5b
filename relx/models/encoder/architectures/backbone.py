"""What the encoders of all families have in common."""

from __future__ import annotations

from typing import Any

import keras
import keras_hub

from relx.models.encoder.architectures.attention import picked
from relx.models.encoder.architectures.layers import PACKAGE
from relx.models.encoder.families.family import EncoderConfig


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
