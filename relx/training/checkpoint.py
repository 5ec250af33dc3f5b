"""Everything that a training run needs in order to go on, in one file that is whole or absent."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from relx.faults import Fault, InputError
from relx.files import whole_file
from relx.runs.resume import FORMAT, open_checkpoint
from relx.tensors import tensor_bytes, tensors_header

if TYPE_CHECKING:
    import keras

    Variables = dict[str, keras.Variable]


def save_checkpoint(
    path: Path, model: keras.Model, state: Mapping[str, Any], running: bool = True
) -> None:
    """Writes what trains, random states, optimizer, the epoch's running loss and the run's state.

    The file is a safetensors file, written a variable at a time, so that no second copy of the
    model is held in memory. What is frozen is left out, and so is what an optimizer sums up within
    a batch.

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
    state, tensors = open_checkpoint(path)
    variables, metrics = _variables(model), _metrics(model)
    known = variables | {name: v for name, v in metrics.items() if name in tensors}
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if shapes != {name: tuple(variable.shape) for name, variable in known.items()}:
        what = "this checkpoint is of another model or another precision"
        step = "use the device.precision that it was made with, or start anew with --fresh"
        raise InputError(Fault(what, str(path), next_step=step))
    for name, variable in known.items():
        variable.assign(tensors[name].read())
    return state


def frozen_sum(model: keras.Model) -> str:
    """Sums up what does not train, which no checkpoint holds and which must be the same again.

    Args:
        model: The model.

    Returns:
        A CRC-32 of the frozen variables, empty where there are none.
    """
    from keras import ops

    held = {id(variable) for variable in _variables(model).values()}
    frozen = [variable for variable in model.variables if id(variable) not in held]
    total = 0
    for variable in frozen:
        total = zlib.crc32(tensor_bytes(ops.convert_to_numpy(variable)), total)
    return f"{total:08x}" if frozen else ""


def _variables(model: keras.Model) -> Variables:
    """Names every variable by its place: Keras numbers its names anew in each process."""
    passing = {id(variable) for variable in getattr(model.optimizer, "passing", ())}
    lasting = [v for v in model.optimizer.variables if id(v) not in passing]
    frozen = _frozen(model)
    weights = _named("model", model.variables)
    trained = {name: v for name, v in weights.items() if id(v) not in frozen}
    return trained | _named("optimizer", lasting)


def _frozen(model: keras.Model) -> set[int]:
    """Finds the weights that no step changes, by their identity.

    A weight that does not train is frozen, unless its layer made it so and trains: that is a state,
    such as a moving mean. A layer that says `holds_frozen_weights` has no such states. Random
    states are no weights, and are never frozen.
    """
    states = {
        id(variable)
        for layer in model._flatten_layers()
        if layer.trainable and not getattr(layer, "holds_frozen_weights", False)
        for variable in layer._non_trainable_variables
    }
    return {id(v) for v in model.non_trainable_weights if id(v) not in states}


def _metrics(model: keras.Model) -> Variables:
    return _named("metric", model.metrics_variables)


def _named(group: str, variables: list[keras.Variable]) -> Variables:
    return {f"{group}.{i}": variable for i, variable in enumerate(variables)}


def _write(stream: BinaryIO, variables: Variables, notes: Mapping[str, str]) -> None:
    """Writes the header and then, in its order, the variables."""
    from keras import ops

    kinds = {name: (str(v.dtype), tuple(v.shape)) for name, v in variables.items()}
    header, _ = tensors_header(notes, kinds)
    stream.write(header)
    for variable in variables.values():
        stream.write(tensor_bytes(ops.convert_to_numpy(variable)))
