"""Gathers what a bare machine with a GPU lacks: wheels, relx, data and a model, in one folder."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from parts import REAL, SHAPES
from record import commit

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MIB = 60.0  # of the 64 that one transfer holds; the checkout travels along
# What relx imports on the jax and torch backends beyond requirements-bare.txt; the versions are
# those of requirements.lock.
WHEELS = (
    "annotated-types",
    "keras",
    "keras-hub",
    "namex",
    "optree",
    "pydantic",
    "pydantic-core",
    "typing-inspection",
)
PYTHON = ("--python-version", "3.12", "--implementation", "cp")
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
CODE = ("relx", "relx_cli", "tapt", "recipes", "sample", "bench", "tests/encoder_models.py")
MIB = 1 << 20


class PackError(Exception):
    """Something cannot be packed; the message says what and why."""


def pack(folder: Path, shared: Path, limit_mib: float, *, wheels: bool = True) -> None:
    """Writes the folder anew, and prints what it holds.

    Args:
        folder: The folder.
        shared: Where data/klue_re, models and shapes are; what is not there is left out aloud.
        limit_mib: The most that the folder may hold.
        wheels: Whether to fetch wheels.

    Raises:
        PackError: A wheel cannot be had, or the folder is larger than the limit.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if wheels:
        _fetch_wheels(folder / "wheels")
    _copy_code(folder / "code")
    _compress_data(folder / "data", shared)
    total = 0.0
    for part in sorted(folder.iterdir()):
        size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) / MIB
        total += size
        print(f"{part.name:<8}{size:8.1f} MiB")
    print(f"{'total':<8}{total:8.1f} MiB in {folder}")
    if total > limit_mib:
        raise PackError(f"{total:.1f} MiB are more than the {limit_mib:.0f} that a transfer holds")


def _fetch_wheels(folder: Path) -> None:
    pins = dict(
        line.split("==") for line in (ROOT / "requirements.lock").read_text("utf-8").split()
    )
    known = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    missing = [name for name in WHEELS if name not in known]
    if missing:
        raise PackError(f"requirements.lock has no {', '.join(missing)}")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    pip += ["--no-deps", "--only-binary=:all:", *PYTHON, "--dest", str(folder)]
    pip += [word for platform in PLATFORMS for word in ("--platform", platform)]
    done = subprocess.run(
        [*pip, *(f"{name}=={known[name]}" for name in WHEELS)], capture_output=True, text=True
    )
    if done.returncode:
        raise PackError(f"pip could not fetch the wheels:\n{done.stderr[-2000:]}")


def _copy_code(folder: Path) -> None:
    """Copies the tracked files and those that git would take, as they are now."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    listed += ["--exclude-standard", "--", *CODE]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        source = ROOT / name
        if source.is_file() and not name.startswith("bench/results/"):
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
    (folder / "COMMIT").write_text(f"{commit()}\n", encoding="utf-8")


def _compress_data(folder: Path, shared: Path) -> None:
    """Compresses KLUE-RE, the shapes and the encoder; that takes two minutes."""
    folder.mkdir()
    files = [shared / "data/klue_re" / name for name in ("train.csv", "test_data.csv")]
    for path in files:
        if not path.exists():
            print(f"there is no {path}: it is left out")
            continue
        with path.open("rb") as source, lzma.open(folder / f"{path.name}.xz", "wb") as target:
            shutil.copyfileobj(source, target)
    models = [shared / "shapes" / shape for shape in SHAPES] + [shared / "models" / REAL]
    for path in models:
        if not path.exists():
            print(f"there is no {path}: it is left out")
            continue
        with tarfile.open(folder / f"{path.name}.tar.xz", "w:xz") as archive:
            archive.add(path, path.name)
