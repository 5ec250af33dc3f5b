"""Times the commands that must answer at once, as whole processes, and writes the result as JSON.

    python bench/startup.py

`relx --help` shall take less than 0.3 s, and `relx score --pred` on 7,765 rows less than 1 s. Each
is run several times; the table has median and range. The result is bench/results/startup.json.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from relx.data.labels import KLUE
from relx.runs.manifest import git_state, versions
from relx.tasks.relation.answers import write_submission

TIMES = 11
ROWS = 7765
RESULT = Path("bench/results/startup.json")
SENTENCE = (
    "새벽신문 기자 가람은 나루시에서 자라 바다대학교를 졸업했고, 그 뒤로 오래 나루시에 살았다."
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        gold, pred = write_task(Path(name))
        commands = {
            "relx --help": ["--help"],
            "relx score --help": ["score", "--help"],
            f"relx score --pred, {ROWS:,} rows": ["score", "--gold", gold, "--pred", pred],
        }
        figures = {name: measure(words) for name, words in commands.items()}
    result = {
        "seconds": figures,
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{'command':<32} median   range (seconds, {TIMES} times)")
    for name, row in figures.items():
        print(f"{name:<32} {row['median']:.2f}     {row['least']:.2f}-{row['most']:.2f}")


def write_task(folder: Path) -> tuple[str, str]:
    """Writes random gold rows and a random submission of the competition's size."""
    rng = np.random.default_rng(0)
    ids = [str(i) for i in range(ROWS)]
    entity = {"word": "가람", "start_idx": 8, "end_idx": 9, "type": "PER"}
    other = {"word": "나루시", "start_idx": 12, "end_idx": 14, "type": "LOC"}
    with (folder / "gold.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label", "source"])
        for i in ids:
            label = KLUE.names[rng.integers(30)]
            writer.writerow([i, SENTENCE, str(entity), str(other), label, "bench"])
    probabilities = rng.dirichlet(np.ones(30), ROWS).astype(np.float32)
    write_submission(folder / "pred.csv", ids, probabilities, KLUE)
    return str(folder / "gold.csv"), str(folder / "pred.csv")


def measure(words: list[str]) -> dict[str, float]:
    relx = str(Path(sys.executable).with_name("relx"))
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        subprocess.run([relx, *words], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}


if __name__ == "__main__":
    main()
