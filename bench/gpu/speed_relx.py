"""relx's turns in bench/gpu/speed.py: `rows` writes the rows of a shape, `measure` takes a turn."""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import numpy as np

LONGEST = 240  # characters: no row is cut, so that both sides read the same tokens
LABELS = 30
Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    task, asked = sys.argv[1], json.loads(sys.argv[2])
    {"rows": write_rows, "measure": measure}[task](asked)


def say(figures: Figures) -> None:
    print(f"figures {json.dumps(figures)}", flush=True)  # libraries print lines of their own


# --- rows ----------------------------------------------------------------------------------------


def write_rows(asked: Work) -> None:
    """Draws rows to train on and to predict, and writes their tokens, starts and labels."""
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer

    tokenizer = read_tokenizer(Path(asked["encoder"]))
    train = _drawn(Path(asked["train"]), asked["rows"])
    test = _drawn(Path(asked["test"]), asked["rows"])
    texts = [row["sentence"] for row in train]
    found: dict[str, Any] = {"pad": tokenizer.pad_token_id, "texts": texts}
    for part, rows in (("train", train), ("test", test)):
        found[part] = _tokenised(rows, tokenizer, Path(asked["out"]).with_suffix(f".{part}.csv"))
    found["dev"] = found["train"][:8]  # the Trainer wants some
    found["lengths"] = {
        "tapt": [len(ids) for ids in tokenizer(texts)["input_ids"]],
        "train": [len(row["input_ids"]) for row in found["train"]],
        "predict": [len(row["input_ids"]) for row in found["test"]],
    }
    Path(asked["out"]).write_text(json.dumps(found), encoding="utf-8")


def _drawn(file: Path, count: int) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["sentence"]: row for row in csv.DictReader(stream)}
    found = [row for row in rows.values() if len(row["sentence"]) <= LONGEST]
    random.Random(0).shuffle(found)
    return found[:count]


def _tokenised(rows: list[dict[str, str]], tokenizer: Any, file: Path) -> list[Figures]:
    from relx.dataset import token_rows
    from relx.recipe import DataSection
    from relx.tasks.relation.rows import read_examples
    from relx.tasks.task import USUAL, open_task

    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    examples = read_examples(file, DataSection(), None)
    tokens = token_rows(examples, open_task(USUAL, DataSection()), tokenizer, 256, str(file))
    return [
        {
            "input_ids": row.token_ids.tolist(),
            "starts": list(row.starts),
            "labels": i % LABELS,  # speed does not depend on them
        }
        for i, row in enumerate(tokens)
    ]


# --- a turn --------------------------------------------------------------------------------------


def measure(asked: Work) -> None:
    """Opens the backend and goes through the tasks."""
    from relx.devices.device import open_device
    from relx.recipe import DeviceSection

    section = DeviceSection(backend=asked["backend"], precision=asked["precision"], strategy="one")
    device = open_device(section, seed=0)
    rows = json.loads(Path(asked["rows"]).read_text(encoding="utf-8"))
    tasks = {"predict": _predict, "train": _train, "tapt": _tapt}
    for batch in asked["batches"]:
        for task in asked["tasks"]:
            began = time.monotonic()
            figures = tasks[task](asked, device, rows, batch, began)
            say({"task": task, "batch": batch, "precision": device.precision} | figures)


def _encoder(asked: Work) -> Any:
    from relx.models.encoder.build import build_encoder
    from relx.models.encoder.configuration import read_configuration

    return build_encoder(read_configuration(Path(asked["encoder"])))


def _arrays(rows: list[Figures], pad: int, segments: bool) -> Any:
    from relx.data.tokenizing.token_rows import TokenRow
    from relx.models.arrays import SpanArrays
    from relx.spans import Span
    from relx.tasks.relation.task import POOLINGS

    def token_row(row: Figures) -> TokenRow:
        ids = np.array(row["input_ids"], np.int32)
        spans = tuple(Span(at, at + 1) for at in row["starts"])
        return TokenRow(ids, np.zeros_like(ids), spans, tuple(row["starts"]))

    targets = np.array([row["labels"] for row in rows], np.int32)
    made = [token_row(row) for row in rows]
    return SpanArrays(made, POOLINGS["entity_starts"], pad, segments, targets)


