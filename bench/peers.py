"""Runs relx beside what a user would pick instead, in turn, and writes what both cost.

    make bench
    python bench/peers.py --peer-python build/peers/bin/python --encoder FOLDER --data FOLDER
    python bench/peers.py --peer-python build/peers/bin/python --tiny

Three pieces of work on one machine with the same encoder, rows, tokens, batch size and precision:
masked LM (run_mlm line by line, transformers' collator), fine-tuning (transformers' Trainer, in
random order and grouped by length), and prediction (PyTorch, in the rows' order and by length).
Every measurement is a process. Whole processes are timed from outside, start to end; the steady
state is the last epoch's training steps, and a prediction's second pass in a process of its own.
The result is bench/results/peers.json, and a table on standard output.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import random
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from peer_figures import (
    Sizes,
    markdown,
    masked_lm_operations,
    ratios,
    relation_operations,
    summaries,
    summary,
)
from peer_process import Measured, measure, say

from relx.files import write_json
from relx.recipe import Recipe
from relx.recipe_file import recipe_from_tree, recipe_yaml
from relx.runs.manifest import git_state, versions

BENCH = Path(__file__).parent
RESULT = Path("bench/results/peers.json")
FOLDER = Path("runs/bench-peers")
TRAINED = FOLDER / "trained" / "bench"  # relx's run to predict with
SHARED = Path("../shared")
SEED = 42
DEV_ROWS = 64
LONGEST = 240  # characters: no sentence is cut, or TAPT would read what run_mlm truncates
# The Trainer would give every GPU a whole batch; JAX would take most of the memory at once.
ONE_DEVICE = {
    "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0],
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "HF_HUB_OFFLINE": "1",
}
PRODUCT = {"size": 2048, "gpu_size": 8192, "times": 8}
RELX_PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
SHORT = {"float32": "", "bfloat16": " bf16"}
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_tile")
# The peers of each task, and the order in which they take the rows.
PEERS = {
    "tapt": {"run_mlm": "random"},
    "train": {"Trainer": "random", "Trainer by length": "group_by_length"},
    "predict": {"PyTorch": "rows", "PyTorch by length": "sorted"},
}
# How many times a peer's real tokens a second relx shall reach in the steady state.
TARGETS = {
    "CPU": {
        "run_mlm": 2.0,
        "Trainer": 1.5,
        "Trainer by length": 1.1,
        "PyTorch": 1.5,
        "PyTorch by length": 1.0,
    },
    "GPU": {
        "run_mlm": 1.5,
        "Trainer": 1.3,
        "Trainer by length": 1.3,
        "PyTorch": 1.5,
        "PyTorch by length": 1.5,
    },
}
NOTES = (
    "peers are given tokenised rows to train and predict; relx marks and tokenises them itself",
    "peers evaluate after each epoch and save the model once; relx also measures before the first "
    "epoch of tapt, and writes a checkpoint after every epoch",
    "the masked-LM operations count the head at masked positions only, on both sides",
    "operations: 2 a matrix parameter and token, 4 × length² × hidden a layer for attention, "
    "times 3 in training, on real tokens; utilisation is against the fastest measured product",
    "peak memory is of the whole process; steady predictions run in processes of their own",
    "each whole prediction of relx is the first one with its run, and makes what relx keeps for "
    "later ones; again_seconds and again_peak_mib are of the second one",
)
Record = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """One side of a comparison.

    Args:
        task: tapt, train or predict.
        name: What the table calls it.
        peer: Whether it is a peer; relx otherwise.
        precision: float32 or bfloat16.
        backend: relx's backend.
        order: How a peer takes the rows.
        compiled: Whether a peer uses torch.compile.
        once: Whether it is measured in the first repetition only.
    """

    task: str
    name: str
    peer: bool
    precision: str
    backend: str = "tensorflow"
    order: str = ""
    compiled: bool = False
    once: bool = False

    @property
    def slug(self) -> str:
        """Returns a name for files."""
        return f"{self.task}-{re.sub('[^a-z0-9]+', '-', self.name.lower())}"


@dataclass(frozen=True)
class Work:
    """What all contenders are given.

    Args:
        options: The command line.
        recipe: The recipe of the relx side; the peers' settings are read from it too.
        files: The rows by part: train, dev, test.
        texts: The sentences that tapt trains on.
        held_out: The sentences that tapt measures on.
        classes: The number of labels.
        sizes: The encoder's sizes.
        lengths: Tokens of every row by task.
    """

    options: argparse.Namespace
    recipe: Recipe
    files: dict[str, Path]
    texts: list[str]
    held_out: list[str]
    classes: int
    sizes: Sizes
    lengths: dict[str, list[int]]

    def operations(self, task: str) -> float:
        """Returns the operations of one epoch, or of one prediction."""
        lengths = self.lengths[task]
        if task == "tapt":
            return masked_lm_operations(self.sizes, lengths, self.recipe.tapt.mask_rate)
        return relation_operations(self.sizes, lengths, self.classes, training=task == "train")


def main() -> None:
    options = _options()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    products = _products(options)
    work = _prepare(options)
    records: list[Record] = []
    for repetition in range(options.repetitions):
        for contender in contenders(options):
            if repetition and contender.once:
                continue
            record = _run(work, contender, repetition)
            records.append(record)
            say(_line(record, options.repetitions))
            write_json(options.out, _result(work, products, records))
    print(tables(json.loads(options.out.read_text(encoding="utf-8"))))
    say(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--peer-python", type=Path, default=Path("build/peers/bin/python"), help="their Python")
    add("--encoder", type=Path, default=SHARED / "models/e5-small-ko24k", help="a folder")
    add("--data", type=Path, default=SHARED / "data/klue_re", help="train.csv and test_data.csv")
    add("--tiny", action="store_true", help="the sample and a tiny encoder: does it run?")
    add("--sentences", type=int, default=640, help="rows to train on")
    add("--rows", type=int, default=640, help="rows to predict")
    add("--batch", type=int, default=16, help="rows a step")
    add("--epochs", type=int, default=2, help="the last one is the steady state")
    add("--repetitions", type=int, default=3)
    add("--tasks", nargs="+", choices=PEERS, default=list(PEERS))
    add("--backends", nargs="+", choices=("tensorflow", "jax", "torch"), default=["tensorflow"])
    add("--precisions", nargs="+", choices=RELX_PRECISIONS, default=["float32"])
    add("--compile", action="store_true", help="peers with torch.compile too, measured once")
    add("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.tiny:
        tiny = {"sentences": 96, "rows": 160, "batch": 16, "repetitions": 1}
        for name, value in tiny.items():
            if getattr(options, name) == parser.get_default(name):
                setattr(options, name, value)
        options.data = Path("sample")
        options.out = FOLDER / "peers.json" if options.out == RESULT else options.out
    _require_what_is_needed(parser, options)
    return options


def _require_what_is_needed(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.peer_python.exists():
        parser.error(f"there is no {options.peer_python}; make bench makes it")
    needed = {"--data": options.data / "train.csv"}
    needed |= {} if options.tiny else {"--encoder": options.encoder / "config.json"}
    for option, file in needed.items():
        if not file.exists():
            parser.error(f"there is no {file}; name a folder with {option}, or try --tiny")
    if options.epochs < 2:
        parser.error("--epochs must be 2 or more: the first one warms up")


def contenders(options: argparse.Namespace) -> list[Contender]:
    """Lists who is measured, in the order of their turns.

    Args:
        options: The command line.

    Returns:
        relx before its peers, task by task; what is no main comparison is measured once.
    """
    found = []
    for task in options.tasks:
        for number, precision in enumerate(options.precisions):
            shown, once = SHORT[precision], number > 0
            for place, backend in enumerate(options.backends):
                name = "relx" if backend == "tensorflow" else f"relx {backend}"
                extra = once or place > 0
                found.append(Contender(task, name + shown, False, precision, backend, once=extra))
            for name, order in PEERS[task].items():
                peer = Contender(task, name + shown, True, precision, order=order, once=once)
                found.append(peer)
        if options.compile:
            precision = options.precisions[0]
            found += [
                Contender(task, f"{name}, compiled", True, precision, "", order, True, True)
                for name, order in PEERS[task].items()
            ]
    return found


# --- what everyone is given ----------------------------------------------------------------------


def _products(options: argparse.Namespace) -> Record:
    """Measures a matrix product on both sides; that also warms the disk for both."""
    asked = {**PRODUCT, "precisions": options.precisions}
    found: Record = {"torch": _ask("torch", "product", asked, options)}
    for backend in options.backends:
        own = _ask("relx", "product", {**asked, "backend": backend}, options)
        found[f"relx {backend}"] = own
        if own["on_gpu"] != bool(found["torch"]["gpus"]):
            hardware = own["device"]["hardware"]
            what = f"torch computes on {found['torch']['device']}, {backend} on {hardware}"
            raise SystemExit(f"{what}: install what gives both the same device")
    return found


def _ask(side: str, task: str, asked: Record, options: argparse.Namespace) -> Record:
    """Runs a task of peer_relx.py or peer_torch.py, and returns its figures."""
    _measured, figures = _task(side, task, asked, options)
    return figures


def _task(
    side: str, task: str, asked: Record, options: argparse.Namespace
) -> tuple[Measured, Record]:
    out = FOLDER / "figures.json"
    out.unlink(missing_ok=True)
    path = FOLDER / "work.json"
    write_json(path, {**asked, "out": str(out)})
    python = sys.executable if side == "relx" else str(options.peer_python)
    measured = measure([python, str(BENCH / f"peer_{side}.py"), task, str(path)], ONE_DEVICE)
    figures: Record = json.loads(out.read_text(encoding="utf-8"))
    return measured, figures


def _prepare(options: argparse.Namespace) -> Work:
    """Draws the rows, makes an encoder where there are no weights, and tokenises for the peers."""
    files = _draw_rows(options)
    encoder = _encoder(options, files)
    recipe = _recipe(options, files, encoder)
    (FOLDER / "recipe.yaml").write_text(recipe_yaml(recipe), encoding="utf-8")
    texts, held_out = split_texts([row["sentence"] for row in _read(files["train"])], recipe)
    asked: Record = {"recipe": str(FOLDER / "recipe.yaml"), "encoder": str(encoder)}
    asked |= {"texts": texts}
    asked |= {"files": {part: str(file) for part, file in files.items()}}
    asked |= {"rows": str(FOLDER / "rows.json")}
    found = _ask("relx", "rows", asked, options)
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    return Work(
        options=options,
        recipe=recipe,
        files=files,
        texts=texts,
        held_out=held_out,
        classes=found["classes"],
        sizes=Sizes.of(config),
        lengths=found["lengths"],
    )


def _draw_rows(options: argparse.Namespace) -> dict[str, Path]:
    """Draws rows to train on, to choose by and to predict: every sentence once, none very long."""
    rows = _unique(_read(options.data / "train.csv"))
    random.Random(SEED).shuffle(rows)
    test_file = options.data / "test_data.csv"
    test = _unique(_read(test_file if test_file.exists() else options.data / "test.csv"))
    cut = options.sentences
    parts = {"train": rows[:cut], "dev": rows[cut : cut + DEV_ROWS], "test": test[: options.rows]}
    return {part: _write(FOLDER / f"{part}.csv", found) for part, found in parts.items()}


def _unique(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    found = {row["sentence"]: row for row in rows if len(row["sentence"]) <= LONGEST}
    return list(found.values())


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def _encoder(options: argparse.Namespace, files: dict[str, Path]) -> Path:
    """Returns a folder with weights: the one named, or one made of random numbers."""
    if options.tiny:
        sizes = {"layers": 2, "hidden": 64, "heads": 2, "intermediate": 128, "vocabulary": 2000}
        tree = _tree(options, files, {"fresh": sizes}) | {"name": "tiny-encoder"}
        tree["tapt"] |= {"epochs": 1}
        path = FOLDER / "tiny.yaml"
        path.write_text(recipe_yaml(recipe_from_tree(tree)), encoding="utf-8")
        _relx("tapt", "--recipe", str(path), "--runs-dir", str(FOLDER))
        return FOLDER / "tiny-encoder" / "tapt" / "encoder"
    if list(options.encoder.glob("*.safetensors")):
        return Path(options.encoder)
    say(f"{options.encoder} has no weights: random ones are used")
    made = FOLDER / "encoder"
    _ask("relx", "encoder", {"shape": str(options.encoder), "encoder": str(made)}, options)
    return made


def _relx(*words: str) -> Measured:
    command = [sys.executable, str(BENCH / "peer_relx.py"), "command", *words]
    return measure(command, ONE_DEVICE)


def _recipe(options: argparse.Namespace, files: dict[str, Path], encoder: Path) -> Recipe:
    return recipe_from_tree(_tree(options, files, str(encoder)))


def _tree(options: argparse.Namespace, files: dict[str, Path], source: Any) -> Record:
    common = {"epochs": options.epochs, "batch_size": options.batch}
    return {
        "name": "bench",
        "seed": SEED,
        "data": {"train": str(files["train"]), "dev": str(files["dev"])},
        "encoder": {"from": source},
        "tokens": {"max_length": 256},
        "tapt": common | {"learning_rate": 1e-4, "mask_unit": "tokens"},
        "train": common | {"learning_rate": 1.5e-4, "start_from": "encoder"},
        "device": {"precision": RELX_PRECISIONS[options.precisions[0]]},
    }


def split_texts(sentences: Sequence[str], recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sets apart the sentences that relx's tapt sets apart, so that both sides read the same.

    The numbers of tokens that relx reports are compared with this split's: see `same_work`.

    Args:
        sentences: Every sentence once.
        recipe: The recipe.

    Returns:
        The sentences to train on and those to measure on.
    """
    order = np.random.default_rng((recipe.seed, 3)).permutation(len(sentences))
    held = max(1, round(recipe.tapt.held_out * len(order)))
    train, measured = np.sort(order[held:]), np.sort(order[:held])
    return [sentences[i] for i in train], [sentences[i] for i in measured]


