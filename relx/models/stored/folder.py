"""The weight files of a Hugging Face folder: read and written a tensor at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from relx.faults import Fault, InputError, shorten
from relx.models.stored.pickles import BROKEN_STEP, PickledTensor, open_pickle
from relx.models.stored.text_files import read_object
from relx.tensors import Shape, StoredTensor, open_tensors, tensor_bytes, tensors_header

Array = NDArray[np.float32]
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
# Of DataParallel and of torch.compile, wherever a module of the model was wrapped.
_WRAPPERS = re.compile(r"(?:(?<=\.)|^)(?:module|_orig_mod)\.")
_FLOATS = ("F64", "F32", "F16", "BF16")


class Checkpoint:
    """The tensors of a folder by name; each is read when it is asked for.

    Args:
        folder: The folder, for messages.
        tensors: The tensors by name, of which nothing but shape and type has been read. What
            PyTorch's wrappers put into a name, `module.` and `_orig_mod.`, is left out of it.

    Attributes:
        wrappers: What has been left out of names.
    """

    def __init__(self, folder: Path, tensors: Mapping[str, StoredTensor | PickledTensor]) -> None:
        self.folder = folder
        self._tensors: dict[str, StoredTensor | PickledTensor] = {}
        self.wrappers = sorted({part for name in tensors for part in _WRAPPERS.findall(name)})
        for name, tensor in tensors.items():
            own = _WRAPPERS.sub("", name)
            if own in self._tensors:
                what, step = "two tensors name the same weight", "fetch the checkpoint again"
                raise InputError(Fault(what, str(folder), f"{own}, {name}", next_step=step))
            self._tensors[own] = tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __contains__(self, key: str) -> bool:
        return key in self._tensors

    def shape(self, key: str) -> Shape:
        """Returns a tensor's shape, from the file's header."""
        return self._tensors[key].shape

    def dtype(self, key: str) -> str:
        """Returns a tensor's type under safetensors' name, such as `F32`."""
        return self._tensors[key].dtype

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
            raise InputError(self._no_floats(key))
        array: Array = self._tensors[key].read().astype(np.float32, copy=False)
        return array

    def read_rows(self, key: str, start: int, end: int) -> NDArray[Any]:
        """Reads some rows of a matrix, in its own type; bfloat16 as float32.

        Args:
            key: Its name.
            start: The first row.
            end: One past the last.

        Returns:
            (end - start, …) of any floating-point type.
        """
        if not self.is_float(key):
            raise InputError(self._no_floats(key))
        return self._tensors[key].read_rows(start, end)

    def _no_floats(self, key: str) -> Fault:
        what = f"{key} does not hold floating-point numbers"
        return Fault(what, str(self.folder), self.dtype(key), kind="type")


def open_checkpoint(folder: Path, allow_pickle: bool = False) -> Checkpoint:
    """Opens the weights of a folder: one file, or shards with an index.

    Args:
        folder: A Hugging Face folder.
        allow_pickle: Whether weights that exist only as a pickle are read, by torch, as tensors
            and nothing else.

    Returns:
        The tensors by name.

    Raises:
        InputError: There are no weights, a shard is missing, or a file is damaged; or there is
            only a pickle and it is not allowed, or torch is not installed.
    """
    files = weight_files(folder)
    if not files:
        raise InputError(_no_weights(folder))
    pickled = files[0].suffix == ".bin"
    if pickled and not allow_pickle:
        raise InputError(_forbidden_pickle(folder, files))
    tensors: dict[str, StoredTensor | PickledTensor] = {}
    for path in files:
        tensors |= open_pickle(path) if pickled else open_safetensors(path)
    index = PICKLE_INDEX if pickled else INDEX
    single = PICKLE if pickled else WEIGHTS
    absent = [] if files[0].name == single else sorted(set(_indexed(folder, index)) - set(tensors))
    if absent:
        received = f"{len(absent)} of the index's tensors are in no shard: {listed(absent)}"
        raise InputError(
            Fault("the shards are incomplete", str(folder), received, next_step=BROKEN_STEP)
        )
    return Checkpoint(folder, tensors)


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
    kinds = {name: ("float32", shapes[name]) for name in sorted(shapes)}
    header, starts = tensors_header({"format": "pt"}, kinds)
    unwritten = set(shapes)
    with (folder / WEIGHTS).open("wb") as stream:
        stream.write(header)
        for name, array in tensors:
            if array.shape != shapes[name]:
                raise ValueError(f"{name} has the shape {array.shape}, not {shapes[name]}")
            stream.seek(len(header) + starts[name])
            stream.write(tensor_bytes(array.astype(np.float32, copy=False)))
            unwritten.remove(name)
    if unwritten:
        raise ValueError(f"tensors without values: {listed(sorted(unwritten))}")


def require_free(folder: Path, force: bool) -> None:
    """Makes sure that writing an encoder to a folder destroys nothing.

    Args:
        folder: The folder to write.
        force: Whether an encoder in it may be replaced; anything else never is.

    Raises:
        InputError: The folder is taken.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / "config.json").is_file():
        what = "this folder does not hold an encoder, and is never replaced"
        raise InputError(Fault(what, str(folder), next_step="name another folder"))
    if not force:
        step = "--force replaces it; or name another folder"
        raise InputError(Fault("this folder already holds an encoder", str(folder), next_step=step))


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
        most: How many to name; the rest are counted.

    Returns:
        One line.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
    index = read_object(path, 'an object with "weight_map"')
    places = index.get("weight_map")
    if not places or not isinstance(places, dict) or not all(map(_is_text, places.values())):
        raise InputError(Fault("this index has no weight_map", str(path), shorten(index)))
    return places


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Lists the tensors of a safetensors file.

    Args:
        path: The file.

    Returns:
        The tensors by name, of which nothing but the header has been read.

    Raises:
        InputError: The file is not whole, or cannot be read.
    """
    try:
        _, tensors = open_tensors(path)
    except (SafetensorError, OSError) as error:
        what = "this file is not a complete safetensors file"
        raise InputError(Fault(what, str(path), str(error), next_step=BROKEN_STEP)) from error
    return tensors


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
