"""What the attentions share: the mask, the softmax of scores, and the weighted sum of values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.encoder.architectures.layers import (
    Dropout,
    Gradient,
    Tensor,
    has_written_gradients,
)

Weights = NDArray[np.float32]

# Far below any score, and far from the end of float32; scores are added to it in float32.
_MASKED = -1e9
_recorded: ContextVar[list[Weights] | None] = ContextVar("recorded", default=None)


@contextlib.contextmanager
def recorded_weights() -> Iterator[list[Weights]]:
    """Records the attention weights of every layer that is computed in the block.

    Only eager calls are recorded: `model(inputs)`, not `model.predict(inputs)`, which traces a
    graph. While weights are recorded, no fused kernel is used: it never holds them.

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
        inputs: Its inputs, each `(1, length)`; those it does not take are ignored.

    Returns:
        `(layers, heads, queries, keys)` float32; the weights of a query sum to 1.
    """
    with recorded_weights() as layers:
        encoder({name: inputs[name] for name in encoder.input})
    return np.stack([weights[0] for weights in layers])


def additive_mask(mask: Tensor) -> Tensor:
    """Turns a mask into a term to add to the scores.

    Args:
        mask: 1 or true where a query may see a key, broadcast to `(batch, heads, queries, keys)`.

    Returns:
        0 there and a large negative number elsewhere, float32.
    """
    return (1.0 - ops.cast(mask, "float32")) * _MASKED


def gather_states(hidden: Tensor, positions: Tensor) -> Tensor:
    """Gathers the hidden states at some positions.

    It is a product with a matrix of zeros and ones, whose gradient is a product too: no scatter,
    and the same bits on every run.

    Args:
        hidden: `(batch, length, hidden)`.
        positions: `(batch, places)`, int32.

    Returns:
        `(batch, places, hidden)`.
    """
    every = ops.arange(ops.shape(hidden)[1], dtype="int32")  # (length,)
    one_hot = ops.equal(positions[:, :, None], every)  # (batch, places, length)
    return ops.matmul(ops.cast(one_hot, hidden.dtype), hidden)  # (batch, places, hidden)


def masked_softmax(scores: Tensor, added: Tensor) -> Tensor:
    """Returns the attention weights: the softmax of masked scores over the keys, in float32.

    Args:
        scores: `(batch, heads, queries, keys)`.
        added: The additive mask; see `additive_mask`.

    Returns:
        The shape of the scores, float32.
    """
    return ops.softmax(ops.cast(scores, "float32") + added, axis=-1)


def attend_by_scores(scores: Tensor, added: Tensor, values: Tensor, dropout: Dropout) -> Tensor:
    """Sums up values, weighted by the softmax of scores.

    Args:
        scores: `(batch, heads, queries, keys)`.
        added: The additive mask; see `additive_mask`.
        values: `(batch, heads, keys, head size)`.
        dropout: The dropout layer on the weights.

    Returns:
        `(batch, heads, queries, head size)`, in the precision of the values.
    """
    weights = masked_softmax(scores, added)  # (batch, heads, queries, keys)
    recorded = _recorded.get()
    if recorded is not None:
        recorded.append(np.asarray(ops.convert_to_numpy(weights)))
    return ops.matmul(dropout(ops.cast(weights, values.dtype)), values)


def dot_product_attention(
    query: Tensor, key: Tensor, values: Tensor, mask: Tensor, dropout: Dropout, training: bool
) -> Tensor:
    """Attends: sums up values by how well keys match queries (Vaswani et al. 2017, 1706.03762).

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
    if not has_written_gradients() and not dropping and not recording:
        return _fused_attention(query, key, values, mask)
    added = additive_mask(mask)
    if has_written_gradients() and training and not recording:
        shape = (*ops.shape(query)[:3], ops.shape(key)[2])  # (batch, heads, queries, keys)
        drawn = dropout.draw_mask(shape, "float32") if dropping else 1.0
        context = _attention_with_gradient(query, key, values, added, drawn)
    else:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        context = attend_by_scores(scores, added, values, dropout)
    return ops.transpose(context, (0, 2, 1, 3))  # (batch, queries, heads, head size)


def _fused_attention(query: Tensor, key: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Attends in one operation of the backend; see `dot_product_attention`."""
    rows = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, values))
    # Left to itself, Keras decides for cuDNN's kernel on JAX before it looks at the mask, and cuDNN
    # refuses one that is broadcast over the queries: an error with a traceback for every layer.
    return ops.dot_product_attention(
        *rows, mask=ops.cast(mask, "bool"), scale=1.0, flash_attention=False
    )


def _attention_with_gradient(
    query: Tensor, key: Tensor, values: Tensor, added: Tensor, drawn: Tensor | float
) -> Tensor:
    """Attends, with a gradient whose softmax reads the weights once less (Dao et al. 2022).

    The sum over the keys of weights times their gradient is that of outputs times theirs
    (arXiv 2205.14135, equation 4), with dropout or without.

    Args:
        query: `(batch, heads, queries, head size)`; the others see `dot_product_attention`.
        key: The keys.
        values: The values.
        added: The additive mask.
        drawn: What the weights are multiplied with; see `Dropout.draw_mask`.

    Returns:
        `(batch, heads, queries, head size)`.
    """

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def attend(query: Tensor, key: Tensor, values: Tensor) -> tuple[Tensor, Gradient]:
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        weights = masked_softmax(scores, added)  # (batch, heads, queries, keys)
        used = weights * drawn
        dropped = ops.cast(used, values.dtype)
        context = ops.matmul(dropped, values)  # (batch, heads, queries, head size)

        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            of_weights = ops.matmul(upstream, ops.transpose(values, (0, 1, 3, 2)))
            both = ops.cast(upstream, "float32") * ops.cast(context, "float32")
            drift = ops.sum(both, axis=-1, keepdims=True)  # (batch, heads, queries, 1)
            of_weights = ops.cast(of_weights, "float32")
            of_scores = ops.cast(used * of_weights - weights * drift, query.dtype)
            return (
                ops.matmul(of_scores, key),
                ops.matmul(ops.transpose(of_scores, (0, 1, 3, 2)), query),
                ops.matmul(ops.transpose(dropped, (0, 1, 3, 2)), upstream),
            )

        return context, gradient

    return attend(query, key, values)
