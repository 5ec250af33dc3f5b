"""Safetensors files: what their header says, and tensors read and written one at a time.

numpy has no bfloat16, which is the upper half of a float32. It is written as it is, and read into
float32, which holds every bfloat16.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import load_file

from relx.faults import Fault, InputError

Shape = tuple[int, ...]
# numpy's and Keras's names of types, safetensors' names, and bytes an element.
TYPES = {
    "float64": ("F64", 8),
    "float32": ("F32", 4),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "int16": ("I16", 2),
    "int8": ("I8", 1),
    "uint64": ("U64", 8),
    "uint32": ("U32", 4),
    "uint16": ("U16", 2),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}
_NAMES = {code: name for name, (code, _) in TYPES.items()}
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of a file, of which nothing but the header has been read.

    It is read with plain reads: the pages of a memory map would stay in the process beside the
    variables that they were copied to.

    Args:
        path: The file.
        dtype: Its type under safetensors' name, such as `F32`.
        shape: Its shape.
        start: Where it begins in the file, in bytes.
    """

    path: Path
    dtype: str
    shape: Shape
    start: int

    def read(self) -> npt.NDArray[Any]:
        """Reads the tensor, in its own type; bfloat16 as float32."""
        return self._elements(0, math.prod(self.shape)).reshape(self.shape)

    def read_rows(self, start: int, end: int) -> npt.NDArray[Any]:
        """Reads some rows of a matrix, in its own type; bfloat16 as float32.

        Args:
            start: The first row.
            end: One past the last.
        """
        row = math.prod(self.shape[1:])
        rows = self._elements(start * row, (end - start) * row)
        return rows.reshape(end - start, *self.shape[1:])

    def _elements(self, first: int, count: int) -> npt.NDArray[Any]:
        name = _NAMES[self.dtype]
        kind = np.dtype("<u2") if name == "bfloat16" else np.dtype(name).newbyteorder("<")
        place = self.start + first * kind.itemsize
        raw: npt.NDArray[Any] = np.fromfile(self.path, kind, count, offset=place)
        if name == "bfloat16":
            raw = (raw.astype("<u4") << 16).view("<f4")
        return raw


def open_tensors(path: Path) -> tuple[dict[str, str], dict[str, StoredTensor]]:
    """Opens a safetensors file.

    Args:
        path: The file.

    Returns:
        The texts that go with the tensors, and the tensors by name, in the file's order.

    Raises:
        SafetensorError: The file is not whole, or of another kind.
        OSError: It cannot be read.
    """
    with safe_open(path, framework="np"), path.open("rb") as stream:  # which finds it to be right
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    notes: dict[str, str] = header.pop("__metadata__", None) or {}
    tensors = {}
    for name, entry in header.items():
        start = 8 + length + entry["data_offsets"][0]
        tensors[name] = StoredTensor(path, entry["dtype"], tuple(entry["shape"]), start)
    return notes, tensors


def tensors_header(
    notes: Mapping[str, str], tensors: Mapping[str, tuple[str, Shape]]
) -> tuple[bytes, dict[str, int]]:
    """Makes what a safetensors file begins with.

    Args:
        notes: Texts that go with the tensors.
        tensors: The type, as `TYPES` names it, and the shape of each, in the file's order.

    Returns:
        The first bytes of the file, and where each tensor begins behind them.
    """
    header: dict[str, Any] = {"__metadata__": dict(notes)}
    starts, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        code, size = TYPES[dtype]
        starts[name], start = end, end
        end += size * math.prod(shape)
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, starts


def tensor_bytes(array: npt.NDArray[Any]) -> memoryview:
    """Returns a tensor's bytes as a safetensors file has them; of bfloat16 too."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).reshape(-1).view(np.uint8).data


def read_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Reads all tensors of a small safetensors file.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        InputError: It cannot be read, or is no whole safetensors file.
    """
    try:
        return dict(load_file(path))
    except Exception as error:  # its own kind for each damage, and KeyError for a type
        what, step = "this file of tensors is damaged", "bring it back, or train anew with --fresh"
        raise InputError(Fault(what, str(path), str(error)[:200], next_step=step)) from error
