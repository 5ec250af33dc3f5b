"""Kills runs with SIGKILL, lets the same command carry on, and compares what comes out.

    python bench/kills.py                  100 kills at random moments, and every named point
    python bench/kills.py --kills 6 --points 6

Both stages run on a part of the sample with a tiny fresh encoder and a checkpoint after every
second step. A named point is an event in the life of a run: the end of a step, the middle of a
checkpoint's bytes, and every change that is made to the run's folder (a file opened for writing,
flushed, renamed or removed). For each, a process kills itself there; then one carries on to the
end. At random moments whole commands are killed from outside, up to three times a run. A run
survives when its weights and all other files of its result are, bit for bit, those of the run that
was never killed, the history has the same figures apart from the times, and nothing is left over.
The result is bench/results/kills.json.

TensorFlow is imported once: the processes that kill themselves are forked from one that has
computed nothing yet. Those killed from outside are commands of their own.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench/results/kills.json"
STAGES = {"tapt": ("tapt", "encoder"), "train": ("train/fold-0", "model")}
ROWS = {"train": 60, "dev": 20, "test": 20}
SETTINGS = {
    "name": "killed",
    "encoder.from": "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 400}}",
    "tokens.max_length": 128,
    "tapt.epochs": 2,
    "train.epochs": 2,
    "train.start_from": "encoder",
    "checkpoint.steps": 2,
}
TIMES = {"seconds", "sentences_per_second", "tokens_per_second", "training_seconds"}
WRITES = os.O_WRONLY | os.O_RDWR
COMPARED = (
    "every byte of the model's folder and of its dev probabilities, the history without its times, "
    "and what is left over"
)
DEV = "dev.npz"
# Kills one after the other in a single run, each where the first event of this name happens.
SERIES = {
    "tapt": ["step 3", "half checkpoint.safetensors", "rename encoder"],
    "train": [
        "half checkpoint.safetensors",
        "rename best/epoch-1",
        "rmdir best/epoch-1",
        "rename dev.npz",
        "rename model",
        "remove checkpoint.safetensors",
    ],
}


@dataclass
class Trial:
    """A run that was killed and carried on.

    Args:
        stage: `tapt` or `train`.
        kills: Where or when, one after the other.
        fault: What differs from the run that was never killed; empty where it survived.
    """

    stage: str
    kills: list[str] = field(default_factory=list)
    fault: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="at random moments, from outside")
    parser.add_argument("--points", type=int, default=None, help="named points; all unless given")
    parser.add_argument("--series", action="store_true", help="several points in one run alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    load_everything()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        started = time.monotonic()
        trials = list(bench.series())
        if not options.series:
            trials += bench.points(options.points, options.seed)
            trials += bench.random(options.kills, options.seed)
    write(trials, time.monotonic() - started, options.out)
    sys.exit(any(trial.fault for trial in trials))


def load_everything() -> None:
    """Imports what both stages import, so that forked processes need not; computes nothing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    for name in (
        "keras_hub",
        "relx.models.encoder.load",
        "relx.training.fit",
        "relx.models.classifier",
    ):
        importlib.import_module(name)
    for name in ("relx_cli.tapt", "relx_cli.train", "tapt.arrays", "tapt.masked_lm"):
        importlib.import_module(name)