# --- the turns -----------------------------------------------------------------------------------


def _run(work: Work, contender: Contender, repetition: int) -> Record:
    """Lets a contender have its turn, and returns its figures."""
    folder = FOLDER / f"{repetition}-{contender.slug}"
    folder.mkdir()
    turn = {
        (False, False): _relx_stage,
        (False, True): _relx_prediction,
        (True, False): _peer_training,
        (True, True): _peer_prediction,
    }[contender.peer, contender.task == "predict"]
    measured, figures = turn(work, contender, folder)
    shutil.rmtree(folder)
    passes = figures.get("epochs", 1)
    seconds, tokens = figures["epoch_seconds"][-1], figures["tokens"]
    return {
        "task": contender.task,
        "contender": contender.name,
        "precision": contender.precision,
        "repetition": repetition,
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
        "first_step_seconds": measured.first_step(contender.task),
        "peak_mib": measured.peak_mib,
        "gpu_peak_mib": measured.gpu_peak_mib,
        **figures,
        "tokens_per_second": tokens / seconds,
        "sentences_per_second": figures["sentences"] / seconds,
        "whole_tokens_per_second": passes * tokens / measured.seconds,
        "operations_per_second": work.operations(contender.task) / seconds,
    }


def _relx_stage(work: Work, contender: Contender, folder: Path) -> tuple[Measured, Record]:
    """Runs `relx tapt` or `relx train`, and reads what it noted."""
    device = f"device.backend={contender.backend}"
    precision = f"device.precision={RELX_PRECISIONS[contender.precision]}"
    recipe = ["--recipe", str(FOLDER / "recipe.yaml"), "--runs-dir", str(folder)]
    measured = _relx(contender.task, *recipe, "--set", device, "--set", precision)
    stage = folder / "bench" / ("tapt" if contender.task == "tapt" else "train/fold-0")
    if contender.task == "train" and not TRAINED.exists():
        shutil.copytree(folder / "bench", TRAINED)
    lines = (stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    history = [json.loads(line) for line in lines]
    last = history[-1]
    return measured, {
        "steps": len(history) * _steps(measured),
        "epochs": len(history),
        "sentences": round(last["sentences_per_second"] * last["seconds"]),
        "tokens": round(last["tokens_per_second"] * last["seconds"]),
        "padding_percent": sum(epoch["padding_percent"] for epoch in history) / len(history),
        "epoch_seconds": [epoch["seconds"] for epoch in history],
        "loss": last["loss"],
    }


def _steps(measured: Measured) -> int:
    """Returns the steps of an epoch, as the progress lines say."""
    found = [re.search(r"/(\d+) steps\b", line) for _, line in measured.lines]
    return max(int(match[1]) for match in found if match)


def _relx_prediction(work: Work, contender: Contender, folder: Path) -> tuple[Measured, Record]:
    """Runs `relx predict` with a run that never did, runs it again, and twice in one process."""
    _copy_run(work, contender, folder)
    out, test = folder / "submission.csv", str(work.files["test"])
    run = ["--runs-dir", str(folder), "--run", "bench"]
    words = ["predict", *run, "--test", test, "--out", str(out)]
    measured, again = _relx(*words), _relx(*words)
    asked = {"runs_dir": str(folder), "name": "bench", "test": test}
    asked |= {"rows": str(FOLDER / "rows.json")}
    figures = _ask("relx", "steady", asked, work.options)
    figures |= {"again_seconds": again.seconds, "again_peak_mib": again.peak_mib}
    found = [json.loads(row["probs"]) for row in _read(out)]
    np.save(FOLDER / f"{contender.slug}.npy", np.array(found))
    return measured, figures


def _copy_run(work: Work, contender: Contender, folder: Path) -> None:
    """Copies the trained run, as if trained on the contender's device, and never predicted with."""
    if not TRAINED.exists():
        recipe = ["--recipe", str(FOLDER / "recipe.yaml"), "--runs-dir", str(TRAINED.parent)]
        _relx("train", *recipe, "--set", "train.epochs=1")
    shutil.copytree(TRAINED, folder / "bench", ignore=shutil.ignore_patterns("logs", ".lock"))
    path = folder / "bench/train/fold-0/manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    precision = RELX_PRECISIONS[contender.precision]
    manifest["recipe"]["device"] |= {"backend": contender.backend, "precision": precision}
    if contender.backend != work.options.backends[0]:
        manifest["recipe"]["predict"] |= {"engine": "keras"}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def _peer_training(work: Work, contender: Contender, folder: Path) -> tuple[Measured, Record]:
    asked = _settings(work, contender, folder)
    measured, figures = _task("torch", contender.task, asked, work.options)
    del figures["lengths"]
    return measured, figures


def _peer_prediction(work: Work, contender: Contender, folder: Path) -> tuple[Measured, Record]:
    asked = _settings(work, contender, folder)
    asked |= {"model": str(TRAINED / "train/fold-0/model")}
    measured, _ = _task("torch", "predict", asked, work.options)
    figures = _ask("torch", "steady", asked, work.options)
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    np.save(FOLDER / f"{contender.slug}.npy", np.array([json.loads(line) for line in lines]))
    del figures["lengths"]
    return measured, figures


def _settings(work: Work, contender: Contender, folder: Path) -> Record:
    """Says to a peer what the recipe says to relx."""
    recipe = work.recipe
    section = recipe.tapt if contender.task == "tapt" else recipe.train
    rows = len(work.texts if contender.task == "tapt" else _read(work.files["train"]))
    steps = section.epochs * math.ceil(rows / section.batch_size)
    return {
        "folder": str(folder),
        "encoder": str(recipe.encoder.source),
        "rows": str(FOLDER / "rows.json"),
        "texts": work.texts,
        "held_out": work.held_out,
        "classes": work.classes,
        "max_length": recipe.tokens.max_length,
        "epochs": section.epochs,
        "batch": section.batch_size,
        "predict_batch": recipe.predict.batch_size,
        "learning_rate": section.learning_rate,
        "weight_decay": section.weight_decay,
        "warmup_steps": round(section.warmup * steps),
        "clip_norm": section.clip_norm,
        "mask_rate": recipe.tapt.mask_rate,
        "dropout": recipe.train.dropout,
        "label_smoothing": recipe.train.label_smoothing,
        "order": contender.order,
        "precision": contender.precision,
        "compile": contender.compiled,
        "seed": recipe.seed,
    }


# --- the result ----------------------------------------------------------------------------------


def _result(work: Work, products: Record, records: Sequence[Record]) -> Record:
    fastest = {
        precision: max(found["operations_per_second"][precision] for found in products.values())
        for precision in work.options.precisions
    }
    for record in records:
        share = record["operations_per_second"] / fastest[record["precision"]]
        record["utilisation_percent"] = 100 * share
    commit = git_state()
    return {
        "machine": _machine(products),
        "versions": {
            "relx": versions() | products[f"relx {work.options.backends[0]}"]["versions"],
            "peers": products["torch"]["versions"],
        },
        "commit": commit.model_dump() if commit else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(work.options).items()},
        "recipe": work.recipe.tree(),
        "encoder": {
            "layers": work.sizes.layers,
            "hidden": work.sizes.hidden,
            "intermediate": work.sizes.intermediate,
            "vocabulary": work.sizes.vocabulary,
        },
        "tokens": {task: _spread(lengths) for task, lengths in work.lengths.items()},
        "products": products,
        "notes": NOTES,
        "same_work": same_work(work, records),
        "figures": _figures(records),
        "ratios": _ratios(work.options, records),
        "repetitions": list(records),
    }


