"""Attention of grouped heads: several heads of queries share one of keys and values.

Grouped-query attention: Ainslie et al. 2023, arXiv 2305.13245.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
_HIDDEN = -1e30  # the score of a token that is not seen, in float32


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor, cap: float | None
) -> Tensor:
    """Mixes values by the scores of queries and keys; softmax computes in float32.

    Args:
        queries: `(batch, length, heads, head_dim)`, scaled.
        keys: `(batch, tokens, kv_heads, head_dim)`.
        values: As keys.
        visible: Which keys each query sees, `(batch or 1, length, tokens)` bool.
        cap: What scores are bent below (Gemma Team 2024, arXiv 2408.00118), or None.

    Returns:
        As queries.
    """
    if keras.backend.backend() == "torch" and not cap:
        return _in_one_kernel(queries, keys, values, visible)
    batch, length = ops.shape(queries)[0], ops.shape(queries)[1]
    heads, head_dim = queries.shape[2], queries.shape[3]
    kv_heads = keys.shape[2]
    groups = ops.reshape(queries, (batch, length, kv_heads, heads // kv_heads, head_dim))
    scores = ops.cast(ops.einsum("btkgd,bskd->bkgts", groups, keys), "float32")
    if cap:
        scores = cap * ops.tanh(scores / cap)
    shares = ops.softmax(ops.where(visible[:, None, None], scores, _HIDDEN), axis=-1)
    mixed = ops.einsum("bkgts,bskd->btkgd", ops.cast(shares, values.dtype), values)
    return ops.reshape(mixed, (batch, length, heads, head_dim))


def _in_one_kernel(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """Does the same with PyTorch's fused attention, which keeps no scores for the way back."""
    from torch.nn.functional import scaled_dot_product_attention

    mixed = scaled_dot_product_attention(
        queries.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=visible[:, None],
        scale=1.0,
        enable_gqa=True,
    )
    return mixed.transpose(1, 2)
