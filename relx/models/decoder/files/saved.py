"""A trained decoder in a run's folder: adapters, head, and which base they belong to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from relx.faults import Fault, InputError
from relx.files import read_json
from relx.models.stored.folder import weight_files

BASE_FILE = "decoder.json"
HEAD_FILE = "label_head.safetensors"
BASE_FOLDER = "base"  # where a run keeps a base that was made for it
_SAMPLES, _SAMPLE = 64, 1 << 16  # how many pieces of a file are looked at, and their size in bytes


@dataclass(frozen=True, slots=True)
class Base:
    """What adapters were trained beside, and how the labels are read.

    Args:
        source: What `decoder.from` named; empty for a base that the run keeps itself.
        revision: The commit, where the source is a hub id.
        fingerprint: What `fingerprint` said of its files.
        tokens: The token of each label's word; empty where the labels have none.
        prefix: The tokens that all prompts begin with.
    """

    source: str
    revision: str | None
    fingerprint: str
    tokens: tuple[int, ...]
    prefix: tuple[int, ...]

    def write(self, folder: Path) -> None:
        """Writes it into a folder that exists."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2)
        (folder / BASE_FILE).write_text(text + "\n", encoding="utf-8")


def read_base(folder: Path) -> Base:
    """Reads what `Base.write` wrote.

    Args:
        folder: The model's folder.

    Returns:
        The base.

    Raises:
        InputError: The file is gone or broken.
    """
    path = folder / BASE_FILE
    if not path.is_file():
        raise InputError(Fault("a part of this run's model is gone", str(path)))
    tree = read_json(path)
    try:
        return Base(
            str(tree["source"]),
            tree["revision"],
            str(tree["fingerprint"]),
            tuple(map(int, tree["tokens"])),
            tuple(map(int, tree["prefix"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(Fault("this is not a run's note of its base", str(path))) from error


def fingerprint(folder: Path) -> str:
    """Says what tells one base from another without reading all of it.

    It is of config.json and the tokenizer, of each weight file's size, and of 64 pieces of 64 KiB
    spread evenly over it, its header first: 13 billion weights take a second, and another training
    of the same model changes every piece.

    Args:
        folder: A Hugging Face folder.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    total = hashlib.sha256()
    for name in ("config.json", "tokenizer.json"):
        if (folder / name).is_file():
            total.update((folder / name).read_bytes())
    for path in weight_files(folder):
        size = path.stat().st_size
        total.update(f"{size}".encode())
        with path.open("rb") as stream:
            for place in sorted({size * i // _SAMPLES for i in range(_SAMPLES)}):
                stream.seek(place)
                total.update(stream.read(_SAMPLE))
    return total.hexdigest()


def written(folder: Path) -> list[str]:
    """Says when each weight file was written, for what must notice any change of its bytes.

    A fingerprint looks at pieces alone: one matrix that was merged into can lie between them.

    Args:
        folder: A Hugging Face folder.

    Returns:
        A text a file: its name, and when it was written in nanoseconds.
    """
    return [f"{path.name} {path.stat().st_mtime_ns}" for path in weight_files(folder)]


def require_same_base(base: Base, folder: Path) -> None:
    """Makes sure that a folder holds what adapters were trained beside.

    Args:
        base: What the run noted.
        folder: The base's folder.

    Raises:
        InputError: It holds something else.
    """
    now = fingerprint(folder)
    if now != base.fingerprint:
        what = "the base has changed since these adapters were trained beside it"
        received = f"SHA-256 {base.fingerprint[:12]} then, {now[:12]} now"
        step = "bring the files of then back, or train again with --fresh"
        raise InputError(Fault(what, str(folder), received, next_step=step, kind="another base"))
