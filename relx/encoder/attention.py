"""What the attentions share: the mask, the softmax of scores, and weighing values by it."""

from __future__ import annotations

from typing import Any

from keras import ops

from relx.encoder.layers import Dropout, Gradient, by_hand

# Far below any score, and far from the end of float32; scores are summed with it in float32.
_NEVER = -1e9


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
    weights = dropout(ops.cast(weights_of(scores, added), values.dtype))
    return ops.matmul(weights, values)


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
    if not by_hand() and not dropping:
        rows = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, values))
        return ops.dot_product_attention(*rows, mask=ops.cast(mask, "bool"), scale=1.0)
    added = forbidden(mask)
    if by_hand() and training:
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
