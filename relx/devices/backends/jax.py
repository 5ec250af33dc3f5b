"""JAX: every step is compiled, once a shape, and what was compiled is kept for later runs."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from relx.data.batches import Signature
from relx.devices.backends.backend import Batches
from relx.devices.backends.divided import DividedWeights
from relx.devices.backends.machine import Choice, Machine, Processor, cpu, too_few
from relx.devices.backends.shares import share
from relx.devices.processes import read_processes
from relx.faults import Fault, InputError
from relx.progress import say
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    from relx.devices.backends.ahead import BatchesAhead

COMPILED = Choice(True, "without compilation Keras would run on JAX op by op")


def start(section: DeviceSection) -> Machine:
    """Finds the devices, and says where compiled steps are kept; see `Backend`."""
    process = read_processes(section)
    _keep_compiled_steps()
    if section.virtual_devices > 1:
        _split_cpu(section.virtual_devices)
    if process.count > 1:
        _join()
    devices, spread = _spread(section)
    strategy = _strategy(section, devices) if len(devices) > 1 else None
    keras.distribution.set_distribution(strategy)
    local = jax.local_devices()
    accelerated = local[0].platform != "cpu"
    return Machine(
        processors=tuple(map(_processor, local)) if accelerated else (cpu(),),
        accelerated=accelerated,
        bfloat16=_bfloat16(local),
        compiles=COMPILED,
        spread=spread,
        strategy=strategy,
        process=process,
        virtual=section.virtual_devices,
    )


def stream(machine: Machine, batches: Batches, signature: Signature, steps: int) -> BatchesAhead:
    """Returns batches for Keras; see `Backend`. Arrays say their own shapes."""
    from relx.devices.backends.ahead import BatchesAhead

    process = machine.process
    if process.count == 1:
        return BatchesAhead(batches, steps)
    return BatchesAhead(
        lambda: (share(batch, process.index, process.count) for batch in batches()), steps
    )


def seed_batches(data: BatchesAhead, place: tuple[int, int, int]) -> None:
    """Seeds nothing: dropout draws of Keras's generators alone; see `Backend`."""


def scope(machine: Machine) -> contextlib.AbstractContextManager[object]:
    """Enters nothing: Keras is told in `start`, and its loops look there; see `Backend`."""
    return contextlib.nullcontext()


def predict(
    machine: Machine,
    model: keras.Model,
    data: BatchesAhead,
    callbacks: list[keras.callbacks.Callback],
) -> np.ndarray:
    """Returns a model's outputs; see `Backend`."""
    if machine.process.count > 1:
        _gather_outputs(machine, model)
    return np.asarray(model.predict(data, verbose=0, callbacks=callbacks))


def numbers_of_all(machine: Machine, number: int) -> list[int]:
    """Returns the numbers of all processes; see `Backend`."""
    return [int(named) for named in multihost_utils.process_allgather(np.int32(number))]


def is_out_of_memory(error: BaseException) -> bool:
    """Says whether the device ran out of memory; see `Backend`."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


def is_process_lost(error: BaseException) -> bool:
    """Says whether another process of the run has ended; see `Backend`."""
    words = ("Gloo", "NCCL", "UNAVAILABLE", "heartbeat")
    known = isinstance(error, (ValueError, jax.errors.JaxRuntimeError))
    return known and any(word in str(error) for word in words)


def refuse_precision(machine: Machine, precision: str) -> Fault | None:
    """Refuses float16 on a CPU; see `Backend`."""
    if precision != "mixed_float16" or machine.accelerated:
        return None
    # Keras's fused attention, which is at work where the encoder has no dropout, fails there.
    what = "JAX does not compute attention in float16 on a CPU"
    step = "set device.precision to auto, or device.backend to tensorflow or torch"
    return Fault(what, "device.precision", precision, "float32, mixed_bfloat16", step)


def _split_cpu(count: int) -> None:
    with contextlib.suppress(RuntimeError):  # JAX has started: it was split before, or cannot be
        jax.config.update("jax_num_cpu_devices", count)
    if jax.local_device_count() < count:
        what = "the CPU can no longer be split in this process, or there are accelerators"
        raise InputError(Fault(what, "device.virtual_devices", str(count)))


@functools.cache
def _join() -> None:
    """Joins the processes of a run, which JAX does once, before anything is computed."""
    say("waiting for the other processes of this run")
    keras.distribution.initialize()


def _spread(section: DeviceSection) -> tuple[list[jax.Device], Choice[int]]:
    """Chooses the devices that share each batch."""
    if section.strategy == "multi_worker":
        devices = jax.devices()
        words = f"{len(devices)} devices of {jax.process_count()} processes share each batch"
        return devices, Choice(len(devices), words)
    devices = jax.local_devices()
    if section.strategy in ("mirrored", "model_parallel") and len(devices) < 2:
        raise InputError(too_few(section))
    if len(devices) == 1:
        return devices, Choice(1, "there is one device")
    if section.strategy == "one":
        return devices[:1], Choice(1, "the recipe asks for one device")
    shared = "the weights and each batch" if section.strategy == "model_parallel" else "each batch"
    return devices, Choice(len(devices), f"{len(devices)} devices share {shared}")


def _strategy(
    section: DeviceSection, devices: list[jax.Device]
) -> keras.distribution.DataParallel | DividedWeights:
    if section.strategy == "model_parallel":
        return DividedWeights(devices)
    names = [f"{device.platform}:{device.id}" for device in devices]
    # `stream` hands each process its own rows.
    return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)


def _gather_outputs(machine: Machine, model: keras.Model) -> None:
    """Lets a model predict whole batches on every process: Keras would read rows of others."""
    if getattr(model, "gathers_outputs", False):
        return
    assert machine.strategy is not None  # several processes have one
    mesh = machine.strategy.device_mesh.backend_mesh
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    gather = jax.jit(lambda outputs: outputs, out_shardings=everywhere)
    model.make_predict_function()
    predict_shared = model.predict_function

    def predict_whole(state: Any, batches: Any) -> tuple[Any, Any]:
        outputs, state = predict_shared(state, batches)
        return gather(outputs), state

    model.predict_function, model.gathers_outputs = predict_whole, True


def _keep_compiled_steps() -> None:
    """Sets JAX's persistent compilation cache, unless the user set one."""
    if jax.config.jax_compilation_cache_dir is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "relx" / "jax"))


def _processor(device: jax.Device) -> Processor:
    statistics = device.memory_stats() or {}
    return Processor(device.device_kind, statistics.get("bytes_limit"))


def _bfloat16(devices: list[jax.Device]) -> Choice[bool]:
    platform = devices[0].platform
    if platform == "cpu":
        return Choice(False, "on a CPU, JAX is no faster in bfloat16")
    if platform == "tpu":
        return Choice(True, "a TPU computes bfloat16")
    if all(_capability(device) >= 8.0 for device in devices):
        return Choice(True, "every GPU computes bfloat16 (compute capability 8.0 or more)")
    return Choice(False, "a GPU does not compute bfloat16 (compute capability below 8.0)")


def _capability(device: jax.Device) -> float:
    """Returns a GPU's compute capability; 0 where it is not NVIDIA's, which alone have one."""
    text = str(getattr(device, "compute_capability", ""))
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
