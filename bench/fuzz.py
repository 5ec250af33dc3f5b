"""Gives every reader of files what no file should hold, for as many minutes as are named.

    make fuzz                      one minute
    make fuzz MINUTES=30           longer
    python bench/fuzz.py --minutes 1 --seed 3 --only csv

Each reader has a few whole files. One is taken, changed (bytes turned, cut out, doubled, moved,
put in from a list of what breaks parsers, or spliced with another file), and read. A reader may
return or raise `InputError`; any other exception is a fault, and so is a read of more than ten
seconds or a message of more than twelve lines. Equal seeds give equal inputs. Faults are listed
once for each place in relx that they come from; the input is kept beside the result,
bench/results/fuzz.json, where it is short.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench/results/fuzz.json"
SLOW = 10.0  # seconds of one read
LONGEST_MESSAGE = 12  # lines of one fault
KEPT = 2000  # bytes of an input that is kept
# What breaks parsers: quotes, brackets, numbers of every size, marks, controls, halves of things.
TOKENS = [
    *(b'"', b"'", b"[", b"]", b"{", b"}", b",", b":", b";", b"\t", b"\n", b"\r", b"\r\n", b"\\"),
    *(b"\0", b"\x1f", b"\x7f", b"\x80", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *(
        "가".encode(),
        "\u1100\u1161".encode(),
        "\u00a0".encode(),
        "\U0001f9ff".encode(),
        b"\xb0\xa1",
    ),
    *(
        b"\\u0000",
        b"\\ud800",
        b"NaN",
        b"Infinity",
        b"-1",
        b"1e999",
        b"0x1",
        b"1_0",
        b"true",
        b"null",
    ),
    *(b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"(" * 200, b"&a [*a]", b"!!set {a}", b"<<: *a"),
    *(b"2026-01-02", b"100", b"nan", b"__class__", b"id", b"label", b"probs", b"sentence", b"=1+1"),
]

Reader = Callable[[Path], Any]


@dataclass
class Target:
    """A reader and the whole files that it is given changed.

    Args:
        name: What it reads.
        read: The reader; it takes a file, or a folder for `file`.
        seeds: The files' contents.
        ending: How its files' names end.
        file: The file of a folder that is changed; empty where the reader takes a file.
        folder: The other files of that folder.
    """

    name: str
    read: Reader
    seeds: list[bytes]
    ending: str = ".bin"
    file: str = ""
    folder: dict[str, bytes] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, help="stop after so many inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose name has this text alone")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    from relx import progress

    progress.configure(quiet=True)
    progress.warn = lambda text: None  # of which there are thousands
    targets = [target for target in readers() if options.only in target.name]
    found = fuzz(targets, options.minutes * 60, options.seed, options.inputs)
    write(found, options.seed, options.out)
    sys.exit(bool(found.faults))


@dataclass
class Found:
    """What came out.

    Args:
        inputs: How many inputs each reader was given.
        refused: How many of them it refused with a message.
        faults: The faults, by where they come from.
        seconds: How long it took.
        slowest: The slowest read, in seconds, and of which reader.
    """

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: tuple[float, str] = (0.0, "")


def fuzz(targets: list[Target], seconds: float, seed: int, most: int | None) -> Found:
    """Gives the readers changed files in turn until the time is over."""
    found, rng, started = Found(), random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        places = {target.name: placed(target, Path(name)) for target in targets}
        while time.monotonic() - started < seconds and (
            most is None or found.inputs.total() < most
        ):
            for target in targets:
                content = changed(target.seeds, rng)
                try_one(target, places[target.name], content, found)
    found.seconds = time.monotonic() - started
    return found


def placed(target: Target, folder: Path) -> Path:
    """Writes what a reader's folder has besides, and returns the file that is changed."""
    own = folder / target.name.replace(" ", "-")
    own.mkdir()
    for name, content in target.folder.items():
        (own / name).write_bytes(content)
    return own / (target.file or f"file{target.ending}")


