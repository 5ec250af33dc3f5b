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
from relx.models.decoder.others import OtherWords

Tensor = Any


class PromptClassifier(keras.layers.Layer):
    """From prompts without their common beginning to the logits of the labels.

    Args:
        decoder: The decoder.
        head: What makes logits of a state.
        prefix: The tokens that all prompts begin with; empty for none.
        others: All other words as one logit, which training has behind the labels'; or None.
    """

    def __init__(
        self,
        decoder: Decoder,
        head: Head,
        prefix: Sequence[int] = (),
        others: OtherWords | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.decoder, self.head, self.others = decoder, head, others
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
            `(batch, labels)` float32; training over all words has one logit more.
        """
        beginning = np.array([self.prefix], np.int32) if self.prefix else None
        last = ops.cast(last, "int32")
        if beginning is not None and _rows_are_spread():
            rows = ops.tile(ops.convert_to_tensor(beginning), (ops.shape(token_ids)[0], 1))
            token_ids = ops.concatenate([rows, ops.cast(token_ids, "int32")], axis=1)
            beginning, last = None, last + len(self.prefix)
        states = self.decoder.call(token_ids, beginning, last, training)
        logits = self.head(states)
        if self.others is None or not training:
            return logits
        return ops.concatenate([logits, self.others.call(states)], axis=-1)

    def compute_output_shape(self, token_ids_shape: Any, last_shape: Any) -> Any:
        """Returns `(batch, labels)`."""
        return self.head.compute_output_shape((token_ids_shape[0], None))


def _rows_are_spread() -> bool:
    """Says whether a batch's rows are on several devices, as JAX spreads them.

    What all of them share then costs more to bring together than to compute with each row.
    """
    spread = keras.distribution.distribution()
    return (
        isinstance(spread, keras.distribution.DataParallel) and spread.device_mesh.devices.size > 1
    )


def prompt_classifier(
    decoder: Decoder,
    head: Head,
    prefix: Sequence[int] = (),
    others: OtherWords | None = None,
) -> keras.Model:
    """Builds a classifier of prompts.

    Args:
        decoder: The decoder; its weights are shared, not copied.
        head: What makes logits of a state.
        prefix: The tokens that all prompts begin with.
        others: All other words as one logit, for training over the whole vocabulary.

    Returns:
        A model from `token_ids` (batch, length) and `last` (batch,) to logits (batch, labels).
    """
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    last = keras.Input((), dtype="int32", name="last")
    classifier = PromptClassifier(decoder, head, prefix, others, name="prompt_classifier")
    logits = classifier(token_ids, last)
    return keras.Model({"token_ids": token_ids, "last": last}, logits, name="label_model")
