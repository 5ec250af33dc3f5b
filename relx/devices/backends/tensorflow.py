"""TensorFlow: tf.data feeds it, tf.distribute spreads a batch, and XLA is for GPUs alone."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from relx.devices.backends.machine import Choice, Machine, Processor, cpu, cpu_has, too_few
from relx.devices.backends.shares import map_leaves, share
from relx.devices.processes import Processes, read_processes
from relx.faults import Fault, InputError
from relx.progress import say
from relx.recipe import DeviceSection

AHEAD = 4


def start(section: DeviceSection) -> Machine:
    """Finds the devices and makes the strategy; nothing may have been computed before.

    Args:
        section: The recipe's `device`.

    Returns:
        The machine.

    Raises:
        InputError: The strategy lacks devices, or the description of the run's processes.
    """
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


def stream(
    machine: Machine, batches: Callable[[], Iterator[Any]], signature: Any, steps: int
) -> Any:
    """Returns batches as a tf.data.Dataset, assembled ahead in the background.

    Under a strategy each replica gets its own rows of every batch. Every process assembles whole
    batches and drops the rows of others: the batches are a function of the seed, the epoch and the
    step, so that nothing has to be sent.

    Args:
        machine: What was started.
        batches: Gives an iterator over the batches: dictionaries of inputs, or tuples of inputs,
            targets and weights. The replicas divide their rows.
        signature: The same structure with (shape, dtype) at its leaves.
        steps: The number of batches.

    Returns:
        The dataset.
    """
    if machine.strategy is None:
        return _dataset(batches, signature, steps)
    replicas = machine.spread.value
    local = replicas // machine.process.count
    first = machine.process.index * local

    def shares() -> Iterator[Any]:
        for batch in batches():
            for replica in range(first, first + local):
                yield share(batch, replica, replicas)

    cut = map_leaves(signature, lambda leaf: ((leaf[0][0] // replicas, *leaf[0][1:]), leaf[1]))
    data = machine.strategy.distribute_datasets_from_function(
        lambda _: _dataset(shares, cut, steps * local)
    )
    # TensorFlow counts what replicas get; Keras takes the number for that of the batches.
    data._cardinality = steps
    return data


def _dataset(batches: Callable[[], Iterator[Any]], signature: Any, steps: int) -> tf.data.Dataset:
    spec = map_leaves(signature, lambda leaf: tf.TensorSpec(*leaf))
    data = tf.data.Dataset.from_generator(batches, output_signature=spec)
    # without a cardinality, a fit under a strategy runs one empty step more
    return data.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(AHEAD)


def scope(machine: Machine) -> contextlib.AbstractContextManager[Any]:
    """Enters the strategy: models are built, loaded and compiled inside."""
    scope: contextlib.AbstractContextManager[Any] = (
        machine.strategy.scope() if machine.strategy else contextlib.nullcontext()
    )
    return scope


def predict(machine: Machine, model: Any, data: Any, callbacks: list[Any]) -> Any:
    """Returns a model's outputs for the batches of `stream`: all rows, on every process."""
    return model.predict(data, verbose=0, callbacks=callbacks)


def numbers_of_all(machine: Machine, number: int) -> list[int]:
    """Returns the numbers that the processes of a run name, once a replica."""
    strategy = machine.strategy

    def named() -> Any:
        return strategy.gather(strategy.run(lambda: tf.constant([number], tf.int64)), axis=0)

    return list(tf.function(named, autograph=False)().numpy())


def is_out_of_memory(error: BaseException) -> bool:
    """Says whether an error means that the device's memory did not suffice."""
    return isinstance(error, tf.errors.ResourceExhaustedError)


def is_process_lost(error: BaseException) -> bool:
    """Says whether an error means that another process of the run has ended."""
    lost = (tf.errors.UnavailableError, tf.errors.AbortedError)
    return isinstance(error, lost) or "Collective ops is aborted" in str(error)


def refuse_precision(machine: Machine, precision: str) -> Fault | None:
    """Returns why this backend cannot train in a precision, or None: it can in all of them."""
    return None


def _gpus() -> list[Any]:
    gpus: list[Any] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with contextlib.suppress(RuntimeError):  # the runtime has started: it was set before
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def _processor(gpu: Any) -> Processor:
    name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return Processor(name)


def _strategy(section: DeviceSection, gpus: int, process: Processes) -> tuple[Any, Choice[int]]:
    """Makes the strategy and says how many replicas it has; None for a single device."""
    if section.strategy == "multi_worker":
        workers = _multi_worker()
        replicas = workers.num_replicas_in_sync
        words = f"{replicas} devices of {process.count} processes share each batch"
        return workers, Choice(replicas, words)
    devices = [f"GPU:{i}" for i in range(gpus)]
    if section.virtual_devices > 1:
        _split_cpu(section.virtual_devices)
        devices = [f"CPU:{i}" for i in range(section.virtual_devices)]
    if section.strategy == "mirrored" and len(devices) < 2:
        raise InputError(too_few(section))
    if len(devices) < 2:
        return None, Choice(1, "there is one device")
    if section.strategy == "one":
        return None, Choice(1, "the recipe wants one device")
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
def _multi_worker() -> Any:
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
        what = "the CPU cannot be split any more in this process"
        raise InputError(Fault(what, "device.virtual_devices", str(count))) from error


def _bfloat16(gpus: list[Any]) -> Choice[bool]:
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    # Measured with 12 layers of 384 at 16 x 96 on two cores with AMX: a training step took 0.85 s
    # in bfloat16 and 1.30 s in float32. The default backend still gives the same figures with and
    # without AMX, and OpenVINO, which predicts, is made of float32 weights either way.
    if not details:
        faster = ": with AMX mixed_bfloat16 would train in two thirds of the time"
        words = f"a CPU is left with float32 unless told{faster if cpu_has('amx_bf16') else ''}"
        return Choice(False, words)
    if all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details):
        return Choice(True, "every GPU computes bfloat16 (compute capability 8.0 or more)")
    return Choice(False, "a GPU does not compute bfloat16 (compute capability below 8.0)")


def _compiles(gpus: bool, replicas: int) -> Choice[bool]:
    if not gpus:
        return Choice(False, "on TensorFlow's CPU a step that XLA compiled takes a third longer")
    if replicas > 1:
        return Choice(False, "Keras cannot compile a step that replicas share")
    return Choice(True, "XLA fuses what the GPU would do in many small kernels")
