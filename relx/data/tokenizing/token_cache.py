"""Tokens kept on disk from one run to the next, under a key of all that decides them.

An entry is one file beside the runs. Deleting any of them, or the folder, costs time alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tokenizers
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from relx.faults import InputError
from relx.files import sweep_unused, whole_file

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from _typeshed import DataclassInstance
    from transformers import PreTrainedTokenizerFast

FOLDER = ".tokens"
FORMAT = "2"  # of the files; the rows in them have a format of their own
KEPT_SECONDS = 30 * 24 * 3600
CHUNK = 10_000  # rows that are hashed at a time

Rows = TypeVar("Rows", bound="DataclassInstance")  # a dataclass of arrays
Content = tuple[Sequence[str], Sequence[int]]


def token_folder(runs_dir: Path) -> Path:
    """Returns where the runs of a folder keep their tokens."""
    return runs_dir / FOLDER


def token_key(
    tokenizer: PreTrainedTokenizerFast,
    rows: str,
    settings: Sequence[str],
    contents: Iterable[Content],
) -> str:
    """Names tokens by all that decides them: equal keys mean equal tokens.

    Args:
        tokenizer: The tokenizer.
        rows: The kind of rows and the number of its format, such as `corpus 1`. The number is
            raised whenever other rows are made of the same texts.
        settings: What else decides, as texts.
        contents: The rows, some thousand at a time: all their texts, and all their numbers.

    Returns:
        A SHA-256, 64 hexadecimal characters.
    """
    sha = hashlib.sha256()
    backend = tokenizer.backend_tokenizer.to_str()
    names = json.dumps(tokenizer.special_tokens_map, default=str, sort_keys=True)
    _add(sha, [FORMAT, rows, tokenizers.__version__, backend, names, *settings])
    for texts, numbers in contents:
        _add(sha, texts)
        sha.update(np.array([len(numbers), *numbers], np.int64).tobytes())
    return sha.hexdigest()


def _add(sha: Any, texts: Sequence[str]) -> None:
    """Hashes texts so that no other texts give the same bytes."""
    sha.update(np.array([len(texts), *map(len, texts)], np.int64).tobytes())
    sha.update("".join(texts).encode("utf-8", "surrogatepass"))


def cached(
    folder: Path | None, key: Callable[[], str], kind: type[Rows], make: Callable[[], Rows]
) -> Rows:
    """Takes rows from the cache, or makes and keeps them.

    Several processes may do so at once. An entry that is broken is made anew, and where nothing
    can be written nothing is kept. Entries that nobody used for 30 days are removed.

    Args:
        folder: What `token_folder` returns; None makes the rows and keeps nothing.
        key: Gives the rows' name.
        kind: The rows' class, a dataclass of arrays.
        make: Makes the rows.

    Returns:
        The rows.

    Raises:
        InputError: What `make` raises; then nothing is kept.
    """
    if folder is None:
        return make()
    name = key()
    path = folder / f"{name}.safetensors"
    rows = _read(path, name, kind)
    if rows is None:
        rows = make()
        _write(path, name, {field.name: getattr(rows, field.name) for field in fields(kind)})
    sweep_unused(folder, "*.safetensors*", KEPT_SECONDS)
    return rows


def _read(path: Path, key: str, kind: type[Rows]) -> Rows | None:
    """Reads an entry and notes its use; None where there is none, or not this one, or no whole."""
    try:
        with safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if file.metadata() != {"key": key, "sum": _sum(arrays)}:
                return None
        rows = kind(**arrays)
    except (OSError, SafetensorError, TypeError, ValueError):
        return None
    with contextlib.suppress(OSError):
        path.touch()
    return rows


def _write(path: Path, key: str, arrays: dict[str, np.ndarray]) -> None:
    """Writes an entry, or does not: it can always be made again."""
    with contextlib.suppress(InputError, OSError, SafetensorError), whole_file(path) as beside:
        save_file(arrays, beside, {"key": key, "sum": _sum(arrays)})


def _sum(arrays: Mapping[str, np.ndarray]) -> str:
    total = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), total)
        total = zlib.crc32(array.data, total)
    return str(total)