def _machine(products: Record) -> Record:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in known],
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "system": platform.platform(),
        "device": products["torch"]["device"],
        "gpus": products["torch"]["gpus"],
    }


def _spread(lengths: Sequence[int]) -> Record:
    return {"rows": len(lengths), "total": sum(lengths)} | summary(lengths)


def _figures(records: Sequence[Record]) -> Record:
    """Summarises the repetitions by task and contender."""
    return {
        task: {name: summaries(runs) for name, runs in by_name.items()}
        for task, by_name in _grouped(records).items()
    }


def _grouped(records: Sequence[Record]) -> dict[str, dict[str, list[Record]]]:
    found: dict[str, dict[str, list[Record]]] = {}
    for record in records:
        found.setdefault(record["task"], {}).setdefault(record["contender"], []).append(record)
    return found


def _ratios(options: argparse.Namespace, records: Sequence[Record]) -> Record:
    """Compares relx with each peer of the same task and precision, turn by turn."""
    precisions = {c.name: c.precision for c in contenders(options)}
    first = options.backends[0]
    relx = "relx" if first == "tensorflow" else f"relx {first}"
    found: Record = {}
    for task, by_name in _grouped(records).items():
        peers = {name: runs for name, runs in by_name.items() if not name.startswith("relx")}
        ours = {name: by_name.get(relx + SHORT[precisions[name]]) for name in peers}
        found[task] = {
            name: ratios(own, runs) for name, runs in peers.items() if (own := ours[name])
        }
    return found


