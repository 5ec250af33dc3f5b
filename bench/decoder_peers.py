"""Trains and predicts with a decoder by relx, and as users of transformers and PEFT do.

    python bench/decoder_peers.py --decoder FOLDER
    python bench/decoder_peers.py --decoder FOLDER --tasks train --precisions bfloat16

FOLDER is a Hugging Face folder; the documents' figures are of SmolLM2-135M-Instruct. All sides are
given the same rows of the emotion sample, with one label each, as the same tokens, and train the
same adapters with the same batch size. Every measurement is a process, and the sides take turns:

train     `relx train`, and transformers' Trainer around PEFT, in random order and by length; the
          label's word is the last token, and the only one with a loss
predict   `relx predict`, batches by length through transformers, and a loop that lets the model
          generate one token a row, as the founding system did

The steady state is the last epoch's steps, and a prediction's second pass in one process. The
result is bench/results/decoder_peers.json, and a table on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peer_process import Measured, measure, say
from thresholds import cpu_model

from relx.files import write_json
from relx.recipe_file import recipe_from_tree, recipe_yaml
from relx.runs.manifest import git_state, versions

BENCH = Path(__file__).parent
FOLDER = Path("runs/bench-decoder-peers")
RESULT = Path("bench/results/decoder_peers.json")
SAMPLE = Path("sample/emotion")
TYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
LABELS = ("joy", "anticipation", "trust", "surprise", "disgust", "fear", "anger", "sadness")
PROMPT = (
    "Which emotion does the text express about the target? Answer with one of the following "
    "words: {labels}.\nText: {sentence}\nTarget: {target}\nEmotion:"
)
# What is named second is measured against what relx does.
PEERS = {"train": ("Trainer", "Trainer by length"), "predict": ("transformers", "loop")}
Record = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Args:
        task: train or predict.
        name: relx with its backend, or a peer.
        precision: float32 or bfloat16.
        backend: relx's backend; empty for a peer.
    """

    task: str
    name: str
    precision: str
    backend: str = ""