def _relation_model(asked: Work) -> Any:
    from relx.models.classifier import span_classifier
    from relx.tasks.relation.task import POOLINGS

    encoder, pooling = _encoder(asked), POOLINGS["entity_starts"]
    return span_classifier(encoder, classes=LABELS, pooling=pooling, dropout=0.1, seed=0)


def _predict(asked: Work, device: Any, rows: Figures, batch: int, began: float) -> Figures:
    from relx.engines.engine import predict_logits

    with device.scope():
        model = _relation_model(asked)
    arrays = _arrays(rows["test"], rows["pad"], "segment_ids" in model.input)
    predict_logits(model, device, arrays, batch)
    first = time.monotonic() - began
    started = time.monotonic()
    predict_logits(model, device, arrays, batch)
    seconds = time.monotonic() - started
    return {"seconds": seconds, "first_pass_seconds": first} | _memory(device)


def _train(asked: Work, device: Any, rows: Figures, batch: int, began: float) -> Figures:
    from relx.recipe import TrainSection

    with device.scope():
        model = _relation_model(asked)
    arrays = _arrays(rows["train"], rows["pad"], "segment_ids" in model.input)
    return _fitted(asked, device, model, arrays, TrainSection(), batch, began)


def _tapt(asked: Work, device: Any, rows: Figures, batch: int, began: float) -> Figures:
    from relx.models.encoder.build import build_head
    from relx.models.encoder.load import LoadedEncoder
    from relx.models.stored.tokenizers.tokenizer import read_tokenizer
    from relx.recipe import TaptSection
    from tapt.arrays import CorpusArrays
    from tapt.corpus import CorpusText, tokenize_corpus
    from tapt.masked_lm import masked_lm_model

    tokenizer = read_tokenizer(Path(asked["encoder"]))
    with device.scope():
        encoder = _encoder(asked)
        model = masked_lm_model(LoadedEncoder(encoder, build_head(encoder), tokenizer, ""))
    texts = [CorpusText(text) for text in rows["texts"]]
    arrays = CorpusArrays(
        tokenize_corpus(texts, tokenizer, 256, "tokens"),
        rate=0.15,
        pad_id=tokenizer.pad_token_id,
        mask_id=tokenizer.mask_token_id,
        random_ids=np.arange(10, len(tokenizer), dtype=np.int32),
        segments="segment_ids" in encoder.input,
    )
    return _fitted(asked, device, model, arrays, TaptSection(), batch, began)


def _fitted(
    asked: Work, device: Any, model: Any, arrays: Any, section: Any, batch: int, began: float
) -> Figures:
    """Trains two epochs; the first one compiles, the second one is timed."""
    import keras

    from relx.data.batches import Feeder, choose_bucket_lengths, padding_share
    from relx.training.fit import compile_for

    bucket_lengths = (
        choose_bucket_lengths(arrays.lengths, batch, asked["rungs"]) if device.compiles else None
    )
    feeder = Feeder(arrays.lengths, batch, 0, arrays.training, bucket_lengths)
    compile_for(device, model, section.model_copy(update={"epochs": 2}), feeder.steps)
    first: list[float] = []

    class FirstStep(keras.callbacks.Callback):
        def on_train_batch_end(self, step: int, logs: Any = None) -> None:
            if not first:
                float(logs["loss"])
                first.append(time.monotonic() - began)

    seconds, loss = [], 0.0
    for epoch in range(2):
        started = time.monotonic()
        data = device.dataset(feeder, epoch)
        callbacks = [] if first else [FirstStep()]
        history = model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
        loss = float(history.history["loss"][-1])  # waits for the last step
        seconds.append(time.monotonic() - started)
    return {
        "seconds": seconds[1],
        "first_epoch_seconds": seconds[0],
        "first_step_seconds": first[0],
        "padding_percent": padding_share(feeder.plan(1), arrays.lengths),
        "rungs": list(bucket_lengths or ()),
        "loss": loss,
    } | _memory(device)


def _memory(device: Any) -> Figures:
    """The peak so far: of the GPU where there is one, else of the process."""
    if device.machine.accelerated and device.backend == "jax":
        import jax

        peak = jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
        return {"peak_gpu_mib": peak / 2**20}
    if device.machine.accelerated and device.backend == "torch":
        import torch

        return {"peak_gpu_mib": torch.cuda.max_memory_allocated() / 2**20}
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
