"""What a run computes on: the backend, the precision and the strategy, known here alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from relx.batches import Feeder, ladder
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection


@dataclass(frozen=True)
class Device:
    """What a run computes on, opened.

    Args:
        backend: Keras's backend.
        precision: The dtype policy: float32, mixed_bfloat16 or mixed_float16.
        replicas: How many devices share a batch.
        hardware: The devices in words, such as `2 x NVIDIA H100`.
        compiles: Whether steps are compiled by XLA, once a shape.
        strategy: TensorFlow's distribution strategy, or None for one device.
    """

    backend: str
    precision: str
    replicas: int
    hardware: str
    compiles: bool
    strategy: Any = None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Enters the strategy: models are built, loaded and compiled inside."""
        with self.strategy.scope() if self.strategy else contextlib.nullcontext():
            yield

    def feeder(self, arrays: Any, batch_size: int, seed: int) -> Feeder:
        """Returns the batches of a fit in the shapes that suit the device.

        Args:
            arrays: The rows: their `lengths` (rows,) in tokens, and `training`, which assembles.
            batch_size: Rows a batch, over all replicas.
            seed: The run's seed.

        Returns:
            The feeder; with a ladder of lengths where every shape is compiled.
        """
        rungs = ladder(arrays.lengths) if self.compiles else None
        return Feeder(arrays.lengths, batch_size, seed, arrays.training, rungs, self.replicas)

    def dataset(self, feeder: Feeder, epoch: int) -> Any:
        """Returns an epoch's batches in the form that `model.fit` takes.

        Args:
            feeder: The batches.
            epoch: The epoch, from 0.

        Returns:
            A tf.data.Dataset of (inputs, targets, weights), assembled ahead in the background.
        """
        return self.stream(lambda: feeder.arrays(epoch), feeder.signature(), feeder.steps)

    def stream(self, batches: Callable[[], Iterator[Any]], signature: Any, steps: int) -> Any:
        """Returns batches of arrays in the form that Keras's loops take.

        Args:
            batches: Gives an iterator over the batches: dictionaries of inputs, or tuples of
                inputs, targets and weights.
            signature: The same structure with (shape, dtype) at its leaves.
            steps: The number of batches.

        Returns:
            A tf.data.Dataset, assembled ahead in the background.
        """
        import tensorflow as tf

        spec = _map_leaves(signature, lambda shape, dtype: tf.TensorSpec(shape, dtype))
        data = tf.data.Dataset.from_generator(batches, output_signature=spec)
        # without a cardinality, a fit under a strategy runs one empty step more
        return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(4)

    def manifest(self) -> dict[str, Any]:
        """Returns what the manifest says of the device."""
        return {
            "backend": self.backend,
            "hardware": self.hardware,
            "precision": self.precision,
            "replicas": self.replicas,
            "compiled": self.compiles,
        }

    def __str__(self) -> str:
        replicas = f", {self.replicas} replicas" if self.replicas > 1 else ""
        return f"{self.hardware}, {self.backend}, {self.precision}{replicas}"


def open_device(section: DeviceSection, seed: int) -> Device:
    """Chooses Keras's backend, imports it, and sets precision, strategy and seed.

    Args:
        section: The recipe's `device`.
        seed: The seed of weights and dropout.

    Returns:
        The device.

    Raises:
        InputError: Keras runs on another backend in this process, or the strategy has no devices.
    """
    _choose_backend(section.backend)
    with _native_noise_silenced():
        import keras

    gpus = _gpus()
    strategy, replicas = _strategy(section, len(gpus))
    precision = _precision(section, gpus)
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(seed)
    return Device(
        backend=section.backend,
        precision=precision,
        replicas=replicas,
        hardware=_hardware(gpus, section.virtual_devices),
        # On TensorFlow's CPU XLA costs a third; with two replicas it is broken in Keras.
        compiles=bool(gpus) and replicas == 1,
        strategy=strategy,
    )


@contextlib.contextmanager
def _native_noise_silenced() -> Iterator[None]:
    """Silences what libraries print below Python while they are imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _choose_backend(backend: str) -> None:
    chosen = os.environ.get("KERAS_BACKEND")
    if "keras" in sys.modules:
        import keras

        chosen = keras.config.backend()
    if "keras" in sys.modules and chosen != backend:
        what = "Keras already runs on another backend in this process"
        step = "start a new process"
        raise InputError(Fault(what, "device.backend", str(chosen), backend, step))
    os.environ["KERAS_BACKEND"] = backend


def _gpus() -> list[Any]:
    import tensorflow as tf

    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # the runtime has started: it was set before
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def _strategy(section: DeviceSection, gpus: int) -> tuple[Any, int]:
    """Makes the strategy and says how many replicas it has; None for a single device."""
    import tensorflow as tf

    devices = [f"GPU:{i}" for i in range(gpus)]
    if section.virtual_devices > 1:
        _split_cpu(section.virtual_devices)
        devices = [f"CPU:{i}" for i in range(section.virtual_devices)]
    wanted = section.strategy
    if wanted == "mirrored" and len(devices) < 2:
        step = "set device.strategy to auto or one, or try it with device.virtual_devices=2"
        received = f"{len(devices)} GPU"
        fault = Fault(
            "a mirrored strategy needs two devices", "device.strategy", received, next_step=step
        )
        raise InputError(fault)
    if wanted == "one" or len(devices) < 2:
        return None, 1
    # Between CPUs there is no NCCL.
    cross = tf.distribute.ReductionToOneDevice() if section.virtual_devices > 1 else None
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=cross), len(devices)


def _split_cpu(count: int) -> None:
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) >= count:
            return
        what = "the CPU cannot be split any more in this process"
        raise InputError(Fault(what, "device.virtual_devices", str(count))) from error


def _precision(section: DeviceSection, gpus: list[Any]) -> str:
    """Resolves auto: bfloat16 where the GPUs compute it, float32 otherwise."""
    if section.precision != "auto":
        return section.precision
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    capable = [detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details]
    return "mixed_bfloat16" if capable and all(capable) else "float32"


def _hardware(gpus: list[Any], virtual: int) -> str:
    if gpus and virtual == 1:
        import tensorflow as tf

        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return f"{len(gpus)} x {name}"
    cores = f"CPU, {os.cpu_count()} cores"
    return f"{cores} in {virtual} virtual devices" if virtual > 1 else cores


def _map_leaves(signature: Any, make: Callable[[Any, Any], Any]) -> Any:
    if isinstance(signature, dict):
        return {name: make(*leaf) for name, leaf in signature.items()}
    inputs, targets, weights = signature
    return _map_leaves(inputs, make), make(*targets), make(*weights)
