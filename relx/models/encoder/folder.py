"""The weight files of a Hugging Face folder: read tensor by tensor, written whole."""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from relx.faults import Fault, InputError, shorten
from relx.files import read_json

Array = NDArray[np.float32]
Shape = tuple[int, ...]
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
# BF16 is the upper half of a float32, which numpy has no type for.
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_COMMON_STEP = "fetch the folder again: the file was cut short or is of another kind"
_ALIGNMENT = 8


class StoredTensor(Protocol):
    """A tensor on disk, of which nothing but shape and type has been read."""

    @property
    def shape(self) -> Shape:
        """Its shape."""

    @property
    def dtype(self) -> str:
        """Its type under safetensors' name, such as `F32`."""

    def read(self) -> Array:
        """Reads it, in float32."""


@dataclass(frozen=True, slots=True)
class _SafeTensor:
    """A tensor of a safetensors file.

    It is read with plain reads: the pages of a memory map would stay in the process beside the
    variables that they were copied to.
    """

    path: Path
    dtype: str
    shape: Shape
    start: int

    def read(self) -> Array:
        kind = _FLOATS[self.dtype]
        count = math.prod(self.shape)
        raw: NDArray[Any] = np.fromfile(self.path, kind, count, offset=self.start)
        if self.dtype == "BF16":
            raw = (raw.astype("<u4") << 16).view("<f4")
        array: Array = raw.astype(np.float32, copy=False).reshape(self.shape)
        return array


@dataclass(frozen=True, slots=True)
class _PickledTensor:
    """A tensor of a pickle, which torch has opened by memory map."""

    tensor: Any

    @property
    def shape(self) -> Shape:
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> str:
        names = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
        name = str(self.tensor.dtype).removeprefix("torch.")
        return names.get(name, name)

    def read(self) -> Array:
        array: Array = self.tensor.float().numpy()
        return array


class Checkpoint:
    """The tensors of a folder by name; nothing is read before it is asked for.

    Args:
        folder: The folder, for messages.
        places: Where each tensor is.
    """

    def __init__(self, folder: Path, places: Mapping[str, StoredTensor]) -> None:
        self.folder = folder
        self._places = places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def shape(self, key: str) -> Shape:
        """Returns a tensor's shape, from the file's header."""
        return self._places[key].shape

    def dtype(self, key: str) -> str:
        """Returns a tensor's type under safetensors' name, such as `F32`."""
        return self._places[key].dtype

    def is_float(self, key: str) -> bool:
        """Says whether a tensor holds floating-point numbers."""
        return self.dtype(key) in _FLOATS

    def read(self, key: str) -> Array:
        """Reads one tensor.

        Args:
            key: Its name.

        Returns:
            The tensor in float32; half precision is widened, which is exact.
        """
        if not self.is_float(key):
            what = f"{key} holds no floating-point numbers"
            raise InputError(Fault(what, str(self.folder), self.dtype(key), kind="type"))
        return self._places[key].read()


def open_checkpoint(folder: Path, allow_pickle: bool = False) -> Checkpoint:
    """Opens the weights of a folder: one file, or shards with an index.

    Args:
        folder: A Hugging Face folder.
        allow_pickle: Whether weights that are there as a pickle only are read; by torch, which
            then takes tensors and nothing else from it.

    Returns:
        The tensors by name.

    Raises:
        InputError: There are no weights, a shard is missing, or a file is damaged; or there is a
            pickle only and it is not allowed, or torch is not installed.
    """
    files = weight_files(folder)
    if not files:
        raise InputError(_no_weights(folder))
    pickled = files[0].suffix == ".bin"
    if pickled and not allow_pickle:
        raise InputError(_forbidden_pickle(folder, files))
    places: dict[str, StoredTensor] = {}
    for path in files:
        places |= _pickled_tensors(path) if pickled else _safe_tensors(path)
    index = PICKLE_INDEX if pickled else INDEX
    single = PICKLE if pickled else WEIGHTS
    absent = [] if files[0].name == single else sorted(set(_indexed(folder, index)) - set(places))
    if absent:
        received = f"{len(absent)} of the index's tensors are in no shard: {listed(absent)}"
        raise InputError(
            Fault("the shards are incomplete", str(folder), received, next_step=_COMMON_STEP)
        )
    return Checkpoint(folder, places)


def weight_files(folder: Path) -> list[Path]:
    """Finds the files that hold the weights of a folder.

    Args:
        folder: A Hugging Face folder.

    Returns:
        One file, or the shards; safetensors where there are any, else pickles, which end in .bin;
        empty where there are none.

    Raises:
        InputError: A shard is missing, or an index is broken.
    """
    for single, index in ((WEIGHTS, INDEX), (PICKLE, PICKLE_INDEX)):
        if (folder / single).is_file():
            return [folder / single]
        if (folder / index).is_file():
            return _shards(folder, index)
    return []


