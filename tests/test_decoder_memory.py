"""A training step over few-bit kernels never holds the floats of many of them at once."""

import pytest

from relx.devices.device import BACKENDS
from tests.decoder_step_memory import FLOATS
from tests.processes_by_backend import on_backend

# Large allocations go back to the system at once: what is held is what is used.
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "500000"}


def step(backend, format_, in_order="yes"):
    return int(on_backend(backend, "decoder_step_memory", format_, in_order, **AT_ONCE))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_unpacks_a_few_kernels_at_a_time(backend):
    assert step(backend, "nf4") < 0.5 * FLOATS


@pytest.mark.slow
def test_this_is_what_keeps_kernels_back():
    """Without `_after` the step above does fail: the figure is no accident of sizes."""
    assert step("tensorflow", "nf4", "no") > FLOATS
