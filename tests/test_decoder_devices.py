"""A decoder's rows on several devices, where each row brings the shared beginning itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decoder_models import write_reference

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama-biases", "gpt2"])
def test_rows_on_two_devices_give_what_they_give_on_one(name, tmp_path):
    pytest.importorskip("jax")
    write_reference(name, tmp_path)
    own = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-m", "tests.decoder_on_devices", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    devices, difference = done.stdout.split()[-2:]
    assert devices == "2" and float(difference) < 2e-5
