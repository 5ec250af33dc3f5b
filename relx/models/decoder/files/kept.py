"""Few-bit weights kept on disk from one start to the next, so that the second one is a read.

An entry is one file beside the runs, of the size that the weights have in memory. Deleting any of
them, or the folder, costs time alone.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from relx import progress
from relx.faults import InputError
from relx.files import sweep, sweep_unused, whole_file
from relx.models.decoder.layers.memory import aligned_empty, hand_over
from relx.tensors import TYPES, StoredTensor, open_tensors, tensor_bytes, tensors_header

if TYPE_CHECKING:
    import keras

    from relx.models.decoder.decoder import Decoder

FOLDER = ".decoders"
VERSION = "1"  # of the formats' layouts, and of the names in a file
KEPT_SECONDS = 30 * 24 * 3600
_LEAST = 1 << 26  # bytes: fewer are quantised before anyone waits
_SPARE = 2  # times its own size has to be free for an entry: runs need room too


def decoder_folder(runs_dir: Path) -> Path:
    """Returns where the runs of a folder keep few-bit weights."""
    return runs_dir / FOLDER


def fill_or_read(
    decoder: Decoder, folder: Path | None, key: Callable[[], str], fill: Callable[[], None]
) -> None:
    """Sets a decoder's frozen weights from what is kept, or from its files, and keeps them then.

    Several processes may do so at once. An entry that is broken is made anew, and where there is
    little room nothing is kept. Entries that nobody used for 30 days are removed.

    Args:
        decoder: The decoder.
        folder: What `decoder_folder` returns; None keeps nothing.
        key: Gives what tells the files from others, such as their fingerprint.
        fill: Sets the weights from the files.

    Raises:
        InputError: What `fill` raises.
    """
    size = sum(_bytes(variable) for variable in _frozen(decoder).values())
    if folder is None or decoder.format not in ("int8", "nf4") or size < _LEAST:
        fill()
        return
    path = folder / f"{key()[:32]}-{decoder.format}-{VERSION}.safetensors"
    if not _read(decoder, path):
        fill()
        _keep(decoder, path, size)
    sweep(path)
    sweep_unused(folder, "*.safetensors", KEPT_SECONDS)


def _frozen(decoder: Decoder) -> dict[str, keras.Variable]:
    """Lists what is read from files, by name: the same for every decoder of this shape."""
    found = {"tokens": decoder.table, "positions": decoder.places}
    layers = [(str(i), layer) for i, layer in enumerate(decoder.stack)]
    parts = {f"{i}.{name}": part for i, layer in layers for name, part in layer.parts.items()}
    for name, part in parts.items():
        own = {"kernel": part.kernel, "scale": part.scale, "bias": part.bias}
        found |= {f"{name}.{which}": variable for which, variable in own.items()}
    norms = {f"{i}.{name}": norm for i, layer in layers for name, norm in layer.norms.items()}
    for name, norm in {"last": decoder.norm, **norms}.items():
        found |= {f"{name}.norm": norm.scale, f"{name}.norm_bias": norm.bias}
    return {name: variable for name, variable in found.items() if variable is not None}


def _bytes(variable: keras.Variable) -> int:
    return int(math.prod(variable.shape)) * TYPES[str(variable.dtype)][1]


def _read(decoder: Decoder, path: Path) -> bool:
    """Sets the weights from an entry; False where there is none, or no whole one."""
    frozen, total = _frozen(decoder), 0
    try:
        notes, stored = open_tensors(path)
        words = f"reading {decoder.format}"
        with path.open("rb") as stream, progress.bar(words, len(frozen), "tensors") as bar:
            for name, variable in frozen.items():
                values = _values(stream, stored[name], variable)
                total = zlib.crc32(tensor_bytes(values), total)
                hand_over(values, variable)
                bar.advance(1)
    except (OSError, SafetensorError, KeyError, ValueError):
        return False
    with contextlib.suppress(OSError):
        path.touch()  # notes its use
    return notes.get("sum") == str(total)


def _values(stream: BufferedReader, tensor: StoredTensor, variable: keras.Variable) -> NDArray[Any]:
    """Reads a tensor into memory that a variable can take as it is."""
    values = aligned_empty(tuple(variable.shape), str(variable.dtype))
    if tensor.shape != values.shape:
        raise ValueError("another tensor")
    stream.seek(tensor.start)
    if stream.readinto(values.reshape(-1).view(np.uint8).data) != values.nbytes:
        raise ValueError("the file ends early")
    return values


def _keep(decoder: Decoder, path: Path, size: int) -> None:
    """Writes an entry, or does not: it can always be made again."""
    frozen = _frozen(decoder)
    with contextlib.suppress(InputError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < (1 + _SPARE) * size:
            progress.say(f"little room in {path.parent}: these weights are quantised every time")
            return
        total = 0
        for values in _arrays(frozen):
            total = zlib.crc32(tensor_bytes(values), total)
        kinds = {name: (str(v.dtype), tuple(v.shape)) for name, v in frozen.items()}
        header, _ = tensors_header({"sum": str(total)}, kinds)
        words = f"keeping {decoder.format} for the next start"
        bar = progress.bar(words, len(frozen), "tensors")
        with whole_file(path) as beside, beside.open("wb") as stream, bar as shown:
            stream.write(header)
            for values in _arrays(frozen):
                stream.write(tensor_bytes(values))
                shown.advance(1)


def _arrays(frozen: dict[str, keras.Variable]) -> Iterator[NDArray[Any]]:
    from keras import ops

    return (ops.convert_to_numpy(variable) for variable in frozen.values())