def same_work(work: Work, records: Sequence[Record]) -> Record:
    """Shows that the sides did the same: tokens, steps, losses, and the probabilities they give."""
    found: Record = {}
    for task, by_name in _grouped(records).items():
        runs = {name: records[0] for name, records in by_name.items()}
        tokens = {name: run["tokens"] for name, run in runs.items()}
        expected = sum(work.lengths[task])
        found[task] = {
            "tokens": tokens | {"expected": expected},
            "tokens_equal": {*tokens.values()} == {expected},
        }
        if task == "predict":
            found[task]["largest_difference"] = _differences(runs)
            continue
        steps = {name: run["steps"] for name, run in runs.items()}
        found[task]["steps"] = steps
        found[task]["steps_equal"] = len({*steps.values()}) == 1
        found[task]["last_loss"] = {name: run["loss"] for name, run in runs.items()}
    return found


def _differences(runs: dict[str, Record]) -> dict[str, float]:
    """The largest difference of any probability from that of relx's own prediction."""
    slugs = {name: Contender("predict", name, False, "").slug for name in runs}
    found = {name: np.load(FOLDER / f"{slug}.npy") for name, slug in slugs.items()}
    first = next(iter(found.values()))
    return {name: float(np.abs(other - first).max()) for name, other in found.items()}


