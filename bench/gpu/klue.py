"""All of KLUE-RE from a small encoder: TAPT, and training with and without it, in paired seeds.

python bench/gpu/klue.py WORK.json, which bench/gpu.py writes.

A chain is a seed with TAPT or without; each of its stages is a `relx` command, so that a chain that
was stopped carries on with the stage's checkpoint. A tenth of the sentences is dev, the same for
every chain. What a chain leaves is a row of the JSON, and klue_full_NAME.npz: the ids and
probabilities (float16) of the test rows and of dev.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from record import Record

DEV_SHARE = 10
STOPPING = 20.0  # seconds that a stage gets to write its checkpoint
Work = dict[str, Any]


STOPPED = threading.Event()
RUNNING: set[subprocess.Popen[bytes]] = set()


class OutOfTimeError(Exception):
    """The part's minutes were over before a chain was, or it was stopped."""


@dataclass(frozen=True)
class Chain:
    """A seed, with TAPT or without.

    Args:
        seed: The run's seed.
        tapt: Whether stage 1 comes first.
    """

    seed: int
    tapt: bool

    @property
    def name(self) -> str:
        """The run's name."""
        return f"{'tapt' if self.tapt else 'plain'}-{self.seed}"


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    work: Work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    record = Record(Path(work["out"], "klue.json"), "klue", work["deadline"])
    recipe = write_recipe(work, Path(work["folder"]))
    record.figures |= {"recipe": recipe.read_text(encoding="utf-8"), "jobs": work["jobs"]}
    pairs = [Chain(seed, tapt) for seed in work["seeds"] for tapt in (False, True)]
    lock = threading.Lock()

    def one(chain: Chain) -> bool:
        try:
            figures = run_chain(chain, work, recipe, record)
        except OutOfTimeError:
            figures = {"chain": chain.name, "state": "out of time"} | so_far(chain, work)
        except subprocess.CalledProcessError as error:
            figures = {"chain": chain.name, "state": f"failed: {error}"} | so_far(chain, work)
        with lock:
            record.add("chains", figures)
        return figures["state"] == "complete"

    with ThreadPoolExecutor(work["jobs"]) as pool:
        done = sum(pool.map(one, pairs))
    record.end("complete" if done == len(pairs) else f"{done} of {len(pairs)} chains complete")


def stop(number: int, frame: object) -> None:
    """Has the stages under way write their checkpoints and end, and begins no other."""
    STOPPED.set()
    for process in list(RUNNING):
        process.send_signal(signal.SIGTERM)


def write_recipe(work: Work, folder: Path) -> Path:
    """Cuts dev off the training rows by sentence, and writes the recipe of all chains."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = _read(Path(work["train"]))
    sentences = sorted({row["sentence"] for row in rows})
    random.Random(0).shuffle(sentences)
    held = set(sentences[: len(sentences) // DEV_SHARE])
    parts = {part: [] for part in ("train", "dev")}
    for row in rows:
        parts["dev" if row["sentence"] in held else "train"].append(row)
    for part, found in parts.items():
        _write(folder / f"{part}.csv", found)
    tree = {
        "name": "klue",
        "data": {
            "train": str(folder / "train.csv"),
            "dev": str(folder / "dev.csv"),
            "test": work["test"],
        },
        "encoder": {"from": work["encoder"]},
        "tapt": {"epochs": work["tapt_epochs"], "batch_size": 32, "learning_rate": 1e-4},
        "train": {"epochs": work["epochs"], "batch_size": 32, "learning_rate": work["rate"]},
        "device": {"backend": work["backend"], "precision": work["precision"]},
    }
    path = folder / "klue.yaml"
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")  # JSON is YAML
    return path


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def run_chain(chain: Chain, work: Work, recipe: Path, record: Record) -> dict[str, Any]:
    """Runs the stages of a chain, and predicts the test rows and dev."""
    runs = Path(work["folder"], "runs")
    start = "tapt" if chain.tapt else "encoder"
    settings = [f"name={chain.name}", f"seed={chain.seed}", f"train.start_from={start}"]
    words = ["--recipe", str(recipe), "--runs-dir", str(runs)]
    words += [word for setting in settings for word in ("--set", setting)]
    stages = (["tapt"] if chain.tapt else []) + ["train"]
    for stage in stages:
        command([sys.executable, "-m", "relx_cli", stage, *words], record, chain.name)
    out = Path(work["out"], f"klue_full_{chain.name}.npz")
    asked = [str(runs), chain.name, work["test"], str(recipe.with_name("dev.csv")), str(out)]
    predicting = Path(__file__).with_name("klue_predict.py")
    command([sys.executable, str(predicting), *asked], record, chain.name)
    figures: dict[str, Any] = {"chain": chain.name, "state": "complete", "file": out.name}
    return figures | {stage: stage_figures(runs / chain.name, stage) for stage in stages}


def so_far(chain: Chain, work: Work) -> dict[str, Any]:
    """Returns the curves of a chain that did not come to its end."""
    run = Path(work["folder"], "runs", chain.name)
    folders = {"tapt": run / "tapt", "train": run / "train/fold-0"}
    curves = {stage: _curve(folder) for stage, folder in folders.items()}
    return {stage: {"curve": curve} for stage, curve in curves.items() if curve}


def _curve(folder: Path) -> list[dict[str, Any]]:
    """Reads the figures of the epochs that are done."""
    path = folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def stage_figures(run: Path, stage: str) -> dict[str, Any]:
    """Reads what a finished stage noted: results, device, minutes, and its curve by epoch."""
    folder = run / ("tapt" if stage == "tapt" else "train/fold-0")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return {
        "results": manifest["results"],
        "device": manifest["device"],
        "minutes": manifest["seconds"] / 60,
        "curve": _curve(folder),
    }


def command(words: list[str], record: Record, name: str) -> None:
    """Runs a command; when the minutes are over it is asked to stop, and then made to."""
    if STOPPED.is_set():
        raise OutOfTimeError
    log = record.path.with_name(f"klue_{name}.log")
    with log.open("a", encoding="utf-8") as stream:
        process = subprocess.Popen(
            words, stdout=stream, stderr=stream, start_new_session=True, env=environment()
        )
        RUNNING.add(process)
        try:
            process.wait(max(0.0, record.seconds_left - STOPPING))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            _end(process)
            raise OutOfTimeError from None
        finally:
            RUNNING.discard(process)
    if STOPPED.is_set():
        raise OutOfTimeError
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words[-1])


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def environment() -> dict[str, str]:
    """Several chains share a GPU: none may take its memory beforehand."""
    return {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    main()
