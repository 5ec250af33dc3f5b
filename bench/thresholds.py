"""Times the search for cut-offs, its cross-fitting and intervals, and writes the result as JSON.

    python bench/thresholds.py

100,000 rows of eight labels shall take less than 2 s for micro-F1. The probabilities are made up
with a seed, all of them different, which is the slowest case. The result is
bench/results/thresholds.json.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from relx.runs.manifest import git_state, versions
from relx.scoring.decisions.cross_fitting import search_all

SIZES = (1_000, 10_000, 100_000)
MEASURES = ("micro_f1", "macro_f1", "accuracy")
LABELS, TIMES = 8, 5
RESULT = Path("bench/results/thresholds.json")


def main() -> None:
    seconds = {measure: {size: timed(size, measure) for size in SIZES} for measure in MEASURES}
    result = {
        "labels": LABELS,
        "seconds": seconds,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for measure, by_size in seconds.items():
        shown = ", ".join(f"{size:,} rows {took['median']:.2f} s" for size, took in by_size.items())
        print(f"{measure}: {shown}")


def cpu_model() -> str:
    """Returns what the CPU calls itself."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def timed(rows: int, measure: str) -> dict[str, float]:
    """Searches cut-offs of made-up rows a few times.

    Args:
        rows: How many there are.
        measure: What is searched for.

    Returns:
        The least, median and most seconds.
    """
    rng = np.random.default_rng(rows)
    gold = rng.random((rows, LABELS)) < np.linspace(0.02, 0.5, LABELS)
    shares = 1 / (1 + np.exp(1 - 2 * gold + rng.normal(0, 1, gold.shape)))
    sentences = [str(row) for row in range(rows)]
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        search_all(gold, shares, sentences, measure)
        took.append(time.perf_counter() - began)
    return {"least": min(took), "median": statistics.median(took), "most": max(took)}


if __name__ == "__main__":
    main()
