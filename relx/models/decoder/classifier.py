"""A classifier of prompts: a decoder, the state of the last token, and the labels' logits.

There is one forward pass for all labels, and never a logit of any other word. What all prompts
begin with is computed once a batch: keys and values of one row serve all rows, forward and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.decoder import Decoder
from relx.models.decoder.heads import Head

Tensor = Any


class PromptClassifier(keras.layers.Layer):
    """From prompts without their common beginning to the logits of the labels.

    Args:
        decoder: The decoder.
        head: What makes logits of a state.
        prefix: The tokens that all prompts begin with; empty for none.
    """

    def __init__(
        self, decoder: Decoder, head: Head, prefix: Sequence[int] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.decoder, self.head = decoder, head
        self.prefix = tuple(int(token) for token in prefix)
        self.built = True

    def call(self, token_ids: Tensor, last: Tensor, training: bool = False) -> Tensor:
        """Computes logits.

        Args:
            token_ids: What follows the common beginning, padded on the right, `(batch, length)`
                int32.
            last: The place of each row's last token in it, `(batch,)` int32.
            training: Whether dropout is on.

        Returns:
            `(batch, labels)` float32.
        """
        past = None
        if self.prefix:
            shared = ops.convert_to_tensor(np.array([self.prefix], np.int32))
            past = self.decoder.keys_and_values(shared, training=bool(training))
        states = self.decoder(token_ids, past=past, training=training)
        places = ops.reshape(ops.cast(last, "int32"), (-1, 1, 1))
        chosen = ops.take_along_axis(states, places, axis=1)  # (batch, 1, hidden)
        return self.head(ops.squeeze(chosen, axis=1))

    def compute_output_shape(self, token_ids_shape: Any, last_shape: Any) -> Any:
        """Returns `(batch, labels)`."""
        return self.head.compute_output_shape((token_ids_shape[0], None))


def prompt_classifier(decoder: Decoder, head: Head, prefix: Sequence[int] = ()) -> keras.Model:
    """Builds a classifier of prompts.

    Args:
        decoder: The decoder; its weights are shared, not copied.
        head: What makes logits of a state.
        prefix: The tokens that all prompts begin with.

    Returns:
        A model from `token_ids` (batch, length) and `last` (batch,) to logits (batch, labels).
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    last = keras.Input((), dtype="int32", name="last")
    classifier = PromptClassifier(decoder, head, prefix, name="prompt_classifier")
    logits = classifier(token_ids, last)
    return keras.Model({"token_ids": token_ids, "last": last}, logits, name="label_model")
