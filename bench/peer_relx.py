"""What bench/peers.py asks of relx, each in a process of its own.

python bench/peer_relx.py TASK ARGUMENTS...

command WORDS...   `relx WORDS...`, but with a line on standard error after every step
rows WORK          writes the marked and tokenised rows that the peers are given
steady WORK        predicts twice in one process, and measures the second time
product WORK       measures a square matrix product on a backend
encoder WORK       writes an encoder with random weights of a configuration
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    task, *words = sys.argv[1:]
    if task == "command":
        command(words)
    tasks: dict[str, Callable[[Work], Figures]] = {
        "rows": rows,
        "steady": steady,
        "product": product,
        "encoder": encoder,
    }
    work: Work = json.loads(Path(words[0]).read_text(encoding="utf-8"))
    figures = tasks[task](work)
    Path(work["out"]).write_text(json.dumps(figures), encoding="utf-8")


def command(words: list[str]) -> NoReturn:
    """Runs a command as `relx` does, and ends with its exit status."""
    from relx import progress
    from relx_cli.main import main as relx

    progress.LOG_SECONDS = 0.0
    sys.argv = ["relx", *words]
    relx()


def rows(work: Work) -> Figures:
    """Marks and tokenises the rows of a recipe as relx does for training and prediction."""
    from relx.data.labels import read_labels
    from relx.dataset import token_rows
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer
    from relx.recipe_file import load_recipe
    from relx.tasks.relation.rows import read_examples
    from relx.tasks.task import task_of

    recipe = load_recipe(Path(work["recipe"]))
    tokenizer = read_tokenizer(Path(work["encoder"]))
    labels = read_labels(recipe.data)
    parts: dict[str, Any] = {"pad": tokenizer.pad_token_id}
    for part, file in work["files"].items():
        examples = read_examples(Path(file), recipe.data, None if part == "test" else labels)
        tokens = token_rows(examples, task_of(recipe), tokenizer, recipe.tokens.max_length, file)
        parts[part] = [
            {
                "input_ids": row.token_ids.tolist(),
                "starts": list(row.starts),
                "labels": None if part == "test" else labels.index(example.label or ""),
            }
            for example, row in zip(examples, tokens, strict=True)
        ]
    Path(work["rows"]).write_text(json.dumps(parts), encoding="utf-8")
    lengths = {"tapt": [len(ids) for ids in tokenizer(work["texts"])["input_ids"]]}
    lengths |= {
        task: [len(row["input_ids"]) for row in parts[part]]
        for task, part in (("train", "train"), ("predict", "test"))
    }
    return {"classes": len(labels), "lengths": lengths}


def steady(work: Work) -> Figures:
    """Predicts twice in a process, marking and tokenising included; the second time is measured."""
    from relx.predict import open_run
    from relx.tasks.relation.rows import read_examples

    run = open_run(Path(work["runs_dir"]), work["name"])
    examples = read_examples(Path(work["test"]), run.data, None)
    run.predict(examples)
    with _slots_counted() as slots:
        began = time.monotonic()
        run.predict(examples)
        seconds = time.monotonic() - began
    test = json.loads(Path(work["rows"]).read_text(encoding="utf-8"))["test"]
    tokens = sum(len(row["input_ids"]) for row in test)
    return {
        "sentences": len(examples),
        "tokens": tokens,
        "padding_percent": 100 * (1 - tokens / sum(slots)),
        "epoch_seconds": [seconds],
    }


@contextlib.contextmanager
def _slots_counted() -> Iterator[list[int]]:
    """Notes the size of every batch that is assembled: rows × length, padding included."""
    from relx.models.arrays import SpanArrays

    slots: list[int] = []
    assemble = SpanArrays.inputs

    def counted(arrays: Any, batch: Any) -> Any:
        slots.append(len(batch.rows) * batch.length)
        return assemble(arrays, batch)

    with mock.patch.object(SpanArrays, "inputs", counted):
        yield slots


def product(work: Work) -> Figures:
    """Measures a square matrix product in each precision, the best of several."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    section = DeviceSection(backend=work["backend"], precision="float32", strategy="one")
    device = open_device(section, seed=0)
    import keras
    import numpy as np

    on_gpu = "CPU" not in device.hardware
    size = work["gpu_size"] if on_gpu else work["size"]
    numbers = np.random.default_rng(0).standard_normal((2, size, size), np.float32)
    found = {}
    for precision in work["precisions"]:
        left, right = (keras.ops.convert_to_tensor(part, precision) for part in numbers)
        seconds = []
        for _ in range(work["times"]):
            began = time.monotonic()
            result = keras.ops.matmul(left, right)
            float(keras.ops.cast(result[0, 0], "float32"))  # waits for the device
            seconds.append(time.monotonic() - began)
        found[precision] = 2 * size**3 / min(seconds)
    return {
        "operations_per_second": found,
        "size": size,
        "on_gpu": on_gpu,
        "device": device.manifest(),
        "versions": {"openvino": _version("openvino")},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def encoder(work: Work) -> Figures:
    """Writes random weights with a masked-LM head beside a configuration and its tokenizer."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    open_device(DeviceSection(precision="float32", strategy="one"), seed=0)
    from relx.models.encoder.build import build_encoder, build_head
    from relx.models.encoder.configuration import read_configuration
    from relx.models.encoder.load import LoadedEncoder, save_encoder
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer

    shape = Path(work["shape"])
    built = build_encoder(read_configuration(shape))
    loaded = LoadedEncoder(built, build_head(built), read_tokenizer(shape), shape.name)
    save_encoder(loaded, Path(work["encoder"]), "")
    return {}


if __name__ == "__main__":
    main()