class Bench:
    """The runs: one of each stage that is never killed, and those that are.

    Args:
        folder: Where everything lies for the time being.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        write_data(self.data)
        self.whole = folder / "whole"
        self.seconds: dict[str, float] = {}
        self.events: dict[str, list[str]] = {}
        for stage in STAGES:
            started = time.monotonic()
            notes = folder / f"{stage}.txt"
            if status := self.sitting(stage, self.whole, noting(notes)):
                sys.exit(f"the run that is never killed ended with {status}")
            self.seconds[stage] = time.monotonic() - started
            self.events[stage] = notes.read_text(encoding="utf-8").splitlines()

    def series(self) -> Iterator[Trial]:
        """Kills one run of each stage several times."""
        for stage, names in SERIES.items():
            with self.runs() as runs:
                trial = Trial(stage)
                for name in names:
                    self.kill(trial, runs, name, at_first(name))
                yield self.finished(trial, runs)

    def points(self, most: int | None, seed: int) -> Iterator[Trial]:
        """Kills a run at each event, or at some of them, and lets it carry on."""
        points = [(stage, i) for stage in STAGES for i in range(len(self.events[stage]))]
        if most is not None and most < len(points):
            points = sorted(random.Random(seed).sample(points, most))
        for stage, i in points:
            with self.runs() as runs:
                trial = Trial(stage)
                self.kill(trial, runs, f"{i}: {self.events[stage][i]}", at_number(i))
                yield self.finished(trial, runs)

    def random(self, kills: int, seed: int) -> Iterator[Trial]:
        """Kills whole commands at random moments after their run has begun, up to three times."""
        rng, left = random.Random(seed), kills
        while left > 0:
            stage = rng.choice(list(STAGES))
            with self.runs() as runs:
                trial = Trial(stage)
                for _ in range(min(left, rng.randint(1, 3))):
                    left -= self.kill_from_outside(trial, runs, rng.uniform(0, self.seconds[stage]))
                yield self.finished(trial, runs)

    @contextmanager
    def runs(self) -> Iterator[Path]:
        """Gives a folder of runs that is removed afterwards."""
        runs = Path(tempfile.mkdtemp(dir=self.folder))
        yield runs
        shutil.rmtree(runs)

    def words(self, stage: str, runs: Path) -> list[str]:
        """Returns the words of the command."""
        files = {f"data.{name}": self.data / f"{name}.csv" for name in ROWS}
        sets = [f"--set={key}={value}" for key, value in (SETTINGS | files).items()]
        return [
            stage,
            "-q",
            "--recipe",
            str(ROOT / "recipes/demo.yaml"),
            f"--runs-dir={runs}",
            *sets,
        ]

    def sitting(self, stage: str, runs: Path, trap: Callable[[Path], None] | None = None) -> int:
        """Runs a stage in a forked process and returns its exit status, -9 where it was killed."""
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            run_and_exit(self.words(stage, runs), runs, trap)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def kill(self, trial: Trial, runs: Path, name: str, trap: Callable[[Path], None]) -> None:
        """Has a process kill itself at an event, and notes it."""
        status = self.sitting(trial.stage, runs, trap)
        trial.kills.append(name)
        if status != -signal.SIGKILL:
            trial.fault = trial.fault or f"{name}: not killed there, but ended with {status}"

    def kill_from_outside(self, trial: Trial, runs: Path, seconds: float) -> int:
        """Starts the command, and kills it so long after it has opened its run: kills made."""
        manifest = runs / SETTINGS["name"] / STAGES[trial.stage][0] / "manifest.json"
        begun = manifest.exists() and manifest.stat().st_mtime_ns
        command = [sys.executable, "-m", "relx_cli", *self.words(trial.stage, runs)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not manifest.exists():
                time.sleep(0.01)
            time.sleep(seconds + (3.0 if begun else 0.0))  # imports come first
            process.send_signal(signal.SIGKILL)
            killed = process.wait() == -signal.SIGKILL
        trial.kills += [f"after {seconds:.2f} s"] * killed
        return int(killed)

    def finished(self, trial: Trial, runs: Path) -> Trial:
        """Lets a run carry on to its end, and compares it."""
        status = self.sitting(trial.stage, runs)
        stage_folder, result = STAGES[trial.stage]
        ours, whole = (folder / SETTINGS["name"] / stage_folder for folder in (runs, self.whole))
        fault = f"ended with {status}" if status else difference(ours, whole, result)
        trial.fault = trial.fault or fault
        print(f"{trial.stage}: {'; '.join(trial.kills)}: {trial.fault or 'survived'}", flush=True)
        return trial


def write_data(folder: Path) -> None:
    folder.mkdir()
    for name, count in ROWS.items():
        with (ROOT / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))[: count + 1]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)


def run_and_exit(words: list[str], runs: Path, trap: Callable[[Path], None] | None) -> None:
    """Is what a forked process does."""
    from relx_cli.main import run

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    status = 1
    try:
        if trap is not None:
            trap(runs)
        status = run(words)
    finally:
        os._exit(status)


def noting(path: Path) -> Callable[[Path], None]:
    """Returns a trap that kills nothing and writes the names of all events to a file."""

    def note(number: int, name: str) -> bool:
        with open(path, "a", encoding="utf-8") as stream:  # noqa: PTH123 - it is no event
            stream.write(name + "\n")
        return False

    return lambda runs: listen(runs, note)


def at_first(name: str) -> Callable[[Path], None]:
    """Returns a trap at the first event of a name."""
    return lambda runs: listen(runs, lambda number, event: event == name)


def at_number(wanted: int) -> Callable[[Path], None]:
    """Returns a trap at an event's number."""
    return lambda runs: listen(runs, lambda number, event: number == wanted)


def listen(runs: Path, is_fatal: Callable[[int, str], bool]) -> None:
    """Asks at every event of this process whether to die of it, just before it happens."""
    from relx.training import callbacks, checkpoint

    count = 0

    def happen(name: str) -> None:
        nonlocal count
        if is_fatal(count, name):
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    sys.addaudithook(lambda event, arguments: hear(event, arguments, runs, happen))
    fsync, step, write = os.fsync, callbacks.Watch.on_train_batch_end, checkpoint._write

    def named_fsync(handle: int) -> None:
        happen(f"flush {shown(Path(f'/proc/self/fd/{handle}').readlink(), runs)}")
        fsync(handle)

    def named_step(watch: Any, batch: int, logs: Any = None) -> None:
        happen(f"step {watch.first_step + batch + 1}")
        step(watch, batch, logs)

    def named_write(stream: Any, *content: Any) -> None:
        write(Halved(stream, lambda: happen(f"half {shown(Path(stream.name), runs)}")), *content)

    os.fsync = named_fsync
    callbacks.Watch.on_train_batch_end = named_step
    checkpoint._write = named_write


