"""Runs the whole chain on real data with a real encoder, and writes what came out as JSON.

    python bench/real_data.py --shared ../shared

For KLUE-RE it takes 2,000 rows of train.csv, predicts the first 500 rows of test_data.csv, and
scores 500 other rows of train.csv whose sentences were not trained on; for the three small sets it
takes their own files and label lists. Each figure comes out of the `relx` commands themselves, run
as processes. The result is bench/results/real_data.json; finished stages are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RUNS = Path("runs/bench")
RECIPE = Path("bench/real_data.yaml")
RESULT = Path("bench/results/real_data.json")
SETS = ("language", "proglang", "resources")
ROWS, HELD_OUT, TEST_ROWS = 2000, 500, 500
# The small sets have fewer sentences and a dev file of their own.
SHORTER = {"tapt.epochs": 1, "train.epochs": 5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data and model")
    parser.add_argument("--only", nargs="*", default=["klue-2000", *SETS], help="which sets")
    arguments = parser.parse_args()
    encoder = arguments.shared / "models" / "e5-small-ko24k"
    for name in arguments.only:
        files = klue_files(arguments.shared) if name == "klue-2000" else set_files(arguments, name)
        note(name, measure(name, files, encoder))


def klue_files(shared: Path) -> dict[str, Path]:
    """Draws the training and held-out rows, no sentence in both, and cuts the test file."""
    folder = RUNS / "data" / "klue-2000"
    with (shared / "data/klue_re/train.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    sentences = sorted({row["sentence"] for row in rows})
    random.Random(0).shuffle(sentences)
    place = {sentence: i for i, sentence in enumerate(sentences)}
    rows.sort(key=lambda row: (place[row["sentence"]], int(row["id"])))
    train = rows[:ROWS]
    seen = {row["sentence"] for row in train}
    held_out = [row for row in rows[ROWS:] if row["sentence"] not in seen][:HELD_OUT]
    with (shared / "data/klue_re/test_data.csv").open(encoding="utf-8", newline="") as stream:
        test = list(csv.DictReader(stream))[:TEST_ROWS]
    files = {"train": train, "gold": held_out, "test": test}
    return {name: write(folder / f"{name}.csv", part) for name, part in files.items()}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def set_files(arguments: argparse.Namespace, name: str) -> dict[str, Path]:
    folder = arguments.shared / "data" / "annotation" / name
    files = {part: folder / f"{part}.csv" for part in ("train", "dev", "test")}
    return files | {"gold": folder / "test.csv", "labels": folder / "label2id.json"}


def measure(name: str, files: dict[str, Path], encoder: Path) -> dict[str, Any]:
    """Runs the four commands and gathers their figures."""
    settings = {"name": name, "encoder.from": encoder, "data.train": files["train"]}
    settings |= {f"data.{key}": files[key] for key in ("test", "dev", "labels") if key in files}
    settings |= SHORTER if "labels" in files else {}
    common = ["--recipe", str(RECIPE), "--runs-dir", str(RUNS)]
    common += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    out = RUNS / name / "submission.csv"
    run = ["--runs-dir", str(RUNS), "--run", name]
    relx("tapt", *common)
    relx("train", *common)
    seconds = relx("predict", *run, "--test", str(files["test"]), "--out", str(out))
    rows = check_submission(out, files["test"])
    scored = [
        sys.executable,
        "-m",
        "relx_cli",
        "score",
        *run,
        "--gold",
        str(files["gold"]),
        "--json",
    ]
    scores = json.loads(subprocess.run(scored, check=True, capture_output=True, text=True).stdout)
    tapt, train = (
        json.loads((RUNS / name / stage / "manifest.json").read_text("utf-8"))
        for stage in ("tapt", "train/fold-0")
    )
    return {
        "scores": {key: scores[key] for key in ("micro_f1", "auprc", "accuracy", "rows")},
        "dev": {
            key: train["results"][key] for key in ("micro_f1", "auprc", "best_epoch", "epochs")
        },
        "tapt": tapt["results"],
        "train_sentences_per_second": train["results"]["sentences_per_second"],
        "predicted_rows": rows,
        "predict_sentences_per_second": rows / seconds,  # starting and loading included
        "minutes": {
            "tapt": tapt["seconds"] / 60,
            "train": train["seconds"] / 60,
            "predict": seconds / 60,
        },
        "device": train["device"],
        "versions": train["versions"],
        "commit": train["git"],
        "recipe": train["recipe"],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def relx(*words: str) -> float:
    """Runs a command, its output shown, and returns its seconds."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "relx_cli", *words], check=True)
    return time.monotonic() - started


def check_submission(out: Path, test: Path) -> int:
    """Checks that every id of the test file is there once, in order, with probabilities."""
    with test.open(encoding="utf-8", newline="") as stream:
        ids = [row["id"] for row in csv.DictReader(stream)]
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == ids
    assert all(abs(sum(json.loads(row["probs"])) - 1) < 1e-9 for row in rows)
    return len(rows)


def note(name: str, figures: dict[str, Any]) -> None:
    """Adds a set's figures to the result file."""
    known = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    known[name] = figures
    RESULT.write_text(json.dumps(known, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: {key: figures[key] for key in ("scores", "minutes")}}, indent=2))


if __name__ == "__main__":
    main()
