"""A module of tests run as a process of its own, on a backend of Keras."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def on_backend(backend: str, module: str, *words: object, **own: str) -> str:
    """Runs a module of tests, and returns the last line that it printed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", f"tests.{module}", *map(str, words)]
    quick = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | quick | own
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    return (done.stdout.splitlines() or [""])[-1]
