"""The gradient of all other words' logit, on the backend of KERAS_BACKEND: prints its distance.

python -m tests.decoder_word_sums
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.others import OtherWords

TOKENS = [11, 12, 13, 14]


class Sum(keras.Model):
    """The other words' logit, of states that train."""

    def __init__(self, states: Any, words: Any) -> None:
        super().__init__()
        self.states = self.add_weight(shape=states.shape, initializer="zeros", name="states")
        self.states.assign(states)
        self.words = words

    def call(self, ids: Any) -> Any:
        return self.words(ops.convert_to_tensor(self.states)) + 0 * ids


def main() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((40, 6)).astype(np.float32)
    states = rng.standard_normal((3, 6)).astype(np.float32)
    own = keras.Variable(table, dtype="float32", trainable=False)
    model = Sum(states, OtherWords(own, TOKENS))
    model.compile(keras.optimizers.SGD(1.0), lambda _, sums: ops.sum(sums), jit_compile=False)
    model.fit(np.zeros((3, 1)), np.zeros((3, 1)), batch_size=3, verbose=0)
    kept = np.delete(table, TOKENS, axis=0)
    shares = np.exp(states @ kept.T)
    shares /= shares.sum(axis=1, keepdims=True)
    step = states - ops.convert_to_numpy(model.states)  # a rate of 1: the gradient
    print(np.abs(step - shares @ kept).max())


if __name__ == "__main__":
    main()
