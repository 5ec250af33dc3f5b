"""Measures what loading a large decoder into few bits costs: seconds, and memory at its peak.

    python bench/decoder_loading.py

Random float16 weights of the shape of polyglot-ko-12.8b (gpt_neox, 25.9 GB) are written to a
temporary folder once. Then a process of its own for each format loads them, and is watched: what it
holds of its own (RssAnon, every 5 ms), with the backend imported and started and without. No more
shall be needed than the weights in that format, one tensor and half a gigabyte; and no more than
8 GB for NF4, the process and its libraries included. `--layers` makes a smaller one, `--out` puts
its result elsewhere than in bench/results/decoder_loading.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.configurations.families import read_configuration
from relx.models.decoder.files.weights import expected_shapes
from relx.models.decoder.layers.formats import Format, stored_bytes
from relx.models.stored.folder import INDEX
from relx.runs.manifest import git_state, versions
from relx.tensors import Shape, tensor_bytes, tensors_header

RESULT = Path("bench/results/decoder_loading.json")
GB = 1e9
SPARE = 0.5  # GB, beside the weights and one tensor
NF4_LIMIT = 8.0  # GB for 12.8 billion parameters, with everything
SHAPE: dict[str, Any] = {
    "model_type": "gpt_neox",
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "intermediate_size": 20480,
    "vocab_size": 30080,
    "max_position_embeddings": 2048,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "rotary_pct": 0.5,
    "rotary_emb_base": 10000,
    "use_parallel_residual": True,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, default=SHAPE["num_hidden_layers"])
    parser.add_argument("--formats", nargs="+", default=["nf4", "int8"])
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.folder, options.measure)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = write(folder, options.layers)
        figures = {f: in_process(folder, f, options.backend) for f in options.formats}
    result = {
        "decoder": {"shape": SHAPE | {"num_hidden_layers": options.layers}, "gb_on_disk": written},
        "backend": options.backend,
        "formats": figures,
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    report(figures)


def report(figures: dict[str, dict[str, Any]]) -> None:
    print("format  weights  before     held     peak   limit  (GB)   seconds   processor")
    for name, row in figures.items():
        sizes = ("weights", "before", "held", "peak", "limit")
        columns = "".join(f"{row[f'{size}_gb']:9.2f}" for size in sizes)
        print(f"{name:<6}{columns} {row['seconds']:15.0f} {row['processor_seconds']:11.0f}")


def write(folder: Path, layers: int) -> float:
    """Writes the decoder as shards of a layer each, and returns its size in GB."""
    values = SHAPE | {"num_hidden_layers": layers}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    rng = np.random.default_rng(0)
    random = (rng.standard_normal(1 << 24, np.float32) * np.float32(0.02)).astype(np.float16)
    shards: dict[str, dict[str, Shape]] = {}
    for name, shape in expected_shapes(read_configuration(folder)).items():
        parts = name.split(".layers.")
        layer = parts[1].partition(".")[0] if len(parts) == 2 else "rest"
        shards.setdefault(f"model-{layer}.safetensors", {})[name] = shape
    for file, shapes in shards.items():
        write_shard(folder / file, shapes, random)
    places = {name: file for file, shapes in shards.items() for name in shapes}
    (folder / INDEX).write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    return sum((folder / file).stat().st_size for file in shards) / GB


def write_shard(path: Path, shapes: dict[str, Shape], random: np.ndarray) -> None:
    """Writes tensors of the same random numbers over and over: only their size counts."""
    header, _ = tensors_header({}, {name: ("float16", shape) for name, shape in shapes.items()})
    with path.open("wb") as stream:
        stream.write(header)
        for shape in shapes.values():
            left = int(np.prod(shape))
            while left:
                part = random[:left]
                stream.write(tensor_bytes(part))
                left -= len(part)


def in_process(folder: Path, format_: str, backend: str) -> dict[str, Any]:
    words = ["--measure", format_, "--folder", str(folder)]
    own = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True, env=own
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(folder: Path, format_: Format) -> dict[str, Any]:
    """Loads in this process, whose memory nothing else has used."""
    import keras

    from relx.models.decoder.files.load import load_decoder

    keras.ops.convert_to_numpy(keras.ops.zeros((8,)) + 1)  # starts the backend
    before = anonymous()
    with_peak = Watch()
    started, computed = time.perf_counter(), time.process_time()
    loaded = load_decoder(folder, format_)
    seconds, processor = time.perf_counter() - started, time.process_time() - computed
    with_peak.stop()
    c = loaded.decoder.configuration
    weights, largest = sizes(c, format_)
    return {
        "weights_gb": weights,
        "before_gb": before,
        "held_gb": anonymous(),
        "peak_gb": with_peak.most,
        "limit_gb": before + weights + largest + SPARE,
        "within": with_peak.most <= before + weights + largest + SPARE,
        "seconds": seconds,
        "processor_seconds": processor,
    } | ({"within_8_gb": with_peak.most <= NF4_LIMIT} if format_ == "nf4" else {})


def sizes(c: DecoderConfig, format_: Format) -> tuple[float, float]:
    """Returns what a decoder's tables and kernels take, and the largest of them alone, in GB."""
    of_table = 4 if format_ == "float32" else 2
    table = c.vocab_size * c.hidden_size * of_table
    kernels = [stored_bytes(format_, *shape) for shape in c.linear_shapes().values()]
    return (table + c.num_layers * sum(kernels)) / GB, max(table, *kernels) / GB


def anonymous() -> float:
    """Returns what this process holds of its own, without pages of files, in GB."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition("RssAnon:")[2].split()[0]) * 1024 / GB


class Watch:
    """Notes the most that this process holds, until it is stopped."""

    def __init__(self) -> None:
        self.most, self._stopped = anonymous(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self.most = max(self.most, anonymous())

    def stop(self) -> None:
        """Ends the watch."""
        self._stopped.set()
        self._thread.join()
        self.most = max(self.most, anonymous())


if __name__ == "__main__":
    main()
