"""The safetensors files of a Hugging Face folder: read tensor by tensor, written whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from relx.faults import Fault, InputError, shorten
from relx.files import read_json

Array = NDArray[np.float32]
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")
_COMMON_STEP = "fetch the folder again: the file was cut short or is of another kind"


class Checkpoint:
    """The tensors of a folder by name; nothing is read before it is asked for.

    Args:
        folder: The folder, for messages.
        places: Which open file holds which tensor.
    """

    def __init__(self, folder: Path, places: Mapping[str, Any]) -> None:
        self.folder = folder
        self._places = places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def shape(self, key: str) -> tuple[int, ...]:
        """Returns a tensor's shape, from the file's header."""
        return tuple(self._places[key].get_slice(key).get_shape())

    def is_float(self, key: str) -> bool:
        """Says whether a tensor holds floating-point numbers."""
        return self._places[key].get_slice(key).get_dtype() in _FLOATS

    def read(self, key: str) -> Array:
        """Reads one tensor.

        Args:
            key: Its name.

        Returns:
            The tensor in float32; half precision is widened, which is exact.
        """
        array: Array = np.asarray(self._places[key].get_tensor(key)).astype(np.float32, copy=False)
        return array


@contextlib.contextmanager
def open_checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """Opens the weights of a folder: one file, or shards with an index.

    Args:
        folder: A Hugging Face folder.

    Yields:
        The tensors by name.

    Raises:
        InputError: There are no weights, a shard is missing, or a file is damaged.
    """
    with contextlib.ExitStack() as files:
        places: dict[str, Any] = {}
        for path in _weight_files(folder):
            file = files.enter_context(_opened(path))
            places |= dict.fromkeys(file.keys(), file)
        absent = sorted(set(_indexed(folder)) - set(places))
        if absent:
            received = f"{len(absent)} of the index's tensors are in no shard: {listed(absent)}"
            raise InputError(
                Fault("the shards are incomplete", str(folder), received, next_step=_COMMON_STEP)
            )
        yield Checkpoint(folder, places)


def write_checkpoint(folder: Path, tensors: Mapping[str, Array]) -> None:
    """Writes `model.safetensors`; equal tensors give equal bytes.

    Args:
        folder: A folder that exists.
        tensors: The tensors by name.
    """
    whole = {key: np.ascontiguousarray(array, np.float32) for key, array in tensors.items()}
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})


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


def _weight_files(folder: Path) -> list[Path]:
    index = _indexed(folder)
    if not index:
        if not (folder / WEIGHTS).is_file():
            raise InputError(_no_weights(folder))
        return [folder / WEIGHTS]
    paths = [folder / name for name in sorted(set(index.values()))]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        step = "fetch the missing files, or the folder again"
        received = f"{len(missing)} of {len(paths)} are absent: {listed(missing)}"
        raise InputError(Fault("a shard is missing", str(folder), received, next_step=step))
    return paths


def _indexed(folder: Path) -> dict[str, str]:
    """Returns the index's map from tensor to file; a single file has none and needs none."""
    path = folder / INDEX
    if (folder / WEIGHTS).is_file() or not path.is_file():
        return {}
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise InputError(Fault("this index has no weight_map", str(path), shorten(index)))
    return places


def _no_weights(folder: Path) -> Fault:
    if (folder / "pytorch_model.bin").is_file():
        what = "this folder has its weights only as a pickle, which can run code when it is read"
        received = "pytorch_model.bin"
    else:
        what, received = "this folder has no weights", ""
    step = (
        'where transformers and torch are installed: python -c "from transformers import '
        "AutoModelForMaskedLM as M; M.from_pretrained('FOLDER').save_pretrained('NEW')\", "
        "then copy the tokenizer files to NEW"
        if received
        else "fetch model.safetensors of the same checkpoint into it"
    )
    allowed = f"{WEIGHTS}, or {INDEX} with its shards"
    return Fault(what, str(folder), received, allowed, step, "no weights")


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError) as error:
        what = "this file is not a whole safetensors file"
        raise InputError(
            Fault(what, str(path), received=str(error), next_step=_COMMON_STEP)
        ) from error
