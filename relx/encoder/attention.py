"""What the attentions of our own share: the mask, and weighing values by scores."""

from __future__ import annotations

from typing import Any

from keras import ops

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


def attended(scores: Any, added: Any, values: Any, dropout: Any) -> Any:
    """Weighs values by the softmax of scores, which is computed in float32.

    Args:
        scores: `(batch, heads, queries, keys)`.
        added: What is added to the scores, float32; see `forbidden`.
        values: `(batch, keys, heads, head size)`.
        dropout: The dropout layer on the weights.

    Returns:
        `(batch, queries, heads, head size)`, of the values' precision.
    """
    weights = ops.softmax(ops.cast(scores, "float32") + added, axis=-1)
    weights = dropout(ops.cast(weights, values.dtype))
    return ops.einsum("bhqk,bkhd->bqhd", weights, values)