def main() -> None:
    options = _options()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    facts = _prepare(options)
    records: list[Record] = []
    for repetition in range(options.repetitions):
        for side in sides(options):
            record = _turn(side, options) | {"repetition": repetition}
            records.append(record)
            say(_line(record))
            write_json(options.out, _result(options, facts, records))
    print(table(json.loads(options.out.read_text(encoding="utf-8"))))
    say(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--decoder", type=Path, required=True, help="a folder of a pretrained decoder")
    add("--sentences", type=int, default=32, help="rows to train on")
    add("--rows", type=int, default=640, help="rows to predict")
    add("--loop-rows", type=int, default=64, help="rows that the loop predicts: it is slow")
    add("--batch", type=int, default=4, help="rows a step")
    add("--predict-batch", type=int, default=32, help="rows a batch of predictions")
    add("--epochs", type=int, default=2, help="the last one is the steady state")
    add("--repetitions", type=int, default=3)
    add("--tasks", nargs="+", choices=PEERS, default=list(PEERS))
    add("--backends", nargs="+", choices=("tensorflow", "jax", "torch"), default=["torch"])
    add("--precisions", nargs="+", choices=TYPES, default=["float32"])
    add("--format", choices=("float32", "bfloat16", "int8", "nf4"), default="float32")
    add("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.epochs < 2:
        parser.error("--epochs must be 2 or more: the first one warms up")
    return options


def sides(options: argparse.Namespace) -> Iterator[Side]:
    """Lists who is measured, in the order of their turns."""
    for task in options.tasks:
        for precision in options.precisions:
            for backend in options.backends:
                yield Side(task, f"relx {backend}", precision, backend)
            for peer in PEERS[task]:
                yield Side(task, peer, precision)


# --- what everyone is given ----------------------------------------------------------------------


def _prepare(options: argparse.Namespace) -> Record:
    """Draws the rows, writes the recipe, tokenises for the peers, and trains what predicts."""
    rows = list(labelled_rows())
    parts = {"train": rows[: options.sentences], "dev": rows[-8:], "test": (rows * 2)}
    for name, part in parts.items():
        kept = part[: options.rows] if name == "test" else part
        _write_rows(FOLDER / f"{name}.jsonl", kept)
    tree = {
        "name": "bench",
        "task": "target",
        "data": {name: str(FOLDER / f"{name}.jsonl") for name in parts} | {"labels": list(LABELS)},
        "decide": {"labels": "one"},
        "decoder": {
            "from": str(options.decoder.absolute()),
            "format": options.format,
            "prompt": PROMPT,
            "lora": {"rank": 16, "alpha": 32, "dropout": 0.0},
        },
        "tokens": {"max_length": 512},
        "train": {
            "epochs": options.epochs,
            "batch_size": options.batch,
            "learning_rate": 2e-4,
            "label_smoothing": 0.0,
        },
        "predict": {"batch_size": options.predict_batch},
    }
    (FOLDER / "recipe.yaml").write_text(recipe_yaml(recipe_from_tree(tree)), encoding="utf-8")
    _measured, facts = _child("decoder_relx", "rows", {})
    return facts


def labelled_rows() -> Iterator[Record]:
    """Yields the sample's rows that have exactly one label."""
    for name in ("train", "dev"):
        for line in (SAMPLE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if sum(value == "True" for value in row["output"].values()) == 1:
                yield row


def _write_rows(path: Path, rows: list[Record]) -> None:
    numbered = [row | {"id": f"{path.stem}-{place}"} for place, row in enumerate(rows)]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in numbered]
    path.write_text("".join(lines), encoding="utf-8")


def _child(script: str, task: str, asked: Record) -> tuple[Measured, Record]:
    """Runs a task of a script in a process of its own: (what was seen, its figures)."""
    out, work = FOLDER / "figures.json", FOLDER / "work.json"
    out.unlink(missing_ok=True)
    common = {"folder": str(FOLDER), "out": str(out), "seed": 42}
    write_json(work, common | asked)
    command = [sys.executable, str(BENCH / f"{script}.py"), task, str(work)]
    measured = measure(command, {"HF_HUB_OFFLINE": "1"})
    return measured, json.loads(out.read_text(encoding="utf-8"))


# --- the turns -----------------------------------------------------------------------------------


def _turn(side: Side, options: argparse.Namespace) -> Record:
    """Lets a side have its turn, and returns its figures."""
    if not side.backend:
        measured, figures = _child("decoder_torch", side.task, _settings(side, options))
    elif side.task == "train":
        measured, figures = _relx_training(side)
    else:
        measured, figures = _relx_prediction(side)
    return {
        "task": side.task,
        "side": side.name,
        "precision": side.precision,
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
        "first_step_seconds": measured.first_step(side.task),
        "peak_mib": measured.peak_mib,
        "rows_per_second": figures["rows"] / figures["steady_seconds"],
        **figures,
    }


def _settings(side: Side, options: argparse.Namespace) -> Record:
    batch = options.batch if side.task == "train" else options.predict_batch
    rows = options.loop_rows if side.name == "loop" else options.rows
    return {
        "decoder": str(options.decoder),
        "precision": side.precision,
        "by_length": side.name in ("Trainer by length", "transformers"),
        "loop": side.name == "loop",
        "batch": batch,
        "epochs": options.epochs,
        "rows": rows,
    }


def _relx(side: Side, *words: str) -> Measured:
    command = [sys.executable, str(BENCH / "peer_relx.py"), "command", *words]
    return measure(command, {"HF_HUB_OFFLINE": "1"})


def _relx_training(side: Side) -> tuple[Measured, Record]:
    runs = FOLDER / "train-runs"
    shutil.rmtree(runs, ignore_errors=True)
    measured = _relx(side, "train", *_recipe_words(side, runs))
    stage = runs / "bench/train/fold-0"
    lines = (stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-1])
    rows = round(last["sentences_per_second"] * last["seconds"])
    return measured, {"rows": rows, "steady_seconds": last["seconds"], "loss": last["loss"]}


def _recipe_words(side: Side, runs: Path) -> list[str]:
    settings = (f"device.backend={side.backend}", f"device.precision={TYPES[side.precision]}")
    words = ["--recipe", str(FOLDER / "recipe.yaml"), "--runs-dir", str(runs)]
    return [*words, *(word for setting in settings for word in ("--set", setting))]


def _relx_prediction(side: Side) -> tuple[Measured, Record]:
    """Predicts with a run of one epoch: by the command, and twice in one process."""
    runs = FOLDER / f"predict-runs-{side.backend}-{side.precision}"
    if not runs.exists():
        _relx(side, "train", *_recipe_words(side, runs), "--set", "train.epochs=1")
    words = ["--runs-dir", str(runs), "--run", "bench", "--test", str(FOLDER / "test.jsonl")]
    measured = _relx(side, "predict", *words, "--out", str(FOLDER / "answers.jsonl"))
    _measured, figures = _child("decoder_relx", "steady", {"runs_dir": str(runs)})
    return measured, figures


# --- what came out -------------------------------------------------------------------------------


def _result(options: argparse.Namespace, facts: Record, records: list[Record]) -> Record:
    commit = git_state()
    asked = {name: str(value) for name, value in vars(options).items() if name != "out"}
    asked["decoder"] = options.decoder.name
    return {
        "options": asked,
        "tokens": facts,
        "records": records,
        "ratios": ratios(records),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "versions": versions(),
        "commit": commit.model_dump() if commit else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def ratios(records: list[Record]) -> list[Record]:
    """Compares relx with each peer in the same repetition, and takes the medians.

    Args:
        records: What was measured.

    Returns:
        By task, precision, relx's side and peer: speed (more is better), whole, first step and
        memory (less is better), each relx's against the peer's.
    """
    found: dict[tuple[str, str, str, str], list[Record]] = {}
    for own in records:
        for peer in records:
            same = all(own[key] == peer[key] for key in ("task", "precision", "repetition"))
            if same and own["side"].startswith("relx") and not peer["side"].startswith("relx"):
                key = (own["task"], own["precision"], own["side"], peer["side"])
                found.setdefault(key, []).append(_compared(own, peer))
    return [
        dict(zip(("task", "precision", "side", "peer"), key, strict=True))
        | {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        for key, rows in found.items()
    ]


def _compared(own: Record, peer: Record) -> Record:
    compared = {
        "speed": own["rows_per_second"] / peer["rows_per_second"],
        "peak": own["peak_mib"] / peer["peak_mib"],
    }
    if own["first_step_seconds"] and peer["first_step_seconds"]:
        compared["first_step"] = own["first_step_seconds"] / peer["first_step_seconds"]
    return compared


def table(result: Record) -> str:
    """Writes the ratios as a table of Markdown."""
    lines = [
        "| task | precision | relx on | peer | speed | peak | first step |",
        "|" + " --- |" * 7,
    ]
    for row in result["ratios"]:
        backend = row["side"].removeprefix("relx ")
        first = f"{row['first_step']:.2f}" if "first_step" in row else ""
        cells = (row["task"], row["precision"], backend, row["peer"])
        figures = (f"{row['speed']:.2f}", f"{row['peak']:.2f}", first)
        lines.append("| " + " | ".join((*cells, *figures)) + " |")
    return "\n".join(lines)


def _line(record: Record) -> str:
    first = record["first_step_seconds"]
    return (
        f"{record['task']} {record['side']} {record['precision']}: "
        f"{record['rows_per_second']:.2f} rows/s, {record['peak_mib']:.0f} MiB, "
        f"first step {first and round(first, 1)} s, {record['seconds']:.0f} s in all"
    )


if __name__ == "__main__":
    main()
