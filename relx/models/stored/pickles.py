"""Weights in a pickle: read by torch, as tensors and nothing else."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relx.faults import Fault, InputError, shorten
from relx.tensors import Shape

if TYPE_CHECKING:  # read only where there is a pickle
    import torch

BROKEN_STEP = "fetch the folder again: the file was cut short or is of another kind"


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor of a pickle, which torch has mapped into memory.

    Args:
        tensor: The torch tensor.
    """

    tensor: torch.Tensor

    @property
    def shape(self) -> Shape:
        """Its shape."""
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> str:
        """Its type under safetensors' name, such as `F32`."""
        names = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
        name = str(self.tensor.dtype).removeprefix("torch.")
        return names.get(name, name)

    def read(self) -> NDArray[np.float32]:
        """Reads the tensor, in float32."""
        array: NDArray[np.float32] = self.tensor.float().numpy()
        return array

    def read_rows(self, start: int, end: int) -> NDArray[np.float32]:
        """Reads some rows, in float32.

        Args:
            start: The first row.
            end: One past the last.
        """
        array: NDArray[np.float32] = self.tensor[start:end].float().numpy()
        return array


def open_pickle(path: Path) -> dict[str, PickledTensor]:
    """Opens the weights in a pickle, of which torch takes tensors and nothing else.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        InputError: The file holds anything but tensors or is damaged, or torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        what = "reading a pickle safely needs torch, which is not installed"
        step = "pip install torch, or fetch model.safetensors of the same checkpoint"
        raise InputError(Fault(what, str(path), next_step=step, kind="no torch")) from error
    try:
        # Files from before torch 1.6 are not zip archives, and cannot be mapped.
        tensors = torch.load(path, "cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        what = "this pickle cannot be read as weights alone"
        received = shorten(str(error).partition("\n")[0], 200)
        raise InputError(Fault(what, str(path), received, next_step=BROKEN_STEP)) from error
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        what = "this pickle does not map names to tensors"
        raise InputError(Fault(what, str(path), type(tensors).__name__))
    return {name: PickledTensor(tensor) for name, tensor in tensors.items()}
