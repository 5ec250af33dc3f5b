"""What a machine offers: the backends, what `auto` chooses and why, and how fast it computes."""

from __future__ import annotations

import importlib.metadata
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relx import progress
from relx.devices.device import BACKENDS, Device, installed_backends, open_device
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras

DTYPES = ("float32", "bfloat16")
CPU_SIZE, ACCELERATOR_SIZE = 1024, 8192
SECONDS = 0.2


@dataclass(frozen=True)
class DeviceSpeed:
    """What a machine offers, and how fast it multiplies matrices.

    Args:
        versions: The version of each backend, None where it is not installed.
        device: What `auto` opened.
        size: The rows and columns of the matrices that were multiplied.
        speeds: The measured speed of their product in GFLOP/s, by dtype.
    """

    versions: dict[str, str | None]
    device: Device
    size: int
    speeds: dict[str, float]

    def choices(self) -> dict[str, tuple[str, str]]:
        """Returns what `auto` chose for precision, strategy and compilation, each with why."""
        machine = self.device.machine
        replicas = machine.spread.value
        spread = "one device" if replicas == 1 else f"{replicas} replicas"
        compiled = "XLA" if machine.compiles.value else "no"
        return {
            "precision": (self.device.precision, self.device.precise.reason),
            "strategy": (spread, machine.spread.reason),
            "compile": (compiled, machine.compiles.reason),
        }

    def to_json(self) -> dict[str, Any]:
        """Returns the findings as `json.dumps` takes them; memory in bytes."""
        processors = self.device.machine.processors
        choices = self.choices().items()
        return {
            "backends": self.versions,
            "opened": self.device.backend,
            "devices": [{"name": p.name, "memory_bytes": p.memory} for p in processors],
            "auto": {name: {"value": value, "why": why} for name, (value, why) in choices},
            "matrix_product": {"size": self.size, "gflops": self.speeds},
        }


def measure_device_speed(backend: str | None = None) -> DeviceSpeed:
    """Opens a backend as a recipe that leaves everything to `auto` would, and measures it.

    Args:
        backend: The backend; None for the first that is installed, of which TensorFlow is first.

    Returns:
        What was found.

    Raises:
        InputError: The backend is not installed, or none is.
    """
    installed = installed_backends()
    if not installed:
        what, step = "no backend is installed", "pip install 'relx[jax]'"
        raise InputError(Fault(what, "device.backend", next_step=step))
    section = DeviceSection.model_validate({"backend": backend or installed[0]})
    progress.say(f"opening {section.backend}")
    device = open_device(section, seed=0)
    size = ACCELERATOR_SIZE if device.machine.accelerated else CPU_SIZE
    progress.say(f"multiplying matrices of {size} x {size} on {device.hardware}")
    versions = {name: _version(name) if name in installed else None for name in BACKENDS}
    return DeviceSpeed(
        versions, device, size, {dtype: matrix_speed(size, dtype) for dtype in DTYPES}
    )


def matrix_speed(size: int, dtype: str, seconds: float = SECONDS) -> float:
    """Measures the product of two square matrices on the backend that is open.

    Args:
        size: Their rows and columns.
        dtype: What they hold.
        seconds: How long to measure at least.

    Returns:
        The speed in GFLOP/s, 2 size³ operations a product.
    """
    from keras import ops

    matrix = ops.ones((size, size), dtype)
    _wait(ops.matmul(matrix, matrix))
    count = 1
    while True:
        started = time.perf_counter()
        for _ in range(count):
            product = ops.matmul(matrix, matrix)
        _wait(product)
        taken = time.perf_counter() - started
        if taken >= seconds:
            return count * 2 * size**3 / taken / 1e9
        count *= 2


def _wait(product: keras.KerasTensor) -> None:
    """Waits for a product, and with it for those before."""
    from keras import ops

    ops.convert_to_numpy(product[:1, :1])


def _version(backend: str) -> str:
    packages = importlib.metadata.packages_distributions()[backend]
    return importlib.metadata.version(packages[0])
