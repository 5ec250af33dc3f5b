"""Everything that a training run needs in order to go on, in one file that is whole or absent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from relx.faults import Fault, InputError
from relx.files import whole_file

if TYPE_CHECKING:
    import keras

FORMAT = "2"
FRESH = "start anew with --fresh, which keeps what is there"


def save_checkpoint(
    path: Path, model: keras.Model, state: Mapping[str, Any], running: bool = True
) -> None:
    """Writes weights, random states, optimizer, the epoch's running loss and the run's state.

    The file is a safetensors file, written a variable at a time, so that no second copy of the
    model is held in memory. What an optimizer sums up within a batch is left out.

    Args:
        path: The file, `….safetensors`.
        model: A compiled model whose optimizer is built.
        state: What JSON can hold: the next epoch and step, the history, the best so far.
        running: Whether the running loss is written too. To read it, the processes of a run
            must all take part.
    """
    variables = _variables(model) | (_metrics(model) if running else {})
    notes = {"format": FORMAT, "state": json.dumps(state, ensure_ascii=False)}
    with whole_file(path) as beside, beside.open("wb") as stream:
        _write(stream, variables, notes)


def load_checkpoint(path: Path, model: keras.Model) -> dict[str, Any]:
    """Sets a model, its optimizer and its running loss to what `save_checkpoint` wrote.

    Args:
        path: The file.
        model: A model compiled as the one that was saved, on this backend or another.

    Returns:
        The state of the run.

    Raises:
        InputError: The file is broken, or of another model or precision; nothing is set then.
    """
    state = read_state(path)
    with safe_open(path, framework="np") as file:
        names = set(file.keys())
        variables, metrics = _variables(model), _metrics(model)
        known = variables | {name: v for name, v in metrics.items() if name in names}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
        if shapes != {name: tuple(variable.shape) for name, variable in known.items()}:
            what = "this checkpoint is of another model or another precision"
            step = "use the device.precision that it was made with, or start anew with --fresh"
            raise InputError(Fault(what, str(path), next_step=step))
        for name, variable in known.items():
            variable.assign(file.get_tensor(name))
    return state


def read_state(path: Path) -> dict[str, Any]:
    """Reads the state of the run that a checkpoint holds, without its tensors or a framework.

    Args:
        path: The file.

    Returns:
        The state.

    Raises:
        InputError: The file is broken, or from another version of relx.
    """
    try:
        with safe_open(path, framework="np") as file:
            notes = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        what = "this checkpoint is broken"
        raise InputError(Fault(what, str(path), str(error), next_step=FRESH)) from error
    if notes.get("format") != FORMAT:
        what = "this checkpoint is from another version of relx"
        raise InputError(Fault(what, str(path), next_step=FRESH))
    state: dict[str, Any] = json.loads(notes["state"])
    return state


def _variables(model: keras.Model) -> dict[str, Any]:
    """Names every variable by its place: Keras numbers its names anew in each process."""
    passing = {id(variable) for variable in getattr(model.optimizer, "passing", ())}
    lasting = [v for v in model.optimizer.variables if id(v) not in passing]
    return _named("model", model.variables) | _named("optimizer", lasting)


def _metrics(model: keras.Model) -> dict[str, Any]:
    return _named("metric", model.metrics_variables)


def _named(group: str, variables: list[Any]) -> dict[str, Any]:
    return {f"{group}.{i}": variable for i, variable in enumerate(variables)}


def _write(stream: BinaryIO, variables: Mapping[str, Any], notes: Mapping[str, str]) -> None:
    """Writes the safetensors format: the header's length, the header, the tensors in its order."""
    from keras import ops

    header: dict[str, Any] = {"__metadata__": notes}
    end = 0
    for name, variable in variables.items():
        dtype = np.dtype(variable.dtype)
        start, end = end, end + dtype.itemsize * math.prod(variable.shape)
        code = f"{dtype.kind.upper()}{8 * dtype.itemsize}"  # F32, I64, U32
        shape = list(variable.shape)
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
    for variable in variables.values():
        array = np.ascontiguousarray(ops.convert_to_numpy(variable))
        stream.write(array.reshape(-1).view(np.uint8).data)
