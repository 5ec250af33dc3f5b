"""What computes a prediction: Keras, or OpenVINO where a CPU has to do it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from relx import progress
from relx.data.batches import ReadingRows
from relx.devices.device import Device, open_device
from relx.engines import openvino as graph
from relx.engines.keras import KerasEngine
from relx.engines.keras import predict_logits as predict_logits
from relx.engines.openvino import OpenVinoEngine
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras

EngineName = Literal["auto", "keras", "openvino"]
INSTALL = "pip install 'relx[cpu]'"
_PRECISIONS = {"auto": "f32", "float32": "f32", "mixed_bfloat16": "bf16"}
# What a GPU or TPU shows of itself before anything that could ask for it is loaded.
_ACCELERATORS = ("nvidia[0-9]*", "kfd", "accel*", "dxg", "vfio/[0-9]*")


class Engine(Protocol):
    """What computes the logits of rows.

    Attributes:
        segments: Whether the model takes segment ids.
    """

    segments: bool

    def logits(self, arrays: ReadingRows, batch_size: int) -> np.ndarray:
        """Computes logits.

        Args:
            arrays: The rows.
            batch_size: The most rows that are computed at once.

        Returns:
            (rows, classes) float32, in the rows' order.
        """


@dataclass(frozen=True)
class Trained:
    """A trained relation model, of which nothing has been loaded.

    Args:
        stage_folder: The run's `train/fold-K` folder, where its graph is kept.
        graph_name: Gives what `graph.graph_name` says of it.
        build: Builds it with its weights; called inside a device's scope.
        build_for_export: Builds the same of float32 alone, to be converted.
        section: The device section to compute with.
        seed: The run's seed.
    """

    stage_folder: Path
    graph_name: Callable[[], str]
    build: Callable[[], keras.Model]
    build_for_export: Callable[[], keras.Model]
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
        # Its bytes are whole: it may be the memory that is short, and the graph stays until then.
        progress.say(f"note: {path} cannot be opened; it is made again")
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
        model = trained.build_for_export()
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
