"""Every backend does the same: tests/on_backends runs in a process of its own for each."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from relx.devices.device import BACKENDS
from relx.engines.engine import EngineName
from relx_cli.main import run
from relx_cli.options import BACKENDS as OFFERED
from relx_cli.options import ENGINES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the backends leave what the next one compares with."""
    return tmp_path_factory.mktemp("backends")


def test_the_command_line_offers_what_there_is():
    assert OFFERED == BACKENDS
    assert get_args(EngineName) == ENGINES


def test_a_submission_is_scored_without_a_backend(capsys):
    words = ["score", "--gold", "gold.csv", "--pred", "submission.csv", "--backend", "jax"]
    assert run(words) == 2
    assert "--backend applies to a run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_on(backend, folder):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    own = {
        "KERAS_BACKEND": "numpy",  # the recipe is stronger
        "RELX_TEST_BACKEND": backend,
        "RELX_TEST_FOLDER": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache" / backend),
        # half of the time that compiling takes
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }
    # the conftest of all the other tests, which opens TensorFlow, stays out
    options = ["--confcutdir", "tests/on_backends", "-p", "no:cacheprovider", "-x"]
    words = [sys.executable, "-m", "pytest", "tests/on_backends", *options]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=os.environ | own)
    assert done.returncode == 0, done.stdout + done.stderr
