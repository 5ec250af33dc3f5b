"""Numpy's memory, handed to variables without a copy where a backend can take it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # importing it takes seconds, and formats are asked for without it
    import keras

Array = NDArray[Any]
_ALIGNMENT = 64  # bytes: what TensorFlow requires of memory that it has not taken itself, and JAX


def aligned_empty(shape: tuple[int, ...], dtype: str) -> Array:
    """Makes an array whose memory backends take as it is.

    Args:
        shape: Its shape.
        dtype: Its type, as numpy names it.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def hand_over(values: Array, variable: keras.Variable) -> None:
    """Sets a variable to an array that nobody writes to any more.

    TensorFlow would hold an array of its own, and while it is at it one more. Writing rows into its
    variable is no way either: each later read of such a variable copies it.

    Args:
        values: The array; of `aligned_empty`, or else it is copied.
        variable: The variable, of the same shape and type.
    """
    import keras

    if keras.backend.backend() == "tensorflow" and _can_be_taken(values, variable):
        import tensorflow as tf

        variable.assign(tf.experimental.dlpack.from_dlpack(values.__dlpack__()))
    else:
        variable.assign(values)


def _can_be_taken(values: Array, variable: keras.Variable) -> bool:
    is_aligned = values.ctypes.data % _ALIGNMENT == 0 and values.flags.c_contiguous
    return is_aligned and values.flags.writeable and str(values.dtype) == str(variable.dtype)
