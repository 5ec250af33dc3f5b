"""Python's garbage collector, which looks for circles in all that is held, again and again."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Lets the collector rest in a block that makes many small objects, and no circles of them.

    What nobody refers to is freed all the same. It also decorates a function.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
