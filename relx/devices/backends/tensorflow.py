"""TensorFlow: tf.data feeds it, tf.distribute spreads a batch, and XLA is for GPUs alone."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from relx.data.batches import Arrays, Inputs, Leaf, Signature
from relx.devices.backends.backend import Batches
from relx.devices.backends.machine import (
    Choice,
    Machine,
    Processor,
    cpu,
    cpu_has,
    too_few,
    unavailable,
)
from relx.devices.backends.shares import map_leaves, share
from relx.devices.processes import Processes, read_processes
from relx.faults import Fault, InputError
from relx.progress import say
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras

AHEAD = 4


def start(section: DeviceSection) -> Machine:
    """Finds the devices and makes the strategy; see `Backend`."""
    process = read_processes(section)
    gpus = _gpus()
    strategy, spread = _strategy(section, len(gpus), process)
    return Machine(
        processors=tuple(map(_processor, gpus)) or (cpu(),),
        accelerated=bool(gpus) and section.virtual_devices == 1,
        bfloat16=_bfloat16(gpus),
        compiles=_compiles(bool(gpus), spread.value),
        spread=spread,
        strategy=strategy,
        process=process,
        virtual=section.virtual_devices,
    )


def stream(machine: Machine, batches: Batches, signature: Signature, steps: int) -> tf.data.Dataset:
    """Returns batches as a dataset, of which each replica gets its own rows; see `Backend`."""
    if machine.strategy is None:
        return _dataset(batches, signature, steps)
    replicas = machine.spread.value
    local = replicas // machine.process.count
    first = machine.process.index * local

    def shares() -> Iterator[Inputs | Arrays]:
        for batch in batches():
            for replica in range(first, first + local):
                yield share(batch, replica, replicas)

    def of_replica(leaf: Leaf) -> Leaf:
        (size, *rest), dtype = leaf
        assert size is not None  # only a batch's length is left open
        return (size // replicas, *rest), dtype

    cut = map_leaves(signature, of_replica)
    data = machine.strategy.distribute_datasets_from_function(
        lambda _: _dataset(shares, cut, steps * local)
    )
    # TensorFlow counts what replicas get; Keras takes the number for that of the batches.
    data._cardinality = steps
    return data


def _dataset(batches: Batches, signature: Signature, steps: int) -> tf.data.Dataset:
    spec = map_leaves(signature, lambda leaf: tf.TensorSpec(*leaf))
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    # without a cardinality, a fit under a strategy runs one empty step more
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(AHEAD)


def seed_batches(data: tf.data.Dataset, place: tuple[int, int, int]) -> None:
    """Seeds nothing: dropout draws of Keras's generators alone; see `Backend`."""


def scope(machine: Machine) -> contextlib.AbstractContextManager[object]:
    """Enters the strategy, if there is one; see `Backend`."""
    strategy = machine.strategy
    entered: contextlib.AbstractContextManager[object] = (
        strategy.scope() if strategy else contextlib.nullcontext()
    )
    return entered


def predict(
    machine: Machine,
    model: keras.Model,
    data: tf.data.Dataset,
    callbacks: list[keras.callbacks.Callback],
) -> np.ndarray:
    """Returns a model's outputs; see `Backend`."""
    return np.asarray(model.predict(data, verbose=0, callbacks=callbacks))


def numbers_of_all(machine: Machine, number: int) -> list[int]:
    """Returns the numbers of all processes, once a replica; see `Backend`."""
    strategy = machine.strategy
    assert strategy is not None  # several processes have one

    def gathered() -> tf.Tensor:
        return strategy.gather(strategy.run(lambda: tf.constant([number], tf.int64)), axis=0)

    return [int(named) for named in tf.function(gathered, autograph=False)().numpy()]


def is_out_of_memory(error: BaseException) -> bool:
    """Says whether the device ran out of memory; see `Backend`."""
    return isinstance(error, tf.errors.ResourceExhaustedError)


def is_process_lost(error: BaseException) -> bool:
    """Says whether another process of the run has ended; see `Backend`."""
    lost = (tf.errors.UnavailableError, tf.errors.AbortedError)
    return isinstance(error, lost) or "Collective ops is aborted" in str(error)


