"""What the attentions share: the mask, the softmax of scores, and weighing values by it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from relx.models.encoder.architectures.layers import Dropout, Gradient, by_hand

Weights = npt.NDArray[np.float32]

# Far below any score, and far from the end of float32; scores are summed with it in float32.
_NEVER = -1e9
_recorded: ContextVar[list[Weights] | None] = ContextVar("recorded", default=None)


@contextlib.contextmanager
def recorded_weights() -> Iterator[list[Weights]]:
    """Keeps the attention weights of every layer that is computed in the block.

    Only what is computed at once is kept: `model(inputs)`, not `model.predict(inputs)`, which
    traces a graph. While weights are kept no kernel is used that never has them.

    Yields:
        A list that gets the weights of each layer, in the order of the layers: the softmax before
        any dropout, `(batch, heads, queries, keys)` float32.

    Example:
        ```python
        with recorded_weights() as layers:
            encoder(inputs)
        layers[0]  # of the first layer: (batch, heads, queries, keys)
        ```
    """
    layers: list[Weights] = []
    before = _recorded.set(layers)
    try:
        yield layers
    finally:
        _recorded.reset(before)


def attention_weights(encoder: keras.Model, inputs: Mapping[str, Any]) -> Weights:
    """Reads the attention weights of one sentence.

    Args:
        encoder: The encoder.
        inputs: Its inputs, each `(1, length)`; what it does not take is left aside.

    Returns:
        `(layers, heads, queries, keys)` float32; the weights of a query sum to 1.
    """
    with recorded_weights() as layers:
        encoder({name: inputs[name] for name in encoder.input})
    return np.stack([weights[0] for weights in layers])


def forbidden(mask: Any) -> Any:
    """Turns a mask into what is added to scores.

    Args:
        mask: 1 or true where a query may see a key, broadcast to `(batch, heads, queries, keys)`.

    Returns:
        0 there and a large negative number elsewhere, float32.
    """
    return (1.0 - ops.cast(mask, "float32")) * _NEVER


def picked(hidden: Any, positions: Any) -> Any:
    """Picks hidden states at some positions, by a product whose gradient is the same every time.

    Args:
        hidden: `(batch, length, hidden)`.
        positions: `(batch, places)`, int32.

    Returns:
        `(batch, places, hidden)`.
    """
    every = ops.arange(ops.shape(hidden)[1], dtype="int32")
    return ops.matmul(ops.cast(ops.equal(positions[:, :, None], every), hidden.dtype), hidden)


def weights_of(scores: Any, added: Any) -> Any:
    """Returns the attention weights: the softmax of scores, in float32.

    Args:
        scores: `(batch, heads, queries, keys)`.
        added: What is added to the scores, float32; see `forbidden`.

    Returns:
        The shape of the scores, float32.
    """
    return ops.softmax(ops.cast(scores, "float32") + added, axis=-1)


def weighed(scores: Any, added: Any, values: Any, dropout: Dropout) -> Any:
    """Weighs values by the softmax of scores.

    Args:
        scores: `(batch, heads, queries, keys)`.
        added: What is added to the scores, float32; see `forbidden`.
        values: `(batch, heads, keys, head size)`.
        dropout: The dropout layer on the weights.

    Returns:
        `(batch, heads, queries, head size)`, of the values' precision.
    """
    weights = weights_of(scores, added)
    kept = _recorded.get()
    if kept is not None:
        kept.append(np.asarray(ops.convert_to_numpy(weights)))
    return ops.matmul(dropout(ops.cast(weights, values.dtype)), values)


def attended(query: Any, key: Any, values: Any, mask: Any, dropout: Dropout, training: bool) -> Any:
    """Attends: weighs values by how queries and keys agree (Vaswani et al. 2017, 1706.03762).

    Args:
        query: `(batch, heads, queries, head size)`, divided by the root of the head size.
        key: `(batch, heads, keys, head size)`.
        values: The same shape.
        mask: 1 or true where a query may see a key, broadcast to `(batch, heads, queries, keys)`.
        dropout: The dropout layer on the weights.
        training: Whether it drops any.

    Returns:
        `(batch, queries, heads, head size)`.
    """
    dropping = bool(training and dropout.rate)
    recording = _recorded.get() is not None
    if not by_hand() and not dropping and not recording:
        rows = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, values))
        return ops.dot_product_attention(*rows, mask=ops.cast(mask, "bool"), scale=1.0)
    added = forbidden(mask)
    if by_hand() and training and not recording:
        shape = (*ops.shape(query)[:3], ops.shape(key)[2])
        kept = dropout.kept(shape, "float32") if dropping else 1.0
        seen = _by_hand(query, key, values, added, kept)
    else:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        seen = weighed(scores, added, values, dropout)
    return ops.transpose(seen, (0, 2, 1, 3))


def _by_hand(query: Any, key: Any, values: Any, added: Any, kept: Any) -> Any:
    """Attends, with a gradient whose softmax reads the weights once less (Dao et al. 2022).

    The sum over the keys of weights times their gradient is that of outputs times theirs
    (arXiv 2205.14135, equation 4), dropout or not.
    """

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def product(query: Any, key: Any, values: Any) -> tuple[Any, Gradient]:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        weights = weights_of(scores, added)
        used = weights * kept
        dropped = ops.cast(used, values.dtype)
        seen = ops.matmul(dropped, values)

        def gradient(upstream: Any) -> tuple[Any, Any, Any]:
            of_weights = ops.matmul(upstream, ops.transpose(values, (0, 1, 3, 2)))
            both = ops.cast(upstream, "float32") * ops.cast(seen, "float32")
            drift = ops.sum(both, axis=-1, keepdims=True)
            of_weights = ops.cast(of_weights, "float32")
            of_scores = ops.cast(used * of_weights - weights * drift, query.dtype)
            return (
                ops.matmul(of_scores, key),
                ops.matmul(ops.transpose(of_scores, (0, 1, 3, 2)), query),
                ops.matmul(ops.transpose(dropped, (0, 1, 3, 2)), upstream),
            )

        return seen, gradient

    return product(query, key, values)
