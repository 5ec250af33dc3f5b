"""Where the tokens of a batch stand: a beginning that all rows share, then each row's own.

A batch is computed as one flat row of tokens, `(prefix + batch * length, ...)`. Norms and linear
parts do not care whose tokens they are, and a kernel is unpacked once for all of them; attention
alone tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from relx.models.decoder.configurations.configuration import SLIDING, DecoderConfig
from relx.models.decoder.layers.attention import attention

Tensor = Any


@dataclass(frozen=True, slots=True)
class Flat:
    """A batch as one flat row of tokens.

    Args:
        prefix: Tokens of the beginning.
        batch: The number of rows.
        length: Each row's own tokens, with padding.
        last: The place of each row's last token in its own, `(batch,)` int32, where these alone
            are asked for; None where all are.
    """

    prefix: int
    batch: Tensor
    length: Tensor
    last: Tensor | None

    def own(self, x: Tensor) -> Tensor:
        """Takes the rows' own tokens, `(batch, length, ...)` of `(tokens, ...)`."""
        return ops.reshape(x[self.prefix :], (self.batch, self.length, *x.shape[1:]))

    def chosen(self, x: Tensor) -> Tensor:
        """Takes the rows' last tokens, `(batch, ...)` of `(tokens, ...)`."""
        firsts = self.prefix + ops.arange(self.batch, dtype="int32") * self.length
        return ops.take(x, firsts + self.last, axis=0)

    def whole(self, x: Tensor) -> Tensor:
        """Puts the beginning before each row, `(batch, prefix + length, ...)`."""
        own = self.own(x)
        if not self.prefix:
            return own
        shape = (self.batch, self.prefix, *x.shape[1:])
        shared = ops.broadcast_to(x[None, : self.prefix], shape)
        return ops.concatenate([shared, own], axis=1)


@dataclass(frozen=True, slots=True)
class Places:
    """What a kind of layer knows of the tokens' places.

    Args:
        flat: The batch.
        cos: Of the angles, `(tokens, turning / 2)` float32; None where nothing turns.
        sin: Likewise.
        shared: Which tokens of the beginning each of them sees, `(1, prefix, prefix)` bool.
        own: Which of its row each own token sees, `(1, length, prefix + length)` bool.
        last: Which of its row each last token sees, `(batch, 1, prefix + length)` bool, or None.
    """

    flat: Flat
    cos: Tensor | None
    sin: Tensor | None
    shared: Tensor
    own: Tensor
    last: Tensor | None

    def turned(self, x: Tensor) -> Tensor:
        """Turns the heads of all tokens by the angles of their places, where this kind does."""
        return x if self.cos is None else turned(x, self.cos, self.sin)

    def mixed(self, queries: Tensor, keys: Tensor, values: Tensor, cap: float | None) -> Tensor:
        """Lets all tokens attend to those that each of them sees.

        Args:
            queries: `(tokens, heads, head_dim)`.
            keys: `(tokens, kv_heads, head_dim)`.
            values: As keys.
            cap: See `attention`.

        Returns:
            `(tokens, heads * head_dim)`.
        """
        flat, width = self.flat, queries.shape[1] * queries.shape[2]
        rows = (flat.own(queries), flat.whole(keys), flat.whole(values))
        mixed = ops.reshape(attention(*rows, self.own, cap), (-1, width))
        if not flat.prefix:
            return mixed
        start = slice(flat.prefix)
        shared = attention(
            queries[None, start], keys[None, start], values[None, start], self.shared, cap
        )
        return ops.concatenate([ops.reshape(shared, (-1, width)), mixed], axis=0)

    def mixed_last(
        self, queries: Tensor, keys: Tensor, values: Tensor, cap: float | None
    ) -> Tensor:
        """Lets the rows' last tokens alone attend: `(batch, heads, head_dim)` in `queries`."""
        flat, width = self.flat, queries.shape[1] * queries.shape[2]
        rows = (queries[:, None], flat.whole(keys), flat.whole(values))
        return ops.reshape(attention(*rows, self.last, cap), (-1, width))


def places_by_kind(configuration: DecoderConfig, flat: Flat) -> dict[str, Places]:
    """Computes what each kind of layer knows of a batch's places.

    Args:
        configuration: The decoder's.
        flat: The batch.

    Returns:
        The places by kind.
    """
    at, found = token_places(flat), {}
    for kind in sorted(set(configuration.layer_types)):
        window = configuration.window if kind == SLIDING else None
        cos = sin = None
        frequencies = configuration.rope.get(kind)
        if frequencies is not None:
            rates = ops.convert_to_tensor(np.asarray(frequencies, np.float32))
            angles = ops.cast(at, "float32")[:, None] * rates[None, :]
            cos, sin = ops.cos(angles), ops.sin(angles)
        shared = ops.arange(flat.prefix, dtype="int32")
        own = ops.arange(flat.length, dtype="int32") + flat.prefix
        keys = ops.arange(flat.prefix + flat.length, dtype="int32")
        last = None
        if flat.last is not None:
            last = _visible(flat.last[:, None] + flat.prefix, keys, window)
        seen = (_visible(shared[None], shared, window), _visible(own[None], keys, window))
        found[kind] = Places(flat, cos, sin, *seen, last)
    return found


def token_places(flat: Flat) -> Tensor:
    """Returns the place of each token in its row, the beginning counted in, `(tokens,)` int32."""
    own = ops.arange(flat.length, dtype="int32") + flat.prefix
    rows = ops.reshape(ops.tile(own[None], (flat.batch, 1)), (-1,))
    if not flat.prefix:
        return rows
    return ops.concatenate([ops.arange(flat.prefix, dtype="int32"), rows], axis=0)


def _visible(queries: Tensor, keys: Tensor, window: int | None) -> Tensor:
    """Says which keys each query sees, `(batch, queries, keys)` of `(batch, queries)` places."""
    distance = queries[:, :, None] - keys
    visible = distance >= 0
    return visible if window is None else ops.logical_and(visible, distance < window)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the first elements of each head by the angles of its place.

    Rotary positions: Su et al. 2021, arXiv 2104.09864; element i turns with element i + n.

    Args:
        x: `(tokens, heads, head_dim)`.
        cos: `(tokens, n)`; 2 n elements turn.
        sin: Likewise.

    Returns:
        As `x`.
    """
    size = cos.shape[-1]
    cos, sin = (ops.cast(part, x.dtype)[:, None] for part in (cos, sin))
    one, other = x[..., :size], x[..., size : 2 * size]
    parts = [one * cos - other * sin, other * cos + one * sin]
    if 2 * size < x.shape[-1]:
        parts.append(x[..., 2 * size :])
    return ops.concatenate(parts, axis=-1)
