"""What a part of the GPU bench leaves behind: one JSON, whole again after each figure."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("jax", "jaxlib", "keras", "keras-hub", "numpy", "tensorflow", "torch", "transformers")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
Figures = dict[str, Any]


class Record:
    """The JSON of one part; a kill at any moment leaves the last whole one.

    Args:
        path: The file.
        part: The part's name.
        deadline: When its minutes are over, in seconds of `time.time`.
    """

    def __init__(self, path: Path, part: str, deadline: float) -> None:
        self.path, self.deadline = path, deadline
        self.figures: Figures = {"part": part, "state": "running", "machine": machine()}
        self.write()

    @property
    def seconds_left(self) -> float:
        """The part's seconds that are left."""
        return self.deadline - time.time()

    def add(self, group: str, figures: Figures) -> None:
        """Adds a row to a list of the JSON, says it, and writes the file."""
        self.figures.setdefault(group, []).append(figures)
        print(f"{group}: {json.dumps(figures)}", flush=True)
        self.write()

    def end(self, state: str) -> None:
        """Notes how the part ended: `complete`, or why not."""
        self.figures["state"] = state
        self.write()

    def write(self) -> None:
        """Writes the file beside its place and moves it there."""
        self.figures["when"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_whole(self.path, json.dumps(self.figures, ensure_ascii=False, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is never seen half-written."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def machine() -> Figures:
    """Returns the processors, the versions of what computes, and the commit that was packed."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    known = set(text.split())
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in known],
        "gpu": _gpu(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": commit(),
    }


def _gpu() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """Returns the commit of the code: what `pack` noted, else what git says; a + means changed."""
    root = Path(__file__).resolve().parents[2]
    noted = root / "COMMIT"
    if noted.exists():
        return noted.read_text(encoding="utf-8").strip()
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    except OSError:
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "") or None
