"""What computes a prediction: Keras, or OpenVINO where a CPU has to do it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from relx import progress
from relx.data.batches import Batch, reading_plan
from relx.devices.device import Device, open_device
from relx.engines import openvino as graph
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection

EngineName = Literal["auto", "keras", "openvino"]
# A request of so many tokens stays in a core's cache; of four times as many it takes half longer.
TOKENS_AT_ONCE = 1024
INSTALL = "pip install 'relx[cpu]'"
_PRECISIONS = {"auto": "f32", "float32": "f32", "mixed_bfloat16": "bf16"}
_WORDS = {"f32": "float32", "bf16": "bfloat16"}
# What a GPU or TPU shows of itself before anything that could ask for it is loaded.
_ACCELERATORS = ("nvidia[0-9]*", "kfd", "accel*", "dxg", "vfio/[0-9]*")


class Engine(Protocol):
    """What computes the logits of rows.

    Attributes:
        segments: Whether the model takes segment ids.
    """

    segments: bool

    def logits(self, arrays: Any, batch_size: int) -> np.ndarray:
        """Computes logits.

        Args:
            arrays: The rows, as `RelationArrays`.
            batch_size: The most rows that are computed at once.

        Returns:
            (rows, classes) float32, in the rows' order.
        """


class KerasEngine:
    """The relation model itself, on the run's device.

    Args:
        model: The relation model.
        device: What it was built on.
    """

    def __init__(self, model: Any, device: Device) -> None:
        self.model, self.device = model, device
        self.segments = "segment_ids" in model.input

    def logits(self, arrays: Any, batch_size: int) -> np.ndarray:
        """Computes logits; see `Engine`."""
        return predict_logits(self.model, self.device, arrays, batch_size)

    def __str__(self) -> str:
        return f"Keras on {self.device}"


class OpenVinoEngine:
    """The relation model's graph, on all cores of the CPU.

    Args:
        path: The graph's file.
        precision: f32 or bf16; a CPU without bfloat16 computes float32.
    """

    def __init__(self, path: Path, precision: str) -> None:
        openvino = graph.import_openvino()
        self._compiled = openvino.Core().compile_model(path, "CPU", graph.settings(precision))
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self.segments = any("segment_ids" in taken.names for taken in self._compiled.inputs)
        computed = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = _WORDS[computed]

    def logits(self, arrays: Any, batch_size: int) -> np.ndarray:
        """Computes logits, a few batches at a time side by side; see `Engine`."""
        classes = self._compiled.outputs[0].get_partial_shape()[1].get_length()
        logits = np.empty((len(arrays.lengths), classes), np.float32)

        def place(request: Any, rows: np.ndarray) -> None:
            logits[rows] = request.get_output_tensor(0).data

        self._queue.set_callback(place)
        with progress.bar("predict", len(logits), "sentences") as bar:
            for batch in token_plan(arrays.lengths, batch_size):
                self._queue.start_async(arrays.inputs(batch), batch.rows)
                bar.advance(len(batch.rows))
            self._queue.wait_all()
        return logits

    def __str__(self) -> str:
        return f"OpenVINO {graph.version()} on CPU, {os.cpu_count()} cores, {self.precision}"


def token_plan(lengths: np.ndarray, batch_size: int, tokens: int = TOKENS_AT_ONCE) -> list[Batch]:
    """Plans a prediction in batches of about as many tokens each, the longest rows first.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: The most rows a batch.
        tokens: The most tokens a batch, padding included; a longer row is a batch of its own.

    Returns:
        The batches; every row stands in one of them.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batches, start = [], 0
    while start < len(order):
        length = int(lengths[order[start]])
        rows = order[start : start + min(batch_size, max(1, tokens // length))]
        batches.append(Batch(rows, len(rows), length))
        start += len(rows)
    return batches


def predict_logits(model: Any, device: Device, arrays: Any, batch_size: int) -> np.ndarray:
    """Computes the logits of rows with Keras, the longest first, and puts them back in order.

    Args:
        model: A relation model.
        device: What the model was built on.
        arrays: The rows, as `RelationArrays`.
        batch_size: Rows a batch.

    Returns:
        (rows, classes) float32, in the rows' order.

    Raises:
        InputError: The device's memory does not suffice for a batch.
    """
    from relx.devices.memory import BatchWatch, memory_faults
    from relx.training.callbacks import Advance

    rungs = device.rungs(arrays.lengths, batch_size)
    plan = reading_plan(arrays.lengths, batch_size, rungs=rungs, multiple=device.replicas)
    data = device.stream(
        lambda: arrays.stream(plan), arrays.signature(len(plan[0].rows)), len(plan)
    )
    watch = BatchWatch(plan)
    shown = progress.bar("predict", len(plan), "batches")
    with shown as bar, memory_faults(device, "predict", watch):
        computed = device.predict(model, data, callbacks=[Advance(bar), watch])
    real = np.concatenate([np.arange(len(b.rows)) < b.real for b in plan])
    logits = np.empty((len(arrays.lengths), computed.shape[1]), np.float32)
    logits[np.concatenate([b.rows for b in plan])[real]] = computed[real]
    return logits


@dataclass(frozen=True)
class Trained:
    """A trained relation model, of which nothing has been loaded.

    Args:
        stage_folder: The run's `train/fold-K` folder, where its graph is kept.
        graph_name: Gives what `graph.graph_name` says of it.
        build: Builds it with its weights; called inside a device's scope.
        section: The device section to compute with.
        seed: The run's seed.
    """

    stage_folder: Path
    graph_name: Callable[[], str]
    build: Callable[[], Any]
    section: DeviceSection
    seed: int


def open_engine(trained: Trained, wanted: EngineName) -> Engine:
    """Opens what computes a prediction.

    Args:
        trained: The model.
        wanted: Which engine; auto takes OpenVINO on a CPU, where it is installed and the model
            converts, and Keras otherwise.

    Returns:
        The engine.

    Raises:
        InputError: OpenVINO is wanted and cannot be had, or the device cannot be had.
    """
    if wanted == "keras":
        return _keras(trained, open_device(trained.section, trained.seed))
    obstacle = _obstacle(trained.section)
    if obstacle is not None and wanted == "openvino":
        raise InputError(obstacle)
    surely = wanted == "openvino" or not may_have_accelerator()
    if obstacle is None and surely and (engine := _kept(trained)) is not None:
        return engine
    device = open_device(trained.section, trained.seed)
    if wanted == "auto" and (obstacle is not None or device.machine.accelerated):
        if not graph.is_installed() and not device.machine.accelerated:
            _note(obstacle)
        return _keras(trained, device)
    try:
        return _kept(trained) or _converted(trained)
    except InputError as error:
        if wanted == "openvino":
            raise
        _note(error.faults[0])
        return _keras(trained, open_device(trained.section, trained.seed))


def may_have_accelerator() -> bool:
    """Says whether there may be a GPU or TPU, without loading what would know for certain."""
    devices = Path("/dev")
    signs = any(any(devices.glob(pattern)) for pattern in _ACCELERATORS)
    return signs or sys.platform != "linux"


def _obstacle(section: DeviceSection) -> Fault | None:
    """Returns why OpenVINO cannot be taken, whatever the model."""
    if not graph.is_installed():
        what = "OpenVINO, which predicts faster on a CPU, is not installed"
        return Fault(what, "predict.engine", next_step=INSTALL, kind="no engine")
    if section.precision not in _PRECISIONS:
        what = "OpenVINO does not compute in this precision"
        allowed = ", ".join(_PRECISIONS)
        return Fault(what, "device.precision", section.precision, allowed, kind="precision")
    if section.virtual_devices > 1:
        what = "OpenVINO does not spread a batch over virtual devices"
        return Fault(what, "device.virtual_devices", str(section.virtual_devices), "1")
    return None


def _note(fault: Fault | None) -> None:
    if fault is not None:
        step = f": {fault.next_step}" if fault.next_step else ""
        progress.say(f"note: {fault.what}{step}")


def _keras(trained: Trained, device: Device) -> KerasEngine:
    with device.scope():
        return KerasEngine(trained.build(), device)


def _kept(trained: Trained) -> OpenVinoEngine | None:
    """Opens the graph of an earlier prediction; one that cannot be read is as good as none."""
    path = graph.kept_graph(trained.stage_folder, trained.graph_name())
    if path is None:
        return None
    try:
        return OpenVinoEngine(path, _PRECISIONS[trained.section.precision])
    except RuntimeError:
        progress.say(f"note: {path} cannot be read and is made anew")
        shutil.rmtree(path.parent, ignore_errors=True)
        return None


def _converted(trained: Trained) -> OpenVinoEngine:
    """Converts the model, which takes some seconds, and keeps the graph for the next time."""
    if trained.section.backend != "tensorflow":
        what = "only a model on TensorFlow can be converted for OpenVINO, which predicts faster"
        step = "predict once with --backend tensorflow; the graph it keeps serves every backend"
        raise InputError(Fault(what, "device.backend", trained.section.backend, next_step=step))
    progress.say("converting the model for OpenVINO, once")
    plain = {"precision": "float32", "strategy": "one"}
    device = open_device(trained.section.model_copy(update=plain), trained.seed)
    with device.scope():
        model = trained.build()
    try:
        graph.keep_graph(trained.stage_folder, trained.graph_name(), model)
    except graph.ConversionError as error:
        what = f"this model cannot be converted for OpenVINO: {error}"
        raise InputError(Fault(what, "predict.engine", kind="no engine")) from error
    engine = _kept(trained)
    if engine is None:  # a full disk goes unnoticed while the graph is written
        what, step = "the model's graph could not be written whole", "free some space"
        raise InputError(Fault(what, str(trained.stage_folder), next_step=step))
    return engine
