"""relx beside transformers at the lengths of KLUE's own rows: speed, first step, peak memory.

python bench/gpu/speed.py WORK.json, which bench/gpu.py writes.

Every turn is a process of one side at one shape, which goes through its tasks in an order of
growing memory and prints a line of JSON for each; a turn that fails or runs out leaves its reason
and the next begins. Both sides get the same tokens, of the same rows, in batches of the same size,
and are timed in their second epoch, when everything that compiles has been compiled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(BENCH)]

from peer_figures import Sizes, masked_lm_operations, relation_operations  # noqa: E402
from record import Record  # noqa: E402
from tiny import write_shape  # noqa: E402

MASK_RATE = 0.15
Work = dict[str, Any]
Figures = dict[str, Any]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    work: Work = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    record = Record(Path(work["out"]), "speed", work["deadline"])
    if work["tiny"]:
        write_shape(Path(work["tiny"]), Path(work["train"]))
    left = list(work["turns"])
    rows: dict[str, Path] = {}
    while left and record.seconds_left > work["least_seconds"]:
        turn = left.pop(0)
        shape = turn["shape"]
        if shape not in rows:
            rows[shape] = write_rows(work, shape)
        run_turn(work, turn, rows[shape], record)
    record.figures["ratios"] = ratios(record.figures.get("speed", []))
    names = [f"{turn['side']} at {turn['shape']}" for turn in left]
    record.end("complete" if not left else f"out of time before {', '.join(names)}")


def write_rows(work: Work, shape: str) -> Path:
    """Marks and tokenises the rows as relx does, for both sides of a shape."""
    folder = Path(work["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rows-{shape.replace(' ', '-')}.json"
    asked = {"train": work["train"], "test": work["test"], "rows": work["rows"], "out": str(path)}
    asked |= {"encoder": str(Path(work["models"], shape))}
    words = [sys.executable, str(BENCH / "gpu/speed_relx.py"), "rows", json.dumps(asked)]
    subprocess.run(words, check=True)
    return path


def run_turn(work: Work, turn: Figures, rows: Path, record: Record) -> None:
    """Lets one side have its turn at a shape."""
    who = {"side": turn["side"], "shape": turn["shape"]}
    asked = {**turn, "rows": str(rows), "encoder": str(Path(work["models"], turn["shape"]))}
    asked |= {"folder": work["folder"]}
    program = "speed_relx.py" if turn["side"].startswith("relx") else "speed_torch.py"
    words = [sys.executable, str(BENCH / "gpu" / program), "measure", json.dumps(asked)]
    sizes = Sizes.of(json.loads((Path(asked["encoder"]) / "config.json").read_text("utf-8")))
    lengths = json.loads(rows.read_text(encoding="utf-8"))["lengths"]
    done = 0
    for figures in answers(words, record.seconds_left, who, record):
        if "product" in figures:
            record.figures["product"] = figures["product"]
            continue
        done += 1
        record.add("speed", who | finished(figures, sizes, lengths, record.figures))
    if done < len(turn["tasks"]) * len(turn["batches"]):
        print(f"{who}: {done} of its tasks were measured", flush=True)


def answers(words: list[str], seconds: float, who: Figures, record: Record) -> Iterator[Figures]:
    """Yields what a process prints; one that is out of time is killed, and noted."""
    noise = record.path.with_name("speed_turns.log")
    with noise.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    timer = threading.Timer(max(1.0, seconds), os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("figures {"):
                yield json.loads(line.removeprefix("figures "))
    finally:
        timer.cancel()
        if sys.exc_info()[0] is not None:  # this process is being stopped
            os.killpg(process.pid, signal.SIGKILL)
    if status := process.wait():
        why = "out of time" if status == -signal.SIGKILL else f"exit status {status}"
        said = noise.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        record.add("failures", who | {"why": why, "last_lines": said})


def finished(
    figures: Figures, sizes: Sizes, lengths: dict[str, list[int]], all_: Figures
) -> Figures:
    """Adds speeds, and the share of the measured product's speed, to what a task measured."""
    task, seconds = figures["task"], figures["seconds"]
    own = lengths[task]
    if task == "tapt":
        operations = masked_lm_operations(sizes, own, MASK_RATE)
    else:
        operations = relation_operations(sizes, own, 30, training=task == "train")
    product = all_.get("product", {}).get("operations_per_second")
    return figures | {
        "tokens_per_second": sum(own) / seconds,
        "sentences_per_second": len(own) / seconds,
        "mfu_percent": 100 * operations / seconds / product if product else None,
    }


def ratios(rows: list[Figures]) -> list[Figures]:
    """Compares relx with transformers at each place; above 1 is in relx's favour."""
    places: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in rows:
        place = (row["shape"], row["task"], row["batch"])
        places.setdefault(place, {})[row["side"]] = row["tokens_per_second"]
    found = []
    for (shape, task, batch), speeds in places.items():
        peers = {side: speed for side, speed in speeds.items() if not side.startswith("relx")}
        for side, speed in speeds.items():
            if side.startswith("relx"):
                named = {f"to {peer}": speed / other for peer, other in peers.items()}
                found.append({"shape": shape, "task": task, "batch": batch, "side": side} | named)
    return found


if __name__ == "__main__":
    main()
