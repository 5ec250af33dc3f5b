"""All words that are no label's, as one logit: what training over the whole vocabulary needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.decoder.layers.formats import Format
from relx.models.decoder.layers.linear import FrozenWeights
from relx.models.decoder.layers.products import frozen_product

Tensor = Any
_AT_ONCE = 1 << 14  # rows of the vocabulary
_NONE = -1e30  # the logit of what is not summed up


class OtherWords(FrozenWeights, keras.layers.Layer):
    """The logarithm of the summed exponentials of all logits but the labels'.

    A softmax over the labels' logits and this one gives the labels the probabilities that one over
    the whole vocabulary gives them, and the same cross-entropy and gradients.

    Args:
        table: What logits are products with, `(vocabulary, hidden)`; it does not train.
        tokens: The labels' tokens.
        cap: The soft cap of logits; 0 for none.
    """

    def __init__(
        self, table: keras.Variable, tokens: Sequence[int], cap: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.table, self.cap = table, cap
        self.left_out: NDArray[np.float32] = np.zeros(table.shape[0], np.float32)
        self.left_out[list(tokens)] = _NONE
        self.built = True

    def call(self, states: Tensor) -> Tensor:
        """Sums up: `(batch, 1)` float32 of states `(batch, hidden)`."""
        rows = len(self.left_out)
        sums = [self._sum(states, start) for start in range(0, rows, _AT_ONCE)]
        return ops.logsumexp(ops.concatenate(sums, axis=-1), axis=-1, keepdims=True)

    def _sum(self, states: Tensor, start: int) -> Tensor:
        """Sums up some rows, `(batch, 1)`."""
        own = slice(start, start + _AT_ONCE)
        # float16, which token tables may be, is brought to the compute type as bfloat16 is.
        kind: Format = "float32" if str(self.table.dtype) == "float32" else "bfloat16"
        kernel = ops.transpose(ops.convert_to_tensor(self.table)[own])
        logits = ops.cast(frozen_product(states, kernel, None, kind), "float32")
        if self.cap:
            logits = self.cap * ops.tanh(logits / self.cap)
        return ops.logsumexp(
            logits + ops.convert_to_tensor(self.left_out[own]), axis=-1, keepdims=True
        )

    def compute_output_shape(self, states_shape: Any) -> Any:
        """Returns `(batch, 1)`."""
        return (states_shape[0], 1)
