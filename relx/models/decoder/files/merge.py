"""A base and its adapters as one Hugging Face folder, for programs that know no adapters."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from relx import progress
from relx.faults import Fault, InputError
from relx.files import whole_folder
from relx.models.decoder.configurations.families import FAMILIES
from relx.models.decoder.files.adapters import adapters_on_disk
from relx.models.decoder.files.load import LoadedDecoder
from relx.models.stored.folder import WEIGHTS, Checkpoint
from relx.tensors import TYPES, tensor_bytes, tensors_header

_TYPES = {code: name for name, (code, _) in TYPES.items()}
_ELEMENTS = 1 << 22  # of a tensor that are there at a time
_COPIED = (".json", ".txt", ".model", ".jinja")
_TERMS = ("LICENSE", "NOTICE")
_WEIGHTS = (".index.json", "adapter_config.json")  # what describes weights that are not copied


@dataclass(frozen=True, slots=True)
class _Change:
    """What is added to a matrix of the base: a product, of which some rows are made at a time.

    Args:
        left: (rows, rank) float32, scaled.
        right: (rank, columns) float32.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def rows(self, start: int, end: int) -> NDArray[np.float32]:
        product: NDArray[np.float32] = self.left[start:end] @ self.right
        return product


def merge_adapters(loaded: LoadedDecoder, folder: Path) -> None:
    """Writes base and adapters as one Hugging Face folder, whole or not at all.

    The weights are one file in the base's own types. They are read from the base's files and never
    from kernels in few bits, some rows at a time; what no computation needs, such as a mask, is
    left out.

    Args:
        loaded: The decoder with its adapters, and the files of its base.
        folder: The folder; one that is there has to be empty.

    Raises:
        InputError: The folder is taken or cannot be written, or a merged weight is beyond the
            base's type.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "this place is taken, and is never replaced"
        raise InputError(Fault(what, str(folder), next_step="name another folder"))
    with whole_folder(folder) as beside:
        for file in sorted(loaded.folder.iterdir()):
            if file.is_file() and _is_copied(file.name):
                shutil.copyfile(file, beside / file.name)
        _write_weights(loaded, beside / WEIGHTS)


def _is_copied(name: str) -> bool:
    described = name.endswith(_COPIED) and not name.endswith(_WEIGHTS)
    return described or name.startswith(_TERMS)


def _write_weights(loaded: LoadedDecoder, path: Path) -> None:
    checkpoint, changes = loaded.checkpoint, _changes(loaded)
    head = f"{FAMILIES[loaded.decoder.configuration.model_type].keys.head}.weight"
    names = sorted({*loaded.names.values(), *({head} & set(checkpoint))})
    kinds = {name: (_TYPES[checkpoint.dtype(name)], checkpoint.shape(name)) for name in names}
    header, _ = tensors_header({"format": "pt"}, kinds)
    with path.open("wb") as stream, progress.bar("merging", len(names), "tensors") as bar:
        stream.write(header)
        for name in names:
            for rows in _merged(checkpoint, name, changes.get(name)):
                stream.write(tensor_bytes(rows))
            bar.advance(1)


def _changes(loaded: LoadedDecoder) -> dict[str, _Change]:
    """Lists what is added to each matrix, by its name on disk, in its layout on disk."""
    decoder = loaded.decoder
    transposed = FAMILIES[decoder.configuration.model_type].keys.transposed
    scalings = [part.lora.scaling for part in decoder.adapted_parts().values() if part.lora]
    changes = {}
    for scaling, (module, a, b) in zip(scalings, adapters_on_disk(decoder), strict=True):
        factor = np.float32(scaling)
        change = _Change(a.T * factor, b.T) if transposed else _Change(b * factor, a)
        changes[loaded.names[f"{module}.weight"]] = change
    return changes


def _merged(checkpoint: Checkpoint, name: str, change: _Change | None) -> Iterator[NDArray[Any]]:
    """Yields a tensor of the new file, some rows at a time, in its type on disk."""
    shape, kind = checkpoint.shape(name), _TYPES[checkpoint.dtype(name)]
    dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    step = max(1, _ELEMENTS // math.prod(shape[1:]))
    for start in range(0, shape[0], step):
        end = min(start + step, shape[0])
        rows = checkpoint.read_rows(name, start, end)
        if change is None:
            yield rows.astype(dtype, copy=False)
            continue
        with np.errstate(over="ignore"):
            rows = (rows + change.rows(start, end)).astype(dtype)
        if not np.isfinite(rows).all():
            what = f"{name} is not finite once its adapter is added in the base's type"
            step_ = "predict with the adapters beside the base, or merge them with a float32 base"
            raise InputError(Fault(what, str(checkpoint.folder), kind, next_step=step_))
        yield rows
