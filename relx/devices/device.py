"""What a run computes on: the backend, the precision and the strategy, known here alone."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from relx.data.batches import Feeder, Signature, TrainingRows, choose_bucket_lengths
from relx.devices.backends.backend import Backend, Batches, Stream
from relx.devices.backends.machine import Choice, Machine
from relx.faults import Fault, InputError
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras

    from relx.devices.backends import jax, tensorflow, torch

    _CHECKED: tuple[Backend, ...] = (jax, tensorflow, torch)

BACKENDS: tuple[str, ...] = get_args(DeviceSection.model_fields["backend"].annotation)
INSTALL = {
    "tensorflow": "pip install 'tensorflow>=2.21'",
    "jax": "pip install 'relx[jax]'",
    "torch": "pip install 'relx[torch]'",
}


@dataclass(frozen=True)
class Device:
    """What a run computes on, opened.

    Args:
        backend: Keras's backend.
        machine: What the backend found, and what it chose to use of it.
        precise: The dtype policy, float32, mixed_bfloat16 or mixed_float16, and why.
    """

    backend: str
    machine: Machine
    precise: Choice[str]

    @property
    def precision(self) -> str:
        """The dtype policy: float32, mixed_bfloat16 or mixed_float16."""
        return self.precise.value

    @property
    def replicas(self) -> int:
        """How many devices share a batch, over all processes."""
        return self.machine.spread.value

    @property
    def hardware(self) -> str:
        """The devices in words, such as `2 x NVIDIA H100`."""
        return str(self.machine)

    @property
    def compiles(self) -> bool:
        """Whether steps are compiled by XLA, once a shape."""
        return self.machine.compiles.value

    @property
    def chief(self) -> bool:
        """False on every process of a run but the first."""
        return self.machine.chief

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Enters the strategy: models are built, loaded and compiled inside."""
        with _module(self.backend).scope(self.machine):
            yield

    def feeder(
        self, arrays: TrainingRows, batch_size: int, seed: int, accumulate: int = 1
    ) -> Feeder:
        """Returns the batches of a fit in the shapes that suit the device.

        Args:
            arrays: The rows.
            batch_size: Rows per batch, over all replicas.
            seed: The run's seed.
            accumulate: In how many parts, one after the other, a batch is computed.

        Returns:
            The feeder; with bucket lengths where every shape is compiled.
        """
        return Feeder(
            arrays.lengths,
            batch_size,
            seed,
            arrays.training,
            self.bucket_lengths(arrays.lengths, batch_size),
            self.replicas,
            accumulate,
        )

    def bucket_lengths(self, lengths: np.ndarray, batch_size: int) -> tuple[int, ...] | None:
        """Returns the few lengths that rows are padded to, or None: to the longest of each batch.

        Args:
            lengths: The rows' lengths in tokens, (rows,).
            batch_size: Rows per batch.

        Returns:
            The bucket lengths where every shape is compiled, else None.
        """
        return choose_bucket_lengths(lengths, batch_size) if self.compiles else None

    def dataset(self, feeder: Feeder, epoch: int, first_step: int = 0) -> Stream:
        """Returns an epoch's batches in the form that `model.fit` takes.

        Args:
            feeder: The batches.
            epoch: The epoch, from 0.
            first_step: The first batch, from 0; the ones before it are left out.

        Returns:
            What yields (inputs, targets, weights), assembled ahead in the background.
        """
        steps = (feeder.steps - first_step) * feeder.parts
        data = self.stream(lambda: feeder.arrays(epoch, first_step), feeder.signature(), steps)
        place = (feeder.seed, epoch, first_step * feeder.parts)
        _module(self.backend).seed_batches(data, place)
        return data

    def stream(self, batches: Batches, signature: Signature, steps: int) -> Stream:
        """Returns batches of arrays in the form that Keras's loops take.

        Args:
            batches: Gives an iterator over the batches: dictionaries of inputs, or tuples of
                inputs, targets and weights.
            signature: The same structure with (shape, dtype) at its leaves.
            steps: The number of batches.

        Returns:
            A tf.data.Dataset on TensorFlow, a keras.utils.PyDataset on JAX and PyTorch; assembled
            ahead in the background.
        """
        return _module(self.backend).stream(self.machine, batches, signature, steps)

    def predict(
        self,
        model: keras.Model,
        data: Stream,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> np.ndarray:
        """Computes a model's outputs; all processes of a run share the work, and all get all rows.

        Args:
            model: The model, built in the device's scope.
            data: What `stream` returned.
            callbacks: Keras's callbacks.

        Returns:
            The outputs, one batch after the other.
        """
        return _module(self.backend).predict(self.machine, model, data, [*callbacks])

    def barrier(self) -> None:
        """Waits for the other processes of a run; a single one goes on at once."""
        self._numbers_of_all(0)

    def require_same(self, number: int, where: str) -> None:
        """Checks that the processes of a run go on from the same place.

        Args:
            number: Says what this process found, 0 to 2**31 - 1.
            where: Where it was found, for the message.

        Raises:
            InputError: Another process found something else.
        """
        numbers = self._numbers_of_all(number)
        if len(set(numbers)) > 1:
            what = "the processes of this run do not see the same checkpoint"
            step = "give all of them the same runs folder, on a disk that they share"
            raise InputError(Fault(what, where, next_step=step))

    def _numbers_of_all(self, number: int) -> list[int]:
        if self.machine.process.count == 1:
            return [number]
        return _module(self.backend).numbers_of_all(self.machine, number)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Says whether an error means that the device's or the machine's memory did not suffice."""
        out = isinstance(error, MemoryError)
        return out or _module(self.backend).is_out_of_memory(error)

    def is_process_lost(self, error: BaseException) -> bool:
        """Says whether an error means that another process of the run has ended."""
        several = self.machine.process.count > 1
        return several and _module(self.backend).is_process_lost(error)

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
        section: The recipe's `device`; its backend counts, not the variable KERAS_BACKEND.
        seed: The seed of weights and dropout.

    Returns:
        The device.

    Raises:
        InputError: The backend is not installed, Keras runs on another one in this process, the
            strategy lacks devices, or the backend cannot train in the precision.
    """
    _choose_backend(section.backend)
    alone = contextlib.nullcontext() if section.backend == "tensorflow" else _tensorflow_hidden()
    with alone:
        with _native_noise_silenced():
            keras, backend = _import_backend(section.backend)
        keras.utils.clear_session(free_memory=False)
        machine = backend.start(section)
        precision = _precision(section, machine)
        fault = backend.refuse_precision(machine, precision.value)
        if fault is not None:
            raise InputError(fault)
        keras.config.set_dtype_policy(precision.value)
        keras.utils.set_random_seed(seed)
    return Device(section.backend, machine, precision)


def installed_backends() -> tuple[str, ...]:
    """Returns the backends that can be imported here, the default first."""
    return tuple(name for name in BACKENDS if importlib.util.find_spec(name) is not None)


def _choose_backend(backend: str) -> None:
    """Tells Keras its backend, which it reads once, at its first import."""
    installed = installed_backends()
    if backend not in installed:
        what = "this backend is not installed"
        step = f"{INSTALL[backend]}, or choose another with --backend"
        raise InputError(Fault(what, "device.backend", backend, ", ".join(installed), step))
    if "keras" in sys.modules and (running := sys.modules["keras"].config.backend()) != backend:
        what = "Keras already runs on another backend in this process"
        step = "start a new process"
        raise InputError(Fault(what, "device.backend", running, backend, step))
    os.environ["KERAS_BACKEND"] = backend


def _import_backend(backend: str) -> tuple[ModuleType, Backend]:
    """Imports Keras, KerasHub and the module of the backend."""
    keras = importlib.import_module("keras")
    importlib.import_module("keras_hub")
    return keras, _module(backend)


def _module(backend: str) -> Backend:
    return cast(Backend, importlib.import_module(f"relx.devices.backends.{backend}"))


@contextlib.contextmanager
def _tensorflow_hidden() -> Iterator[None]:
    """Hides TensorFlow from Keras and KerasHub, which import it on any backend where it is there.

    Keras looks for it once, while it sets the seed, and keeps in mind that it found none.
    """
    hidden = {"tensorflow", "tensorflow_text"} - set(sys.modules)
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


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


def _precision(section: DeviceSection, machine: Machine) -> Choice[str]:
    """Resolves auto: bfloat16 where the device computes it, float32 otherwise."""
    if section.precision != "auto":
        return Choice(section.precision, "the recipe asks for it")
    chosen = "mixed_bfloat16" if machine.bfloat16.value else "float32"
    return Choice(chosen, machine.bfloat16.reason)
