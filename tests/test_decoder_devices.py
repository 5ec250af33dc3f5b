"""A decoder's rows on several devices, where each row brings the shared beginning itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decoder_models import write_reference

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "strategy", "format_"),
    [
        ("gpt2", "mirrored", "float32"),
        ("llama-biases", "model_parallel", "float32"),
        ("gpt_neox", "model_parallel", "int8"),
        ("qwen3", "model_parallel", "nf4"),
    ],
)
def test_two_devices_give_what_one_does(name, strategy, format_, tmp_path):
    pytest.importorskip("jax")
    write_reference(name, tmp_path)
    own = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    words = [str(tmp_path), strategy, format_]
    command = [sys.executable, "-m", "tests.decoder_on_devices", *words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    devices, difference, share = done.stdout.split()[-3:]
    assert devices == "2" and float(difference) < 2e-5
    assert float(share) == 1 if strategy == "mirrored" else float(share) < 0.55


@pytest.mark.parametrize(
    ("shape", "devices", "axis"),
    [
        ((), 2, None),
        ((8,), 2, None),
        ((8, 6), 2, 0),
        ((8, 8), 2, 1),
        ((7, 6), 2, 1),
        ((7, 9), 2, None),
        ((64, 4, 16), 4, 0),
        ((3, 5, 9), 3, 2),
        ((0, 4), 4, 1),
    ],
)
def test_the_longest_dimension_that_is_shared_evenly_is_divided(shape, devices, axis):
    pytest.importorskip("jax")
    from relx.devices.backends.divided import divided_axis

    assert divided_axis(shape, devices) == axis
