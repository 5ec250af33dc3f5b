"""Measures what the options that the field argues about change, over seeds, and writes JSON.

    python bench/evidence.py --shared ../shared

It draws 1,600 rows of KLUE-RE to train on, 400 to choose the epoch by and 1,000 to score on, no
sentence in two of them, and computes the study bench/evidence.yaml. Cells that are done stay as they
are, so that it can be stopped and goes on. The result is bench/results/evidence.json.
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
from typing import Any

RUNS = Path("runs/bench")
STUDY = Path("bench/evidence.yaml")
RESULT = Path("bench/results/evidence.json")
SIZES = {"train": 1600, "dev": 400, "gold": 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="the folder with data and model")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--show", action="store_true", help="compute nothing, show what is there")
    arguments = parser.parse_args()
    draw_rows(arguments.shared / "data/klue_re/train.csv")
    if not arguments.show:
        relx("run", "--jobs", str(arguments.jobs))
    page = ["--out", str(RUNS / "evidence.html")]
    found = json.loads(relx("show", "--json", "--draws", "2000", *page))
    machine = {"cpu": cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    tree = {"command": " ".join(["python", *sys.argv]), "machine": machine, "commit": commit()}
    tree |= {"sizes": SIZES, **found}
    RESULT.write_text(json.dumps(tree, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(f"{RESULT} is written")


def draw_rows(file: Path) -> None:
    """Writes the rows of each part; all rows of a sentence are in one."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_sentence: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_sentence.setdefault(row["sentence"], []).append(row)
    sentences = sorted(by_sentence)
    random.Random(0).shuffle(sentences)
    left = iter(sentences)
    for part, size in SIZES.items():
        chosen: list[dict[str, str]] = []
        while len(chosen) < size:
            chosen += by_sentence[next(left)]
        path = RUNS / "data/evidence" / f"{part}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, chosen[0].keys())
            writer.writeheader()
            writer.writerows(chosen[:size])


def relx(command: str, *more: str) -> str:
    """Runs a command of relx study, and returns what it prints."""
    words = ["study", command, str(STUDY), "--runs-dir", str(RUNS), *more]
    done = subprocess.run(
        [sys.executable, "-m", "relx_cli", *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def cpu() -> str:
    """Names the processor, with the vector instructions that decide its speed."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    facts: dict[str, Any] = dict(
        (part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line
    )
    known = [flag for flag in ("avx2", "avx512f", "amx_tile") if flag in facts["flags"].split()]
    return f"{facts['model name']}, {', '.join(known)}"


def commit() -> str:
    words = ["git", "rev-parse", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
