"""Measures what loading and saving an encoder costs: seconds, and memory at its peak.

    python bench/encoder_memory.py SHAPES...

SHAPES are folders with config.json and a tokenizer, such as those of klue/roberta-large. Random
weights for each are written once to a temporary folder; then one process loads them from a warm
disk and writes them again. The peak is what the process holds at most (VmHWM), less what it held
before, with TensorFlow imported and started. The result is bench/results/encoder_memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from relx.runs.manifest import git_state, versions

RESULT = Path("bench/results/encoder_memory.json")
MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("shapes", nargs="+", type=Path)
    parser.add_argument("--phase", choices=("make", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        phase = {"make": make, "measure": measure}[options.phase]
        print(json.dumps(phase(options.shapes[0], options.folder)))
        return
    figures = {shape.name: of_shape(shape) for shape in options.shapes}
    result = {
        "encoders": figures,
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{'encoder':<20} weights   load: peak  times     s   save: peak  times     s  (MiB)")
    for name, row in figures.items():
        weights = row["weights_mib"]
        print(
            f"{name:<20} {weights:7.0f} {row['load_peak_mib']:12.0f} "
            f"{row['load_peak_mib'] / weights:6.2f} {row['load_seconds']:5.1f} "
            f"{row['save_peak_mib']:12.0f} {row['save_peak_mib'] / weights:6.2f} "
            f"{row['save_seconds']:5.1f}"
        )


def of_shape(shape: Path) -> dict[str, float]:
    """Makes an encoder of this shape and measures it, each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        in_process("make", shape, Path(name))
        return in_process("measure", shape, Path(name))


def in_process(phase: str, shape: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--phase", phase, "--folder", str(folder), str(shape)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def make(shape: Path, folder: Path) -> dict[str, float]:
    """Writes random weights with a masked-LM head, and the shape's tokenizer."""
    from relx.models.encoder.build import build_encoder, build_head
    from relx.models.encoder.configuration import read_configuration
    from relx.models.encoder.load import LoadedEncoder, save_encoder
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer

    encoder = build_encoder(read_configuration(shape))
    loaded = LoadedEncoder(encoder, build_head(encoder), read_tokenizer(shape), shape.name)
    save_encoder(loaded, folder / "encoder", "")
    return {}


def measure(shape: Path, folder: Path) -> dict[str, float]:
    """Loads and saves in this process, whose memory nothing else has used."""
    import tensorflow as tf

    from relx.models.encoder.load import load_encoder, save_encoder

    warm(folder / "encoder" / "model.safetensors")
    tf.constant(0.0) + 1.0
    before = peak()
    assert before - resident() < 32, "the imports took more than is held now: no baseline"
    loaded, load_seconds = timed(
        lambda: load_encoder(str(folder / "encoder"), with_head=True, seed=0)
    )
    load_peak, held = peak() - before, resident() - before
    _, save_seconds = timed(lambda: save_encoder(loaded, folder / "again", ""))
    size = (folder / "encoder" / "model.safetensors").stat().st_size
    same = (folder / "again" / "model.safetensors").stat().st_size == size
    assert same, "what was saved is not what was loaded"
    shutil.rmtree(folder / "again")
    return {
        "weights_mib": size / MIB,
        "load_peak_mib": load_peak,
        "load_seconds": load_seconds,
        "held_mib": held,
        "save_peak_mib": peak() - before,
        "save_seconds": save_seconds,
    }


def timed(work: Callable[[], object]) -> tuple[object, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def warm(path: Path) -> None:
    """Reads a file once, so that the disk is not what is measured."""
    with path.open("rb") as stream:
        while stream.read(16 * MIB):
            pass


def peak() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident() -> float:
    """The memory that this process holds now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


if __name__ == "__main__":
    main()
