"""Products with frozen kernels: unpacked when they are needed, and again for the gradient."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.layers.formats import LEVELS, Format

Tensor = Any
# Both levels of a packed byte, (256, 2): looked up at once.
_PAIRS = np.stack([LEVELS[np.arange(256) & 15], LEVELS[np.arange(256) >> 4]], axis=1)


def frozen_product(x: Tensor, kernel: Tensor, scale: Tensor | None, format_: Format) -> Tensor:
    """Multiplies with a kernel that does not train.

    The gradient is that for `x` alone, from a kernel that is unpacked anew: no float kernel is
    kept for the way back.

    Args:
        x: `(…, inputs)`, in the compute type.
        kernel: The kernel as `stored_shapes` says.
        scale: Its scale; None for float formats.
        format_: The format.

    Returns:
        `(…, outputs)`, in the type of `x`.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    packed = scale is not None

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: Tensor, kernel: Tensor, scale: Tensor) -> Any:
        def gradient(*args: Tensor, upstream: Tensor = None) -> Any:
            upstream = args[0] if upstream is None else upstream
            late = _after(kernel, upstream) if packed else kernel
            floats = unpacked(late, scale, format_, dtype)
            return ops.matmul(upstream, ops.transpose(floats)), None, None

        late = _after(kernel, x) if packed else kernel
        return ops.matmul(x, unpacked(late, scale, format_, dtype)), gradient

    scales = ops.zeros((1,)) if scale is None else ops.convert_to_tensor(scale)
    return product(x, ops.convert_to_tensor(kernel), scales)


def unpacked(kernel: Tensor, scale: Tensor, format_: Format, dtype: str) -> Tensor:
    """Brings a stored kernel back to floats.

    Args:
        kernel: The kernel as `stored_shapes` says.
        scale: Its scale; not looked at for float formats.
        format_: The format.
        dtype: The type to compute in.

    Returns:
        `(inputs, outputs)`.
    """
    if format_ == "int8":
        return ops.cast(kernel, dtype) * ops.cast(scale, dtype)
    if format_ == "nf4":
        blocks, outputs = scale.shape
        values = ops.reshape(_levels(kernel, dtype), (blocks, -1, outputs))
        return ops.reshape(values * ops.cast(scale, dtype)[:, None, :], (-1, outputs))
    return ops.cast(kernel, dtype)


def _levels(kernel: Tensor, dtype: str) -> Tensor:
    """Looks up the levels of packed codes, `(inputs, outputs)`."""
    if keras.backend.backend() == "jax":
        # Selected by bits, which XLA fuses with all that follows: a look-up it does not.
        return ops.concatenate(
            [
                _selected(ops.bitwise_and(kernel, 15), dtype),
                _selected(ops.right_shift(kernel, 4), dtype),
            ],
            axis=0,
        )
    table = ops.convert_to_tensor(_PAIRS, dtype)
    pairs = ops.take(table, ops.cast(kernel, "int32"), axis=0)  # (inputs / 2, outputs, 2)
    return ops.concatenate([pairs[..., 0], pairs[..., 1]], axis=0)


def _selected(codes: Tensor, dtype: str) -> Tensor:
    """Halves the levels by each bit; what is left is a level to the bit, as a look-up gives it."""
    levels: list[Any] = [ops.cast(float(level), dtype) for level in LEVELS]
    for bit in range(4):
        is_set = ops.cast(ops.bitwise_and(ops.right_shift(codes, bit), 1), "bool")
        pairs = zip(levels[::2], levels[1::2], strict=True)
        levels = [ops.where(is_set, high, low) for low, high in pairs]
    return levels[0]


def _after(kernel: Tensor, x: Tensor) -> Tensor:
    """Returns the kernel, but not before `x` is there.

    Unpacking depends on no activation. So a graph's executor would unpack the kernels of all layers
    at once, and XLA would keep those of the way forward for the way back: more memory than floats
    need. What is taken from `x` here is 0 or, where training has diverged anyway, 1, and no
    compiler can know that; it drops a mere barrier on CPUs. PyTorch computes in order, and an
    export has no use for it.
    """
    if keras.backend.backend() == "torch":
        return kernel
    first = ops.reshape(x, (-1,))[0]
    return ops.bitwise_xor(kernel, ops.cast(ops.isnan(first), kernel.dtype))