class Halved:
    """A stream that lets the middle of a checkpoint be an event."""

    def __init__(self, stream: Any, middle: Callable[[], None]) -> None:
        self.stream, self.middle, self.writes = stream, middle, 0

    def write(self, data: Any) -> None:
        """Writes, at the tenth piece in two halves."""
        self.writes += 1
        if self.writes == 10:
            self.stream.write(data[: len(data) // 2])
            self.stream.flush()
            self.middle()
            data = data[len(data) // 2 :]
        self.stream.write(data)


def hear(event: str, arguments: Any, runs: Path, happen: Callable[[str], None]) -> None:
    """Names the changes to the runs' folder among all that Python reports."""
    words = {"os.rename": "rename", "os.remove": "remove", "os.rmdir": "rmdir", "os.mkdir": "mkdir"}
    if event in words:
        path = arguments[1 if event == "os.rename" else 0]
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        path = arguments[0]
    else:
        return
    if not isinstance(path, str | os.PathLike):
        return
    place = arguments[-1] if event in ("os.remove", "os.rmdir") else -1
    path = Path(f"/proc/self/fd/{place}").readlink() / path if place >= 0 else Path(path)
    idle = {"os.mkdir": path.exists(), "os.remove": not path.exists()}.get(event, False)
    if path.is_relative_to(runs) and not idle:
        happen(f"{words.get(event, 'open')} {shown(path, runs)}")


def shown(path: Path, runs: Path) -> str:
    """Returns a path within its stage without what is random in a temporary name."""
    parts = path.relative_to(runs).parts[1:]
    parts = parts[2 if parts[:1] == ("train",) else 1 :]
    name = re.sub(r"(^|/)\.([^/]+?)\.[A-Za-z0-9_]{8}\.part(?=\.old|/|$)", r"\1\2", "/".join(parts))
    return re.sub(r"events\.out\S+", "events", name)


def difference(ours: Path, whole: Path, result: str) -> str:
    """Says in what a finished stage differs from the one that was never killed."""
    if left := names_in(ours) ^ names_in(whole):
        return f"not in both: {', '.join(sorted(left))}"
    files = [*(whole / result).rglob("*"), *whole.glob(DEV)]
    for file in sorted(path for path in files if path.is_file()):
        if file.read_bytes() != (ours / file.relative_to(whole)).read_bytes():
            return f"{file.name} differs"
    if timeless(ours) != timeless(whole):
        return "the history differs"
    return ""


def names_in(folder: Path) -> set[str]:
    """Lists the files of a stage; TensorBoard has a file a sitting."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return {file.as_posix() for file in files if file.parts[0] != "logs"}


def timeless(stage_folder: Path) -> Any:
    """Reads the history and the figures of a stage without what depends on the clock."""
    metrics = json.loads((stage_folder / "metrics.json").read_text(encoding="utf-8"))
    lines = (stage_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [without_times(metrics), [without_times(json.loads(line)) for line in lines]]


def without_times(tree: Any) -> Any:
    if isinstance(tree, list):
        return [without_times(item) for item in tree]
    if isinstance(tree, dict):
        return {key: without_times(value) for key, value in tree.items() if key not in TIMES}
    return tree


def write(trials: list[Trial], seconds: float, path: Path) -> None:
    """Writes the result, and prints the table."""
    from relx.runs.manifest import git_state, versions

    table = []
    for stage in STAGES:
        for way in ("named point", "random moment"):
            own = [t for t in trials if t.stage == stage and way_of(t) == way]
            tried = sum(len(trial.kills) for trial in own)
            lost = sum(len(trial.kills) for trial in own if trial.fault)
            table.append({"stage": stage, "kills": way, "tried": tried, "survived": tried - lost})
    result = {
        "tried": sum(row["tried"] for row in table),
        "survived": sum(row["survived"] for row in table),
        "compared": COMPARED,
        "table": table,
        "points": dict(Counter(k for t in trials for k in t.kills if way_of(t) == "named point")),
        "faults": [vars(trial) for trial in trials if trial.fault],
        "seconds": round(seconds, 1),
        "device": f"CPU, {os.cpu_count()} cores",
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{'stage':<8}{'killed at a':<16}{'tried':>6}{'survived':>10}")
    for row in table:
        print(f"{row['stage']:<8}{row['kills']:<16}{row['tried']:>6}{row['survived']:>10}")


def way_of(trial: Trial) -> str:
    return "random moment" if trial.kills and trial.kills[0].startswith("after") else "named point"


if __name__ == "__main__":
    main()
