"""Times `relx eda` on all of KLUE-RE and compares its figures with those that are known of it.

    python bench/eda.py --shared ../shared

The folder has data/klue_re with the competition's files (32,470 rows of train, 7,765 of test), and
an encoder in models/e5-small-ko24k, of which the tokenizer is used. Each process is timed from its
start to the page on the disk: first with nothing kept from before, which shall take less than 60 s
on two cores, then with the words that the first one found. Nothing else should run beside it; the
result has the machine's load before. The predictions are drawn at random, 60 % of them no_relation:
what they are does not change the time. The result is bench/results/eda.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from relx.data.labels import KLUE
from relx.recipe import DataSection
from relx.runs.manifest import git_state, versions
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.rows import read_examples

TIMES = 3
LIMIT = 60.0  # seconds, on two cores
NEGATIVE_SHARE = 0.6
RESULT = Path("bench/results/eda.json")

# What is known of the data, by the place of each figure in the facts of the page.
KNOWN: dict[str, Any] = {
    "files/train/rows": 32470,
    "files/test/rows": 7765,
    "headline/percent/train": 29.4,
    "files/train/duplicate_rows": 47,
    "files/train/contradictory_keys": 5,
    "files/test/characters/median": 85,
    "files/test/characters/p95": 174,
    "files/test/characters/p99": 235,
    "files/train/characters/longest": 455,
    "files/test/first_match_elsewhere_percent": 4.3,
    "files/test/marker_characters/*": 3,
    "files/test/marker_characters/&": 39,
    "files/test/marker_characters/[": 15,
    "files/test/marker_characters/@": 0,
    "files/test/subject_types/LOC": 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    shared = parser.parse_args().shared
    cold, warm, load = [], [], os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pred = write_predictions(shared / "data/klue_re", folder / "s.csv")
        for turn in range(TIMES):
            words = command(shared, pred, folder / "eda.html", folder / f"runs-{turn}")
            cold.append(seconds(words))
            warm.append(seconds(words))
        index = json.loads((folder / "eda_plots/plots.json").read_text(encoding="utf-8"))
        size = (folder / "eda.html").stat().st_size
    figures = {place: rounded(index["facts"], place) for place in KNOWN}
    result = {
        "seconds": {"cold": summary(cold), "words_kept": summary(warm)},
        "limit_seconds": LIMIT,
        "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "page_bytes": size,
        "figures": figures,
        "differ": {
            place: [known, figures[place]]
            for place, known in KNOWN.items()
            if known != figures[place]
        },
        "cores": os.cpu_count(),
        "load_before": load,
        "processor": platform.processor() or platform.machine(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for kind, row in result["seconds"].items():
        print(f"{kind:<12} {row['median']:.1f} s ({row['least']:.1f}-{row['most']:.1f})")
    print(f"{len(KNOWN) - len(result['differ'])} of {len(KNOWN)} figures are the known ones")
    if result["differ"] or max(cold) > LIMIT:
        sys.exit(f"differ: {result['differ']}; slowest: {max(cold):.1f} s of {LIMIT:.0f}")


def write_predictions(folder: Path, path: Path) -> Path:
    """Writes predictions for every test row, drawn as train's relations are frequent."""
    train = read_examples(folder / "train.csv", DataSection(), KLUE)
    test = read_examples(folder / "test_data.csv", DataSection(), None)
    counts = Counter(row.label for row in train if row.label != "no_relation")
    shares = np.array([counts[name] for name in KLUE.names]) * (1 - NEGATIVE_SHARE) / counts.total()
    shares[KLUE.index("no_relation")] = NEGATIVE_SHARE
    drawn = np.random.default_rng(0).choice(len(KLUE), len(test), p=shares)
    probabilities = np.full((len(test), len(KLUE)), 0.01)
    probabilities[np.arange(len(test)), drawn] = 0.71
    write_submission(path, [row.id for row in test], probabilities, KLUE)
    return path


def command(shared: Path, pred: Path, page: Path, runs: Path) -> list[str]:
    data = shared / "data/klue_re"
    settings = {
        "data.train": data / "train.csv",
        "data.test": data / "test_data.csv",
        "encoder.from": shared / "models/e5-small-ko24k",
    }
    listed = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    places = ["--pred", str(pred), "--out", str(page), "--runs-dir", str(runs)]
    relx = str(Path(sys.executable).with_name("relx"))
    return [relx, "eda", "--quiet", "--recipe", "recipes/roberta.yaml", *listed, *places]


def seconds(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def summary(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


def rounded(facts: Any, place: str) -> Any:
    """Looks a figure up and rounds it as the known one is."""
    for name in place.split("/"):
        facts = facts[name]
    return round(facts, 1) if isinstance(facts, float) else facts


if __name__ == "__main__":
    main()