def refuse_precision(machine: Machine, precision: str) -> Fault | None:
    """Refuses no precision; see `Backend`."""
    return None


def _gpus() -> list[tf.config.PhysicalDevice]:
    gpus: list[tf.config.PhysicalDevice] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # the runtime has started: it was set before
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def _processor(gpu: tf.config.PhysicalDevice) -> Processor:
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return Processor(name)


def _strategy(
    section: DeviceSection, gpus: int, process: Processes
) -> tuple[tf.distribute.Strategy | None, Choice[int]]:
    """Makes the strategy and says how many replicas it has; None for a single device."""
    if section.strategy == "multi_worker":
        workers = _multi_worker()
        replicas = workers.num_replicas_in_sync
        words = f"{replicas} devices of {process.count} processes share each batch"
        return workers, Choice(replicas, words)
    if section.strategy == "model_parallel":
        what, step = "TensorFlow divides no weights among devices", "set device.backend to jax"
        raise InputError(unavailable(section.strategy, what, step))
    devices = [f"GPU:{i}" for i in range(gpus)]
    if section.virtual_devices > 1:
        _split_cpu(section.virtual_devices)
        devices = [f"CPU:{i}" for i in range(section.virtual_devices)]
    if section.strategy == "mirrored" and len(devices) < 2:
        raise InputError(too_few(section))
    if len(devices) < 2:
        return None, Choice(1, "there is one device")
    if section.strategy == "one":
        return None, Choice(1, "the recipe asks for one device")
    # Between CPUs there is no NCCL.
    cross = tf.distribute.ReductionToOneDevice() if section.virtual_devices > 1 else None
    mirrored = tf.distribute.MirroredStrategy(devices, cross_device_ops=cross)
    return mirrored, Choice(len(devices), f"{len(devices)} devices share each batch")


class _MultiWorker(tf.distribute.MultiWorkerMirroredStrategy):
    """The processes of a run, and what Keras asks of them in a form that TensorFlow refuses."""

    def reduce(self, reduce_op: Any, value: Any, axis: int | None = None) -> Any:
        """Reduces a value over the replicas.

        Args:
            reduce_op: Sum or mean.
            value: A value of each replica; Keras gives whole batches too, to see their shapes.
            axis: An axis to reduce besides; Keras gives one for scalars too.

        Returns:
            The value; of a batch, this process's rows.
        """
        if isinstance(value, (dict, tuple)):
            return tf.nest.map_structure(self._first, value)
        scalar = self._first(value).shape.rank == 0
        return super().reduce(reduce_op, value, None if scalar else axis)

    def _first(self, value: Any) -> Any:
        """Returns the value of this process's first replica."""
        return self.experimental_local_results(value)[0]


@functools.cache
def _multi_worker() -> _MultiWorker:
    """Joins the processes of a run: TensorFlow does so once, before anything is computed."""
    say("waiting for the other processes of this run")
    return _MultiWorker()


def _split_cpu(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) >= count:
            return
        what = "the CPU can no longer be split in this process"
        raise InputError(Fault(what, "device.virtual_devices", str(count))) from error


def _bfloat16(gpus: list[tf.config.PhysicalDevice]) -> Choice[bool]:
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    # Measured with 12 layers of 384 at 16 x 96 on two cores with AMX: a training step took 0.85 s
    # in bfloat16 and 1.30 s in float32. The default backend still gives the same figures with and
    # without AMX, and OpenVINO, which predicts, is made of float32 weights either way.
    if not details:
        faster = ": with AMX, mixed_bfloat16 would train in two thirds of the time"
        words = f"float32 is the default on a CPU{faster if cpu_has('amx_bf16') else ''}"
        return Choice(False, words)
    if all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details):
        return Choice(True, "every GPU computes bfloat16 (compute capability 8.0 or more)")
    return Choice(False, "a GPU does not compute bfloat16 (compute capability below 8.0)")


def _compiles(gpus: bool, replicas: int) -> Choice[bool]:
    if not gpus:
        return Choice(
            False, "on a CPU, TensorFlow takes a third longer for a step that XLA compiled"
        )
    if replicas > 1:
        return Choice(False, "Keras cannot compile a step that replicas share")
    return Choice(True, "XLA fuses what the GPU would do in many small kernels")
