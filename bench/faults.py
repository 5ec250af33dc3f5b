"""Damages finished and stopped runs, one file at a time, and tries every command on them.

    python bench/faults.py                 every file, damage and command
    python bench/faults.py --trials 100    a hundred of them, drawn by --seed

A run of both stages is made on a part of the sample with a tiny fresh encoder, and another one of
the same shapes; a third is stopped by a kill in the middle of its training. Then each file of the
run is deleted, emptied, cut in half, exchanged for the other run's, has a bit flipped, or is
overwritten (with bytes at random, with `[1]`, with lists nested 200,000 deep), and a command meets
it. A trial ends well where the command says in one message what is wrong (status 2), or does what
it does on a run that is whole: the same answers and figures, the same model. It is loud where it
succeeds with other figures and warned of them, silent where it did not, a traceback with status 1.
The result is bench/results/faults.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kills import ROOT, SETTINGS, load_everything, write_data
from recorded import digest, tensors

RESULT = ROOT / "bench/results/faults.json"
NAME, OTHER = "damaged", "other"
LIMIT = 300  # seconds of a command
DEEP = b"[" * 200_000 + b"]" * 200_000


@dataclass
class Trial:
    """One command on a run with one damaged file.

    Args:
        state: `finished` or `stopped`.
        file: The file, within the run.
        damage: What was done to it.
        command: The command.
        status: The command's exit status.
        said: The last line of what it said.
        ending: `same`, `refused`, `loud`, `silent` or `traceback`.
    """

    state: str
    file: str
    damage: str
    command: str
    status: int = 0
    said: str = ""
    ending: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, help="so many, drawn at random; all unless given")
    parser.add_argument("--only", help="trials whose description has this text alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    load_everything()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        trials = [trial for trial in bench.trials() if (options.only or "") in described(trial)]
        if options.trials and options.trials < len(trials):
            trials = random.Random(options.seed).sample(trials, options.trials)
        for number, trial in enumerate(trials, 1):
            bench.run(trial, random.Random(f"{options.seed} {described(trial)}"))
            if trial.ending in ("silent", "traceback"):
                print(f"{described(trial)}: {trial.ending}: {trial.said}", flush=True)
            elif number % 50 == 0:
                print(f"{number} of {len(trials)}", flush=True)
    write(trials, time.monotonic() - started, options.seed, options.out)
    sys.exit(any(trial.ending in ("silent", "traceback") for trial in trials))


def described(trial: Trial) -> str:
    return f"{trial.state} {trial.file}, {trial.damage}, {trial.command}"


def flipped(content: bytes, rng: random.Random) -> bytes:
    """Returns a content with one bit of it turned."""
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


# What becomes of a file's content; None deletes it.
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "deleted": lambda content, rng: None,
    "emptied": lambda content, rng: b"",
    "cut": lambda content, rng: content[: len(content) // 2],
    "a bit flipped": flipped,
    "bytes at random": lambda content, rng: rng.randbytes(300),
    "[1]": lambda content, rng: b"[1]",
    "nested": lambda content, rng: DEEP,
}


class Bench:
    """The runs that are damaged, what a whole one gives, and the commands.

    Args:
        folder: Where everything lies for the time being.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        write_data(self.data)
        self.states = {state: folder / state for state in ("finished", "stopped")}
        finished = self.states["finished"]
        for name, seed in ((NAME, 1), (OTHER, 2)):
            for stage in ("tapt", "train"):
                self.must(finished, [stage, *self.settings(name, seed)])
        self.must(finished, ["predict", "--run", NAME, "--out", "whole.csv"])
        shutil.copytree(finished, self.states["stopped"])
        self.stop(self.states["stopped"])
        self.whole = {
            (state, command): self.given(state, runs, command)
            for state, runs in self.states.items()
            for command in self.commands(state)
        }

    def settings(self, name: str, seed: int) -> list[str]:
        """Returns the words of a run's recipe."""
        files = {f"data.{name}": self.data / f"{name}.csv" for name in ("train", "dev", "test")}
        given = {**SETTINGS, **files, "name": name, "seed": seed, "train.start_from": "tapt"}
        given |= {"checkpoint.steps": 1, "train.epochs": 1, "tapt.epochs": 1}
        sets = [f"--set={key}={value}" for key, value in given.items()]
        return ["--recipe", str(ROOT / "recipes/demo.yaml"), *sets]

    def commands(self, state: str) -> dict[str, list[str]]:
        """Returns the words of the commands that a run of a state is given to."""
        work = {stage: [stage, *self.settings(NAME, 1)] for stage in ("tapt", "train")}
        if state == "stopped":
            return {"train": work["train"], "runs list": ["runs", "list"]}
        gold = ["--gold", str(self.data / "dev.csv")]
        test = ["--test", str(self.data / "test.csv")]
        return work | {
            "predict": ["predict", "--run", NAME, *test, "--out", "out.csv"],
            "predict (keras)": [
                *("predict", "--run", NAME, *test, "--out", "out.csv", "--engine", "keras")
            ],
            "score": ["score", "--run", NAME, *gold, "--json"],
            "report": ["report", "--run", NAME, *gold, "--out", "report.html"],
            "compare": ["compare", NAME, OTHER, *gold, "--out", "compare.html"],
            "runs list": ["runs", "list", "--json"],
            "runs show": ["runs", "show", NAME],
            "encoder show": ["encoder", "show", f"runs/{NAME}/tapt/encoder"],
        }

    def must(self, runs: Path, words: list[str]) -> None:
        """Runs a command that has to succeed."""
        runs.mkdir(exist_ok=True)
        status, said = self.sitting(runs, words)
        if status:
            sys.exit(f"{' '.join(words)}: {said}")

    def stop(self, place: Path) -> None:
        """Begins a run's training anew, and kills it after three steps."""

        def kill_at_three() -> None:
            from relx.training import callbacks

            step = callbacks.Watch.on_train_batch_end

            def watched(watch: callbacks.Watch, batch: int, logs: object = None) -> None:
                step(watch, batch, logs)
                if batch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

            callbacks.Watch.on_train_batch_end = watched  # type: ignore[method-assign]

        shutil.rmtree(place / "runs" / NAME / "train")
        status, said = self.sitting(place, ["train", *self.settings(NAME, 1)], kill_at_three)
        if status != -signal.SIGKILL:
            sys.exit(f"the run that is to be stopped ended with {status}: {said}")

    def trials(self) -> Iterator[Trial]:
        """Yields a trial for each file, damage and command."""
        for state, place in self.states.items():
            run = place / "runs" / NAME
            for path in sorted(run.rglob("*")):
                file = path.relative_to(run).as_posix()
                part = "train/" if state == "stopped" else ""
                empty = not path.is_file() or not path.stat().st_size
                if empty or not file.startswith(part) or "events" in path.name:
                    continue
                other = place / "runs" / OTHER / file
                damages = [*DAMAGES, *(["exchanged"] if other.is_file() else [])]
                for damage in damages:
                    for command in self.commands(state):
                        yield Trial(state, file, damage, command)

    def run(self, trial: Trial, rng: random.Random) -> None:
        """Damages a copy of the run, and tries the command on it."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            place = Path(name) / "place"
            shutil.copytree(self.states[trial.state], place)
            path = place / "runs" / NAME / trial.file
            if trial.damage == "exchanged":
                shutil.copyfile(place / "runs" / OTHER / trial.file, path)
            else:
                content = DAMAGES[trial.damage](path.read_bytes(), rng)
                path.unlink() if content is None else path.write_bytes(content)
            given = self.given(trial.state, place, trial.command)
        whole = self.whole[trial.state, trial.command]
        trial.status, trial.said = given["status"], given["said"].strip().splitlines()[-1:][0:1]
        trial.said = trial.said[0] if trial.said else ""
        trial.ending = ending(given, whole)

    def given(self, state: str, place: Path, command: str) -> dict:
        """Runs a command and returns its status, what it said, and what it gave."""
        status, said = self.sitting(place, self.commands(state)[command])
        found: dict = {"status": status, "said": said}
        if status == 0:
            found["gave"] = gave(place, command)
        return found

    def sitting(
        self, place: Path, words: list[str], before: Callable[[], None] | None = None
    ) -> tuple[int, str]:
        """Runs a command in a forked process: its exit status and what it said on both streams."""
        place.mkdir(exist_ok=True)
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            run_and_exit(place, words, before)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return status, (place / "said.txt").read_text(encoding="utf-8", errors="replace")


def run_and_exit(place: Path, words: list[str], before: Callable[[], None] | None) -> None:
    """Is what a forked process does."""
    from relx_cli.main import run

    os.chdir(place)
    for name, stream in (("given.txt", 1), ("said.txt", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    signal.alarm(LIMIT)
    status = 1
    try:
        if before is not None:
            before()
        status = run(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def gave(place: Path, command: str) -> object:
    """Returns what a command gave, without what depends on the clock."""
    if command.startswith("predict"):
        return (place / "out.csv").read_text(encoding="utf-8")
    if command == "score":
        return json.loads((place / "given.txt").read_text(encoding="utf-8"))
    if command in ("tapt", "train"):
        stage = place / "runs" / NAME / ("tapt" if command == "tapt" else "train/fold-0")
        result = stage / ("encoder" if command == "tapt" else "model")
        # The card computes nothing and may be written to.
        own = [file for file in result.iterdir() if file.is_file() and file.suffix != ".md"]
        return {file.name: content_of(file) for file in own}
    return None


def content_of(file: Path) -> object:
    """Returns what a file holds: its tensors by name, or else its bytes."""
    content = file.read_bytes()
    try:
        return tensors(file) if file.suffix == ".safetensors" else digest(content)
    except Exception:  # a damaged file raises nearly anything
        return digest(content)


def ending(given: dict, whole: dict) -> str:
    """Names how a trial ended, beside the same command on a run that is whole."""
    if given["status"] == 2:
        return "refused"
    if given["status"] != 0 or "Traceback" in given["said"]:
        return "traceback"
    if given["gave"] == whole["gave"]:
        return "same"
    return "loud" if "warning:" in given["said"] else "silent"


def write(trials: list[Trial], seconds: float, seed: int, path: Path) -> None:
    """Writes the result, and prints the table."""
    from relx.runs.manifest import git_state, versions

    endings = Counter(trial.ending for trial in trials)
    table = {
        command: dict(Counter(t.ending for t in trials if f"{t.state}: {t.command}" == command))
        for command in dict.fromkeys(f"{t.state}: {t.command}" for t in trials)
    }
    result = {
        "tried": len(trials),
        "seed": seed,
        "endings": dict(endings),
        "table": table,
        "faults": [asdict(t) for t in trials if t.ending in ("silent", "traceback")],
        "loud": [asdict(t) for t in trials if t.ending == "loud"],
        "seconds": round(seconds, 1),
        "device": f"CPU, {os.cpu_count()} cores",
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for command, row in table.items():
        print(f"{command:<28}" + ", ".join(f"{count} {name}" for name, count in row.items()))


if __name__ == "__main__":
    main()
