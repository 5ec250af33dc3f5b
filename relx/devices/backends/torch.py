"""PyTorch: one device, nothing compiled, so that each batch is padded to its own longest row."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from relx.data.batches import Signature
from relx.devices.backends.backend import Batches
from relx.devices.backends.machine import Choice, Machine, Processor, cpu, cpu_has, unavailable
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras

    from relx.devices.backends.ahead import BatchesAhead


def start(section: DeviceSection) -> Machine:
    """Finds the device; see `Backend`."""
    if section.strategy in ("mirrored", "model_parallel", "multi_worker"):
        what = "on the torch backend Keras computes on one device"
        step = "set device.strategy to one, or device.backend to tensorflow or jax"
        raise InputError(unavailable(section.strategy, what, step))
    if section.virtual_devices > 1:
        what = "the torch backend cannot split the CPU"
        step = "set device.backend to tensorflow or jax"
        received = str(section.virtual_devices)
        raise InputError(Fault(what, "device.virtual_devices", received, next_step=step))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    others = "" if gpus < 2 else f"; the other {gpus - 1} are for tensorflow or jax"
    return Machine(
        processors=(_gpu() if gpus else cpu(),),
        accelerated=gpus > 0,
        bfloat16=_bfloat16(gpus),
        compiles=Choice(False, "Keras does not train a model that torch compiled"),
        spread=Choice(1, f"on the torch backend Keras computes on one device{others}"),
    )


def stream(machine: Machine, batches: Batches, signature: Signature, steps: int) -> BatchesAhead:
    """Returns batches for Keras; see `Backend`. Arrays say their own shapes."""
    from relx.devices.backends.ahead import BatchesAhead

    return BatchesAhead(batches, steps)


def seed_batches(data: BatchesAhead, place: tuple[int, int, int]) -> None:
    """Seeds torch's own generator, of which dropout draws, before every batch; see `Backend`."""
    seed, epoch, first = place

    def before(index: int) -> None:
        state = np.random.SeedSequence((seed, epoch, first + index)).generate_state(1, np.uint64)
        torch.manual_seed(int(state[0] >> np.uint64(1)))

    data.before = before


def scope(machine: Machine) -> contextlib.AbstractContextManager[object]:
    """Enters nothing: there is no strategy; see `Backend`."""
    return contextlib.nullcontext()


def predict(
    machine: Machine,
    model: keras.Model,
    data: BatchesAhead,
    callbacks: list[keras.callbacks.Callback],
) -> np.ndarray:
    """Returns a model's outputs; see `Backend`."""
    return np.asarray(model.predict(data, verbose=0, callbacks=callbacks))


def numbers_of_all(machine: Machine, number: int) -> list[int]:
    """Returns this process's number: there is no other; see `Backend`."""
    return [number]


def is_out_of_memory(error: BaseException) -> bool:
    """Says whether the device ran out of memory; see `Backend`."""
    # The CPU's allocator raises a plain RuntimeError.
    words = "DefaultCPUAllocator: can't allocate memory"
    return isinstance(error, torch.OutOfMemoryError) or words in str(error)


def is_process_lost(error: BaseException) -> bool:
    """Says that no other process is missing: there is none; see `Backend`."""
    return False


def refuse_precision(machine: Machine, precision: str) -> Fault | None:
    """Refuses no precision; see `Backend`."""
    return None


def _gpu() -> Processor:
    properties = torch.cuda.get_device_properties(0)
    return Processor(properties.name, properties.total_memory)


def _bfloat16(gpus: int) -> Choice[bool]:
    if gpus and torch.cuda.is_bf16_supported(including_emulation=False):
        return Choice(True, "the GPU computes bfloat16")
    if gpus:
        return Choice(False, "the GPU does not compute bfloat16")
    # Measured with 12 layers of 384 at 16 x 96 on two cores: a training step took 0.75 s in
    # bfloat16 and 1.25 s in float32, prediction 0.15 s and 0.32 s.
    if cpu_has("amx_bf16"):
        return Choice(
            True, "the CPU multiplies matrices in bfloat16 (AMX): a step takes 0.6 of the time"
        )
    return Choice(False, "the CPU does not multiply matrices in bfloat16 (no AMX)")