def write_checkpoint(
    folder: Path, shapes: Mapping[str, Shape], tensors: Iterable[tuple[str, Array]]
) -> None:
    """Writes `model.safetensors`, a tensor at a time; equal tensors give equal bytes.

    Args:
        folder: A folder that exists.
        shapes: The shape of every tensor by name.
        tensors: Each of them once, in any order, with its name.
    """
    header, places = _header(shapes)
    unwritten = set(shapes)
    with (folder / WEIGHTS).open("wb") as stream:
        stream.write(header)
        for name, array in tensors:
            if array.shape != shapes[name]:
                raise ValueError(f"{name} has the shape {array.shape}, not {shapes[name]}")
            stream.seek(len(header) + places[name])
            stream.write(np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data)
            unwritten.remove(name)
    if unwritten:
        raise ValueError(f"tensors without values: {listed(sorted(unwritten))}")


def require_free(folder: Path, force: bool) -> None:
    """Makes sure that nothing is lost by writing an encoder to a folder.

    Args:
        folder: The folder to write.
        force: Whether an encoder that is there may be replaced; nothing else may.

    Raises:
        InputError: Something is there.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "config.json").is_file():
        what = "something that is no encoder is here, and is never replaced"
        raise InputError(Fault(what, str(folder), next_step="name another folder"))
    if not force:
        step = "--force replaces it; or name another folder"
        raise InputError(Fault("an encoder is here already", str(folder), next_step=step))


def write_config(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes `config.json` with sorted keys.

    Args:
        folder: A folder that exists.
        values: Its content.
    """
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def listed(names: Sequence[str], most: int = 8) -> str:
    """Lists names for a message.

    Args:
        names: The names.
        most: After how many the rest is only counted.

    Returns:
        One line.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _header(shapes: Mapping[str, Shape]) -> tuple[bytes, dict[str, int]]:
    """Returns a safetensors header with its length, and where each tensor begins behind it."""
    content: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    places, end = {}, 0
    for name in sorted(shapes):
        places[name], start = end, end
        end += 4 * math.prod(shapes[name])
        content[name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": [start, end]}
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, places


def _shards(folder: Path, index: str) -> list[Path]:
    paths = [folder / name for name in sorted(set(_indexed(folder, index).values()))]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        step = "fetch the missing files, or the folder again"
        received = f"{len(missing)} of {len(paths)} are absent: {listed(missing)}"
        raise InputError(Fault("a shard is missing", str(folder), received, next_step=step))
    return paths


def _indexed(folder: Path, name: str) -> dict[str, str]:
    """Returns an index's map from tensor to file."""
    path = folder / name
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not places or not isinstance(places, dict) or not all(map(_is_text, places.values())):
        raise InputError(Fault("this index has no weight_map", str(path), shorten(index)))
    return places


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _safe_tensors(path: Path) -> dict[str, StoredTensor]:
    """Lists the tensors of a safetensors file, whose header the library finds to be right."""
    try:
        with safe_open(path, framework="np"), path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
    except (SafetensorError, OSError) as error:
        what = "this file is not a whole safetensors file"
        raise InputError(
            Fault(what, str(path), received=str(error), next_step=_COMMON_STEP)
        ) from error
    header.pop("__metadata__", None)
    return {
        name: _SafeTensor(
            path, value["dtype"], tuple(value["shape"]), 8 + length + value["data_offsets"][0]
        )
        for name, value in header.items()
    }


def _pickled_tensors(path: Path) -> dict[str, StoredTensor]:
    """Lists the tensors of a pickle, which torch reads as weights only."""
    try:
        import torch
    except ImportError as error:
        what = "reading a pickle safely needs torch, which is not installed"
        step = "pip install torch, or fetch model.safetensors of the same checkpoint"
        raise InputError(Fault(what, str(path), next_step=step, kind="no torch")) from error
    try:
        # Files from before torch 1.6 are no zip archives, and cannot be mapped.
        tensors = torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        what = "this pickle cannot be read as weights alone"
        received = shorten(str(error).partition("\n")[0], 200)
        raise InputError(Fault(what, str(path), received, next_step=_COMMON_STEP)) from error
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        what = "this pickle is no mapping of names to tensors"
        raise InputError(Fault(what, str(path), type(tensors).__name__))
    return {name: _PickledTensor(tensor) for name, tensor in tensors.items()}


def _no_weights(folder: Path) -> Fault:
    step = "fetch model.safetensors of the same checkpoint into it"
    if _is_hub_cache(folder):
        step = "if the hub has it as a pickle only: --set encoder.allow_pickle=true"
    allowed = f"{WEIGHTS}, or {INDEX} with its shards"
    return Fault("this folder has no weights", str(folder), "", allowed, step, "no weights")


def _is_hub_cache(folder: Path) -> bool:
    return folder.parent.name == "snapshots"


def _forbidden_pickle(folder: Path, files: Sequence[Path]) -> Fault:
    what = "this folder has its weights only as a pickle, which can run code when it is read"
    received = listed([path.name for path in files])
    step = (
        f"relx encoder convert {folder} NEW --allow-pickle writes safe weights to NEW; "
        "--set encoder.allow_pickle=true reads the pickle itself; both need torch"
    )
    return Fault(what, str(folder), received, WEIGHTS, step, "pickle")
