"""The turns of transformers in bench/gpu/speed.py, with the settings that its users know."""

from __future__ import annotations

import gc
import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(BENCH)]

import peer_torch  # noqa: E402
import torch  # noqa: E402

EPOCHS = 2
PRODUCT = {"size": 1024, "gpu_size": 8192, "times": 12}
Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    asked: Work = json.loads(sys.argv[2])
    if asked.get("product"):
        precision = asked["precision"]
        found = peer_torch.product({**PRODUCT, "precisions": [precision]})
        speed = found["operations_per_second"][precision]
        say({"product": {"precision": precision, "operations_per_second": speed}})
    rows = json.loads(Path(asked["rows"]).read_text(encoding="utf-8"))
    for batch in asked["batches"]:
        for task in asked["tasks"]:
            say({"task": task, "batch": batch} | measure(task, asked, rows, batch))
            gc.collect()
            if peer_torch.CUDA:
                torch.cuda.empty_cache()


def say(figures: Figures) -> None:
    print(f"figures {json.dumps(figures)}", flush=True)  # libraries print lines of their own


def measure(task: str, asked: Work, rows: Figures, batch: int) -> Figures:
    """Runs a task as users of transformers write it; its last epoch or second pass is timed."""
    if peer_torch.CUDA:
        torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    work = settings(asked, rows, batch, task)
    if task == "predict":
        return predict(work, rows, began) | _memory()
    figures = peer_torch.tapt(work) if task == "tapt" else peer_torch.train(work)
    return {
        "precision": asked["precision"],
        "seconds": figures["epoch_seconds"][-1],
        "first_epoch_seconds": figures["epoch_seconds"][0],
        "first_step_seconds": figures["first_step_at"] - began,
        "padding_percent": figures["padding_percent"],
        "loss": figures["loss"],
    } | _memory()


def settings(asked: Work, rows: Figures, batch: int, task: str) -> Work:
    """Returns what peer_torch.py reads of a task."""
    steps = EPOCHS * math.ceil(len(rows["train"]) / batch)
    return {
        "folder": asked["folder"],
        "encoder": asked["encoder"],
        "rows": asked["rows"],
        "texts": rows["texts"],
        "held_out": rows["texts"][:8],
        "classes": 30,
        "max_length": 256,
        "epochs": EPOCHS,
        "batch": batch,
        "predict_batch": batch,
        "learning_rate": 3e-5,
        "weight_decay": 0.01,
        "warmup_steps": round(0.1 * steps),
        "clip_norm": 1.0,
        "mask_rate": 0.15,
        "dropout": 0.1,
        "label_smoothing": 0.1,
        # run_mlm draws its lines at random; the Trainer's own grouping is what its users know.
        "order": {"predict": "sorted"}.get(task, "group_by_length"),
        "precision": asked["precision"],
        "compile": asked["compile"],
        "seed": 0,
    }


def predict(work: Work, rows: Figures, began: float) -> Figures:
    """Predicts the rows twice with random weights, sorted by length."""
    model = peer_torch._relation_model(work["encoder"], work).to(peer_torch.DEVICE).eval()
    if work["compile"]:
        model = torch.compile(model)
    test = [{**row, "labels": None} for row in rows["test"]]
    peer_torch._probabilities(model, test, rows["pad"], work)
    first = time.monotonic() - began
    started = time.monotonic()
    _, slots = peer_torch._probabilities(model, test, rows["pad"], work)
    seconds = time.monotonic() - started
    tokens = sum(len(row["input_ids"]) for row in test)
    return {
        "precision": work["precision"],
        "seconds": seconds,
        "first_pass_seconds": first,
        "padding_percent": 100 * (1 - tokens / slots),
    }


def _memory() -> Figures:
    if peer_torch.CUDA:
        return {"peak_gpu_mib": torch.cuda.max_memory_allocated() / 2**20}
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