def _line(record: Record, repetitions: int) -> str:
    return (
        f"{record['repetition'] + 1}/{repetitions} {record['task']} {record['contender']}: "
        f"{record['seconds']:.1f} s, steady {record['tokens_per_second']:,.0f} tokens/s, "
        f"peak {record['peak_mib']:,.0f} MiB"
    )


def tables(result: Record) -> str:
    """Returns the two tables of a result: what each side costs, and how they compare.

    Args:
        result: The content of peers.json.

    Returns:
        Markdown.
    """
    return f"{markdown(COST, cost_rows(result))}\n\n{markdown(RATIO, ratio_rows(result))}"


COST = (
    "task, side",
    "tokens/s",
    "range",
    "sentences/s",
    "whole process, s",
    "range",
    "first step, s",
    "peak, MiB",
    "padding, %",
    "utilisation, %",
)
RATIO = ("task, peer", "steady", "range", "whole process", "first step", "memory", "target", "")


def cost_rows(result: Record) -> list[list[str]]:
    """Returns the cells of the first table: medians, and the range of the two speeds."""
    found = []
    for task, sides in result["figures"].items():
        for name, figures in sides.items():
            speed, whole = figures["tokens_per_second"], figures["seconds"]
            cells = [f"{task}, {name}", f"{speed['median']:,.0f}", _range(speed, ",.0f")]
            cells += [_median(figures, "sentences_per_second", ".1f"), f"{whole['median']:.1f}"]
            cells += [_range(whole, ".1f"), _median(figures, "first_step_seconds", ".1f")]
            cells += [
                _median(figures, "peak_mib", ",.0f"),
                _median(figures, "padding_percent", ".1f"),
            ]
            found.append([*cells, _median(figures, "utilisation_percent", ".0f")])
    return found


def ratio_rows(result: Record) -> list[list[str]]:
    """Returns the cells of the second table; above 1 is in relx's favour."""
    targets = TARGETS["GPU" if result["machine"]["gpus"] else "CPU"]
    found = []
    for task, peers in result["ratios"].items():
        for name, figures in peers.items():
            speed, target = figures["tokens_per_second"], targets.get(name.removesuffix(" bf16"))
            cells = [f"{task}, {name}", f"{speed['median']:.2f}", _range(speed, ".2f")]
            cells += [_median(figures, "seconds", ".2f")]
            cells += [_median(figures, "first_step_seconds", ".2f")]
            cells += [_median(figures, "peak_mib", ".2f"), f"{target:.1f}" if target else "–"]
            found.append([*cells, _verdict(speed["median"], target)])
    return found


def _median(figures: Record, name: str, form: str) -> str:
    return format(figures[name]["median"], form) if name in figures else "–"


def _range(figure: dict[str, float], form: str) -> str:
    return f"{figure['least']:{form}}–{figure['most']:{form}}"


def _verdict(ratio: float, target: float | None) -> str:
    if target is None:
        return ""
    return "met" if ratio >= target else f"missed by {100 * (1 - ratio / target):.0f} %"


if __name__ == "__main__":
    main()
