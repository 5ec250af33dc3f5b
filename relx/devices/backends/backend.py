"""What the module of every backend offers; `relx.devices.device` asks for nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from relx.data.batches import Arrays, Inputs, Signature
from relx.devices.backends.machine import Machine
from relx.faults import Fault
from relx.recipe import DeviceSection

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# What Keras's loops take: a tf.data.Dataset on TensorFlow, a keras.utils.PyDataset elsewhere.
Stream: TypeAlias = "tf.data.Dataset | keras.utils.PyDataset"
Batches = Callable[[], Iterator[Inputs | Arrays]]


class Backend(Protocol):
    """A backend: the modules `jax`, `tensorflow` and `torch` beside this one."""

    def start(self, section: DeviceSection) -> Machine:
        """Finds the devices and spreads batches over them; nothing may have been computed before.

        Args:
            section: The recipe's `device`.

        Returns:
            The machine.

        Raises:
            InputError: The strategy lacks devices, or the processes of the run are not described.
        """

    def scope(self, machine: Machine) -> contextlib.AbstractContextManager[object]:
        """Enters the strategy: models are built, loaded and compiled inside.

        Args:
            machine: What was started.
        """

    def stream(
        self, machine: Machine, batches: Batches, signature: Signature, steps: int
    ) -> Stream:
        """Returns batches in the form that Keras's loops take, assembled ahead in the background.

        Where several processes share a batch, each of them assembles whole batches and drops the
        rows of the others: batches are a function of the seed, the epoch and the step, so that
        nothing has to be sent.

        Args:
            machine: What was started.
            batches: Gives an iterator over the batches: dictionaries of inputs, or tuples of
                inputs, targets and weights. The replicas divide their rows.
            signature: The same structure with (shape, dtype) at its leaves.
            steps: The number of batches.
        """

    def seed_batches(self, data: Stream, place: tuple[int, int, int]) -> None:
        """Makes dropout a function of (seed, epoch, step), so that a fit can be resumed.

        Keras's own generators are variables of the model, and are in its checkpoints.

        Args:
            data: What `stream` returned.
            place: The run's seed, the epoch, and the number of the first batch.
        """

    def predict(
        self,
        machine: Machine,
        model: keras.Model,
        data: Stream,
        callbacks: list[keras.callbacks.Callback],
    ) -> np.ndarray:
        """Returns a model's outputs: all rows, on every process of a run.

        Args:
            machine: What was started.
            model: The model, built in `scope`.
            data: What `stream` returned.
            callbacks: Keras's callbacks.
        """

    def numbers_of_all(self, machine: Machine, number: int) -> list[int]:
        """Returns the numbers that the processes of a run name, each at least once.

        Args:
            machine: What was started.
            number: The number of this process.
        """

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Says whether an error means that the device ran out of memory.

        Args:
            error: What was raised.
        """

    def is_process_lost(self, error: BaseException) -> bool:
        """Says whether an error means that another process of the run has ended.

        Args:
            error: What was raised.
        """

    def refuse_precision(self, machine: Machine, precision: str) -> Fault | None:
        """Returns why this backend cannot train in a precision on this machine, or None.

        Args:
            machine: What was started.
            precision: The dtype policy, such as mixed_float16.
        """
