"""The formats of a frozen kernel: floats, eight bits by output, or four bits by block.

NF4 is Dettmers et al. 2023, arXiv 2305.14314: sixteen levels at quantiles of a normal
distribution, and the largest absolute value of every 64 inputs of an output as their scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from relx.faults import Fault, InputError
from relx.models.decoder.layers.memory import aligned_empty

Format = Literal["float32", "bfloat16", "int8", "nf4"]
FORMATS: tuple[Format, ...] = get_args(Format)
Array = NDArray[Any]
Rows = Callable[[int, int], Array]  # some outputs of a matrix: (outputs, inputs), any float type

BLOCK = 64  # inputs that share a scale in NF4
LEVELS = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
    np.float32,
)
_TABLE = 1 << 16  # how finely a value is looked up instead of searched for
_NEAREST = np.searchsorted((LEVELS[1:] + LEVELS[:-1]) / 2, np.linspace(-1, 1, _TABLE))
_NEAREST = _NEAREST.astype(np.uint8)
# Elements that are quantised at a time: what bounds the temporaries, which stay in a core's cache.
_CHUNK = 1 << 18
_FEWEST = 64  # outputs of a chunk: its columns in the result are no narrower than a cache line
_LEAST = 1e-12  # a scale of 0 would divide by it
_SMALLEST = np.finfo(np.float16).tiny  # NF4's scale of what is smaller still


def block_size(inputs: int) -> int:
    """Returns how many inputs share a scale in NF4: 64, or fewer where 64 does not divide them."""
    return next(size for size in range(min(BLOCK, inputs), 0, -1) if inputs % size == 0)


def stored_shapes(
    format_: Format, inputs: int, outputs: int
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Says what a kernel is stored as.

    Args:
        format_: The format.
        inputs: The kernel's inputs; even for NF4.
        outputs: The kernel's outputs.

    Returns:
        Shape and type of `kernel` and perhaps `scale`.

    Raises:
        InputError: NF4 packs inputs in pairs, and there is one over.
    """
    if format_ == "int8":
        return {"kernel": ((inputs, outputs), "int8"), "scale": ((outputs,), "float32")}
    if format_ == "nf4":
        if inputs % 2:
            raise InputError(_odd(inputs))
        blocks = inputs // block_size(inputs)
        packed = ((inputs // 2, outputs), "uint8")
        return {"kernel": packed, "scale": ((blocks, outputs), "float16")}
    return {"kernel": ((inputs, outputs), format_)}


def _odd(inputs: int) -> Fault:
    what = "nf4 stores inputs in pairs, and this decoder has a matrix with an odd number of them"
    step = "store it in eight bits: --set decoder.format=int8"
    return Fault(what, "decoder.format", f"nf4, {inputs} inputs", "int8", step, kind="odd inputs")


def stored_bytes(format_: Format, inputs: int, outputs: int) -> int:
    """Returns how much memory a kernel takes in a format, in bytes."""
    sizes = {"int8": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "float32": 4}
    shapes = stored_shapes(format_, inputs, outputs).values()
    return sum(int(np.prod(shape)) * sizes[dtype] for shape, dtype in shapes)


def quantize(rows: Rows, inputs: int, outputs: int, format_: Format) -> Mapping[str, Array]:
    """Brings a matrix into a format, some outputs at a time.

    Args:
        rows: Gives the outputs from one to another of the matrix, (outputs, inputs).
        inputs: Its inputs.
        outputs: Its outputs.
        format_: The format.

    Returns:
        What `stored_shapes` says; bfloat16 as float32, which numpy has not and Keras makes. A scale
        that is not finite tells of values that are not, or for NF4 of one beyond float16.
    """
    types = {"bfloat16": "float32"}
    shapes = stored_shapes(format_, inputs, outputs)
    stored = {n: aligned_empty(shape, types.get(t, t)) for n, (shape, t) in shapes.items()}
    step = max(_FEWEST, _CHUNK // inputs)
    for start in range(0, outputs, step):
        columns = slice(start, min(start + step, outputs))
        chunk = np.ascontiguousarray(rows(columns.start, columns.stop), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            encoded = _ENCODERS.get(format_, _floats)(chunk)
        for name, values in encoded.items():
            stored[name][..., columns] = values.T
    return stored


def dequantized(stored: Mapping[str, Array], format_: Format) -> NDArray[np.float32]:
    """Brings a matrix back to floats with numpy, (inputs, outputs).

    Args:
        stored: What `quantize` gave.
        format_: The format.
    """
    kernel = stored["kernel"]
    if format_ == "int8":
        floats: NDArray[np.float32] = kernel.astype(np.float32) * stored["scale"]
        return floats
    if format_ == "nf4":
        codes = np.concatenate([kernel & 15, kernel >> 4])
        blocks, outputs = stored["scale"].shape
        values = LEVELS[codes].reshape(blocks, -1, outputs)
        scaled: NDArray[np.float32] = values * stored["scale"].astype(np.float32)[:, None]
        return scaled.reshape(-1, outputs)
    return kernel.astype(np.float32)


# Chunks are (outputs, inputs), and so is what encoders return; blocks lie side by side in them.
def _floats(chunk: NDArray[np.float32]) -> dict[str, Array]:
    return {"kernel": chunk}


def _int8(chunk: NDArray[np.float32]) -> dict[str, Array]:
    scale = np.maximum(_largest(chunk), _LEAST) / np.float32(127)
    shares = chunk / scale[:, None]
    return {"kernel": np.rint(shares, out=shares).astype(np.int8), "scale": scale}


def _nf4(chunk: NDArray[np.float32]) -> dict[str, Array]:
    """Packs the codes of the first half of the inputs into low bits, of the second into high."""
    outputs, inputs = chunk.shape
    blocks = chunk.reshape(outputs, -1, block_size(inputs))
    scale = np.maximum(_largest(blocks), _SMALLEST).astype(np.float16)
    # Places in the table, by the scale as it will be read: rounding it may leave more than 1.
    places = blocks * (np.float32((_TABLE - 1) / 2) / scale.astype(np.float32))[..., None]
    places += np.float32(_TABLE / 2)
    np.clip(places, 0, _TABLE - 1, out=places)
    codes = np.take(_NEAREST, places.astype(np.uint16)).reshape(outputs, inputs)
    packed = codes[:, inputs // 2 :] << 4
    packed |= codes[:, : inputs // 2]
    return {"kernel": packed, "scale": scale}


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the largest absolute value along the last axis, without a copy of them all."""
    largest: NDArray[np.float32] = np.maximum(values.max(axis=-1), -values.min(axis=-1))
    return largest


_ENCODERS: Mapping[str, Callable[[NDArray[np.float32]], dict[str, Array]]] = {
    "int8": _int8,
    "nf4": _nf4,
}
