"""Times `relx report` on 7,765 rows as whole processes, and writes the result as JSON.

    python bench/report.py ../shared/data/klue_re/train.csv

It shall take less than 15 s on two cores. The rows are the first 7,765 of the file, the submission
is made up with a seed so that its scores look like a model's; the file itself is only read. Each
time is a process of its own; the median counts. The result is bench/results/report.json.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from relx.data.labels import KLUE
from relx.recipe import DataSection
from relx.runs.manifest import git_state, versions
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.rows import read_examples

TIMES = 5
ROWS = 7765
RESULT = Path("bench/results/report.json")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gold, pred = write_task(Path(sys.argv[1]), folder)
        out = folder / "report.html"
        words = ["report", "--gold", str(gold), "--pred", str(pred), "--out", str(out)]
        seconds = measure(words)
        plots = out.with_name("report_plots")
        facts = json.loads((plots / "plots.json").read_text(encoding="utf-8"))["facts"]
        megabytes = {
            "page": out.stat().st_size / 1e6,
            "plots": sum(file.stat().st_size for file in plots.iterdir()) / 1e6,
        }
    result = {
        "rows": ROWS,
        "draws": facts["draws"],
        "seconds": seconds,
        "megabytes": megabytes,
        "micro_f1": facts["scores"]["micro_f1"],
        "cores": os.cpu_count(),
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"relx report, {ROWS:,} rows: {seconds['median']:.1f} s", end="")
    print(f" ({seconds['least']:.1f}-{seconds['most']:.1f}, {TIMES} times", end="")
    print(f"; {seconds['processor']:.1f} s of processor time)", end="")
    print(f", the page has {megabytes['page']:.1f} MB")


def write_task(labelled: Path, folder: Path) -> tuple[Path, Path]:
    """Writes the first rows of a labelled file, and a submission for them.

    Args:
        labelled: The competition's CSV.
        folder: Where to write.

    Returns:
        The gold rows and the submission.
    """
    gold, pred = folder / "gold.csv", folder / "pred.csv"
    with (
        labelled.open(encoding="utf-8", newline="") as source,
        gold.open("w", encoding="utf-8", newline="") as stream,
    ):
        csv.writer(stream).writerows(itertools.islice(csv.reader(source), ROWS + 1))
    examples = read_examples(gold, DataSection(), KLUE)
    classes = np.array([KLUE.index(str(example.label)) for example in examples])
    ids = [example.id for example in examples]
    write_submission(pred, ids, made_up_probabilities(classes, len(KLUE)), KLUE)
    return gold, pred


def made_up_probabilities(gold: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Makes up predictions that are right about as often as a model's.

    Args:
        gold: The class of each row, `(rows,)`.
        classes: How many classes there are.
        seed: Of the draws.

    Returns:
        Probabilities `(rows, classes)` whose micro-F1 is near 72.
    """
    rng = np.random.default_rng(seed)
    shares = np.bincount(gold, minlength=classes) / len(gold)
    # In a quarter of the rows another class is meant, as surely as the right one elsewhere.
    elsewhere = rng.random(len(gold)) < 0.25
    meant = np.where(elsewhere, rng.choice(classes, len(gold), p=shares), gold)
    logits = np.log(shares + 1e-3) + rng.normal(0, 1.3, (len(gold), classes))
    logits[np.arange(len(gold)), meant] += rng.normal(7, 2.5, len(gold))
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def measure(words: list[str]) -> dict[str, float]:
    relx = str(Path(sys.executable).with_name("relx"))
    seconds = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(TIMES):
        started = time.perf_counter()
        subprocess.run([relx, *words], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "median": statistics.median(seconds),
        "least": min(seconds),
        "most": max(seconds),
        "processor": worked / TIMES,  # of all cores together, a time
    }


if __name__ == "__main__":
    main()
