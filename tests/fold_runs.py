"""A tiny run of three folds, and the rows that it is of: what several tests look at."""

import csv
from pathlib import Path

from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 500}}"
SETTINGS = {
    "name": "tiny",
    "encoder.from": TINY,
    "tokens.max_length": "128",
    "data.dev": "null",
    "data.folds": "3",
    "train.epochs": "2",
    "predict.engine": "keras",
}


def write_few_rows(folder):
    """48 rows to train on, some of them of one sentence, and 12 to predict."""
    for name, count in (("train", 48), ("test", 12)):
        with (ROOT / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))[:count]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return folder


def words(rows, runs, **more):
    """The command that trains the run, but for --folds."""
    settings = SETTINGS | {f"data.{part}": rows / f"{part}.csv" for part in ("train", "test")}
    sets = [w for key, value in (settings | more).items() for w in ("--set", f"{key}={value}")]
    return ["train", "--recipe", "demo", "--runs-dir", str(runs), *sets]


def train_folds(rows, runs):
    """Trains all three folds by one command."""
    assert run([*words(rows, runs), "--folds", "all"]) == 0
    return runs
