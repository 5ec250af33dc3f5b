"""Batches that a thread assembles while the device computes, for backends without tf.data."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue

import keras

from relx.data.batches import Arrays, Inputs
from relx.devices.backends.backend import Batches

AHEAD = 4
THREAD = "relx-batches"


def assembled_ahead(batches: Batches, ahead: int = AHEAD) -> Generator[Inputs | Arrays, None, None]:
    """Yields batches in their order, of which a thread holds a few in store.

    Args:
        batches: Gives an iterator over the batches; it runs in the thread.
        ahead: How many batches wait at most.

    Yields:
        The batches. What goes wrong in the thread is raised here; closing ends the thread.
    """
    places, store = threading.Semaphore(ahead), SimpleQueue[Inputs | Arrays | BaseException]()
    closed = threading.Event()

    def assemble() -> None:
        try:
            for batch in batches():
                places.acquire()
                if closed.is_set():
                    return
                store.put(batch)
            store.put(StopIteration())
        except BaseException as error:
            store.put(error)

    threading.Thread(target=assemble, name=THREAD, daemon=True).start()
    try:
        while True:
            got = store.get()
            if isinstance(got, StopIteration):
                return
            if isinstance(got, BaseException):
                raise got
            places.release()
            yield got
    finally:
        closed.set()
        places.release()


class BatchesAhead(keras.utils.PyDataset):
    """Batches in the form that Keras's loops take on every backend, assembled ahead.

    Args:
        batches: Gives an iterator over the batches.
        steps: The number of batches.

    Attributes:
        before: Called with the number of each batch, from 0, just before it is computed.
    """

    def __init__(self, batches: Batches, steps: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._batches, self._steps = batches, steps
        self._running: Generator[Inputs | Arrays, None, None] | None = None
        self.before: Callable[[int], None] = lambda index: None

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return self._steps

    def __getitem__(self, index: int) -> Inputs | Arrays:
        """Returns the next batch; Keras asks for them in order, and starts anew with 0."""
        if index == 0:
            self.on_epoch_end()
            self._running = assembled_ahead(self._batches)
        assert self._running is not None
        self.before(index)
        return next(self._running)

    def on_epoch_end(self) -> None:
        """Ends the thread."""
        if self._running is not None:
            with contextlib.closing(self._running):
                self._running = None
