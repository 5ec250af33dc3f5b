"""Everything that a training run needs in order to go on, in one file that is whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
from keras import ops
from safetensors import safe_open
from safetensors.numpy import save_file

from relx.faults import Fault, InputError
from relx.files import whole_file


def save_checkpoint(path: Path, model: keras.Model, state: dict[str, Any]) -> None:
    """Writes weights, random states, optimizer and the state of the run.

    Args:
        path: The file, `….safetensors`.
        model: A compiled model whose optimizer is built.
        state: What JSON can hold: the next epoch, the history, the best so far.
    """
    tensors = {name: ops.convert_to_numpy(variable) for name, variable in _variables(model).items()}
    with whole_file(path) as beside:
        save_file(tensors, beside, metadata={"state": json.dumps(state, ensure_ascii=False)})


def load_checkpoint(path: Path, model: keras.Model) -> dict[str, Any]:
    """Sets a model and its optimizer to what `save_checkpoint` wrote.

    Args:
        path: The file.
        model: A model compiled as the one that was saved.

    Returns:
        The state of the run.

    Raises:
        InputError: The file is of another model, or of another precision; nothing is set then.
    """
    with safe_open(path, framework="np") as file:
        variables = _variables(model)
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if shapes != {name: tuple(variable.shape) for name, variable in variables.items()}:
            what = "this checkpoint is of another model or another precision"
            step = "use the device.precision that it was made with, or start anew with --fresh"
            raise InputError(Fault(what, str(path), next_step=step))
        for name, variable in variables.items():
            variable.assign(file.get_tensor(name))
        state: dict[str, Any] = json.loads(file.metadata()["state"])
    return state


def _variables(model: keras.Model) -> dict[str, Any]:
    """Names every variable by its place: Keras numbers its names anew in each process."""
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {f"{group}.{i}": v for group, all_ in groups.items() for i, v in enumerate(all_)}
