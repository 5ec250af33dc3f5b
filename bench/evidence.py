"""Measures what the options that the field argues about change, over seeds, and writes JSON.

    python bench/evidence.py fresh --shared ../shared

It draws rows of KLUE-RE to train on, to choose the epoch by and to score on, no sentence in two of
these parts, and computes the study of that name. Cells that are done stay as they are, so that it
can be stopped and goes on. The result is bench/results/evidence_NAME.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import subprocess
import sys
from pathlib import Path

RUNS = Path("runs/bench")
RESULTS = Path("bench/results")
STUDIES = {
    "fresh": (Path("bench/evidence_fresh.yaml"), {"train": 2000, "dev": 400, "gold": 3000}),
    "e5": (Path("bench/evidence_e5.yaml"), {"train": 800, "dev": 200, "gold": 1000}),
    "gpu": (Path("bench/study_gpu.yaml"), {"train": 25000, "dev": 2000, "gold": 4000}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=STUDIES, help="which encoder, and how many rows")
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data and model")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--show", action="store_true", help="compute nothing, show what is there")
    arguments = parser.parse_args()
    file, sizes = STUDIES[arguments.study]
    draw_rows(arguments.shared / "data/klue_re/train.csv", arguments.study, sizes)
    if not arguments.show:
        relx("run", file, "--jobs", str(arguments.jobs))
    page = ["--out", str(RUNS / f"evidence_{arguments.study}.html")]
    found = json.loads(relx("show", file, "--json", "--draws", "2000", *page))
    machine = {"cpu": cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    tree = {"command": " ".join(["python", *sys.argv]), "machine": machine, "commit": commit()}
    tree |= {"sizes": sizes, **found}
    result = RESULTS / f"evidence_{arguments.study}.json"
    result.write_text(json.dumps(tree, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(f"{result} is written")


def draw_rows(file: Path, name: str, sizes: dict[str, int]) -> None:
    """Writes the rows of each part; all rows of a sentence are in one."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_sentence: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_sentence.setdefault(row["sentence"], []).append(row)
    sentences = sorted(by_sentence)
    random.Random(0).shuffle(sentences)
    left = iter(sentences)
    for part, size in sizes.items():
        chosen: list[dict[str, str]] = []
        while len(chosen) < size:
            chosen += by_sentence[next(left)]
        path = RUNS / "data" / name / f"{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, chosen[0].keys())
            writer.writeheader()
            writer.writerows(chosen[:size])


def relx(command: str, file: Path, *more: str) -> str:
    """Runs a command of relx study, and returns what it prints."""
    words = ["study", command, str(file), "--runs-dir", str(RUNS), *more]
    done = subprocess.run(
        [sys.executable, "-m", "relx_cli", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def cpu() -> str:
    """Names the processor, with the vector instructions that decide its speed."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    facts = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    known = [flag for flag in ("avx2", "avx512f", "amx_tile") if flag in facts["flags"].split()]
    return f"{facts['model name']}, {', '.join(known)}"


def commit() -> str:
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
