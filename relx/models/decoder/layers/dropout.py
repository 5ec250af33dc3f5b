"""Dropout whose mask is a function of a seed that comes from outside.

A rematerialised layer has to draw the same mask twice. A seed generator inside it moves on in
between, which gives wrong gradients and no error, and `keras.random` takes no seed that is a
tensor. Hence a counter, and a hash of it.
"""

from __future__ import annotations

import zlib
from typing import Any

import keras
from keras import ops

Tensor = Any
# The finaliser of MurmurHash3 (Appleby, public domain): shifts and factors as signed int32.
_ROUNDS = ((16, -2048144789), (13, -1028477387), (16, 1))
_BITS = 24  # of a hash that are compared


def dropped(x: Tensor, rate: float, seed: Tensor, name: str) -> Tensor:
    """Drops elements at random, and scales the others up.

    Args:
        x: Any floats.
        rate: The share to drop, from 0 and below 1.
        seed: `(2,)` uint32 or int32; the same seed and name give the same mask.
        name: Tells apart the masks of one seed.

    Returns:
        As `x`.
    """
    mixed = ops.cast(seed, "int32")
    start = ops.bitwise_xor(mixed[0], mixed[1] * 69069) + zlib.crc32(name.encode()) % 2**31
    start = start + _after(x)
    hashed = ops.reshape(ops.arange(ops.size(x), dtype="int32"), ops.shape(x)) + start
    for shift, factor in _ROUNDS:
        # The sign bit does not spread: int32 is what all backends shift alike.
        shifted = ops.bitwise_and(ops.right_shift(hashed, shift), 2 ** (32 - shift) - 1)
        hashed = ops.bitwise_xor(hashed, shifted) * factor
    kept = ops.bitwise_and(hashed, 2**_BITS - 1) >= int(rate * 2**_BITS)
    return x * ops.cast(kept, x.dtype) / (1 - rate)


def _after(x: Tensor) -> Tensor:
    """Returns 0, but not before `x` is there; 1 where training has diverged anyway.

    A mask depends on no activation: TensorFlow's optimizer would see that the second time is the
    first again, and keep the masks of all layers from the way forward to the way back.
    """
    if keras.backend.backend() != "tensorflow":
        return 0
    return ops.cast(ops.isnan(ops.reshape(x, (-1,))[0]), "int32")