def try_one(target: Target, path: Path, content: bytes, found: Found) -> None:
    """Has a reader read one input, and notes how it ended."""
    from relx.faults import InputError

    path.write_bytes(content)
    found.inputs[target.name] += 1
    began = time.monotonic()
    try:
        target.read(path.parent if target.file else path)
    except InputError as error:
        found.refused[target.name] += 1
        if any(str(fault).count("\n") >= LONGEST_MESSAGE for fault in error.faults[:20]):
            note(found, target, "a message of too many lines", "", content)
    except Exception as error:  # what is looked for
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/relx/" in f.filename]
        at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"
        note(found, target, f"{type(error).__name__} in {at}", str(error)[:300], content)
    took = time.monotonic() - began
    found.slowest = max(found.slowest, (round(took, 2), target.name))
    if took > SLOW:
        note(found, target, "slow", f"{took:.1f} s", content)


def note(found: Found, target: Target, what: str, said: str, content: bytes) -> None:
    """Notes a fault once, with the shortest input that showed it."""
    key = f"{target.name}: {what}"
    before = found.faults.get(key)
    if before is None:
        print(f"{key}: {said}", flush=True)
    times = 1 if before is None else before["times"] + 1
    kept = ascii(content[:KEPT])
    if before is not None and len(before["input"]) <= len(kept):
        kept, said = before["input"], before["said"]
    found.faults[key] = {"times": times, "said": said, "input": kept}


def changed(seeds: list[bytes], rng: random.Random) -> bytes:
    """Returns one of the files with one to six changes, or with none in a hundredth."""
    content = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6)) if rng.random() > 0.01 else 0):
        content = rng.choice(CHANGES)(content, rng, seeds)[:200_000]
    return content


def _part(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(len(content), start + int(rng.expovariate(1 / 20)))


def _flipped(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    if not content:
        return content
    turned = bytearray(content)
    turned[rng.randrange(len(turned))] ^= 1 << rng.randrange(8)
    return bytes(turned)


def _replaced(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    start, end = _part(content, rng)
    return content[:start] + rng.randbytes(end - start) + content[end:]


def _removed(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    start, end = _part(content, rng)
    return content[:start] + content[end:]


def _doubled(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    start, end = _part(content, rng)
    return content[:end] + content[start:end] * rng.choice((1, 2, 50)) + content[end:]


def _inserted(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    start, end = _part(content, rng)
    return content[:start] + rng.choice(TOKENS) + content[rng.choice((start, end)) :]


def _cut(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _spliced(content: bytes, rng: random.Random, seeds: list[bytes]) -> bytes:
    other = rng.choice(seeds)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


CHANGES = (_flipped, _replaced, _removed, _doubled, _inserted, _inserted, _cut, _spliced)


def readers() -> list[Target]:
    """Lists the readers of every kind of file, each with whole files of its kind."""
    sys.path.insert(0, str(Path(__file__).parent))
    from fuzz_readers import targets

    return targets(Target)


def write(found: Found, seed: int, path: Path) -> None:
    """Writes the result, and prints the table."""
    from relx.runs.manifest import git_state, versions

    result = {
        "inputs": found.inputs.total(),
        "seed": seed,
        "minutes": round(found.seconds / 60, 1),
        "by_reader": {
            name: {"inputs": count, "refused": found.refused[name]}
            for name, count in found.inputs.items()
        },
        "slowest": {"seconds": found.slowest[0], "reader": found.slowest[1]},
        "faults": found.faults,
        "versions": versions(),
        "commit": commit.model_dump() if (commit := git_state()) else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    minutes, faults = f"{found.seconds / 60:.1f} min", f"{len(found.faults)} faults"
    print(f"{found.inputs.total():,} inputs in {minutes}, {faults}")


if __name__ == "__main__":
    main()
