"""Files that appear whole or not at all, and the hashes that name their content."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError

FACTS_FORMAT = 1  # of `facts_digest`: what is hashed, and how it is written

# What `whole_file` and `whole_folder` call a file or folder that is not whole yet.
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.part(\.old)?")
_PART = ".part"
_LONGEST = 230  # bytes of a name that can take what makes it a temporary one


def is_temporary(path: Path) -> bool:
    """Says whether a name is one of a file or folder that a killed process left unfinished."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep(path: Path, seconds: float = 86_400.0) -> None:
    """Removes what killed processes left unfinished beside a file or folder.

    Args:
        path: The file or folder that they were making.
        seconds: How long a part lies untouched before it counts as left; a younger one may be
            another process's, such as a long prediction's.
    """
    for part in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        with contextlib.suppress(OSError):  # another process may have renamed or removed it
            if part.name.endswith(".old") and is_temporary(part) and not path.exists():
                part.replace(path)  # what was there before: a kill came between two renames
            elif is_temporary(part) and time.time() - part.stat().st_mtime > seconds:
                if part.is_dir():
                    shutil.rmtree(part, ignore_errors=True)
                else:
                    part.unlink()


def _prefix(path: Path) -> str:
    """Returns how the temporary names of a file or folder begin."""
    name = os.fsencode(path.name)
    return f".{path.name}." if len(name) <= _LONGEST else f".{hashlib.sha256(name).hexdigest()}."


def sweep_unused(folder: Path, pattern: str, seconds: float) -> None:
    """Removes files of a cache that nobody used for long; one that cannot be removed stays.

    Args:
        folder: The cache.
        pattern: Which of its files, as `Path.glob` takes it.
        seconds: How long a file lies untouched before it goes.
    """
    with contextlib.suppress(OSError):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > seconds:
                    path.unlink()


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turns a full disk, or a path that cannot be written, into an `InputError`.

    Args:
        path: The file or folder being written, named in the message.

    Raises:
        InputError: The disk is full, or the place cannot be written.
    """
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        what = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
        what |= {errno.EACCES: "no permission to write here", errno.EROFS: "the disk is read-only"}
        what |= {errno.EISDIR: "this is a folder, not a file"}
        what |= {errno.EFBIG: "the file is larger than this system allows"}
        what |= {errno.ENAMETOOLONG: "this name is too long for the disk"}
        what |= dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "a folder of this path is a file")
        # As in a folder of the system's own, such as /proc.
        what |= {errno.ENOENT: "no file or folder can be made here"}
        if number not in what:
            raise
        full = number in (errno.ENOSPC, errno.EDQUOT)
        step = "free some space, then run the same again" if full else "name another place"
        step += "; nothing was half-written"
        raise InputError(Fault(what[number], str(path), next_step=step)) from error


def _system_error(error: Exception) -> int | None:
    """Returns the system's error number; safetensors gives it in the text of its own exception."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if type(error).__name__ == "SafetensorError" and found else None


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it into place when the block succeeds.

    Args:
        path: The file that shall exist afterwards; its folder is created. Of a link, the file that
            it points to is replaced.

    Yields:
        The path to write to. On an exception it is removed and `path` stays as it was.

    Raises:
        InputError: The disk is full, or the place cannot be written or is no file.
    """
    with disk_faults(path):
        path = path.resolve()
        _require_no_device(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        handle, name = tempfile.mkstemp(_PART, _prefix(path), path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            beside.chmod(0o666 & ~_umask())
            _flush_to_disk(beside)
            beside.replace(path)
            _flush_to_disk(path.parent)
        finally:
            beside.unlink(missing_ok=True)


def _require_no_device(path: Path) -> None:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(Fault("this is a device or a pipe", str(path), next_step="name a file"))


def require_place(out: Path, option: str, inputs: Iterable[Path | None] = ()) -> None:
    """Checks that a file can be written, before the work that leads to it.

    Args:
        out: The file.
        option: The option that names it, for messages.
        inputs: Files that it must not replace.

    Raises:
        InputError: It would replace a folder or one of the inputs, or cannot be written there.
    """
    if out.is_dir():
        raise InputError(Fault("this is a folder, not a file", str(out), next_step="name a file"))
    _require_no_device(out)
    files = [file for file in inputs if file is not None and file.exists()]
    if out.exists() and any(out.samefile(file) for file in files):
        what = "this would replace a file that it is made from"
        raise InputError(Fault(what, option, str(out), next_step="name another file"))
    with disk_faults(out):
        folder = next(folder for folder in out.absolute().parents if folder.exists())
        with tempfile.NamedTemporaryFile(dir=folder, prefix=_prefix(out), suffix=_PART):
            pass


@contextlib.contextmanager
def folder_for_now(path: Path) -> Iterator[Path]:
    """Gives a folder for what is kept while a file is made, beside the file, and removes it.

    Of a killed process it stays, as a part does, until the file is written again.

    Args:
        path: The file.

    Yields:
        The folder, which is empty.

    Raises:
        InputError: The disk is full, or the place cannot be written.
    """
    with disk_faults(path):
        path = path.resolve()
        beside = next(folder for folder in path.parents if folder.exists())
        folder = tempfile.TemporaryDirectory(_PART, _prefix(path), beside)
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path` and renames it into place when the block succeeds.

    Args:
        path: The folder that shall exist afterwards; one that exists is replaced. Of a link, the
            folder that it points to is replaced.

    Yields:
        The folder to fill. On an exception it is removed and `path` stays as it was.

    Raises:
        InputError: The disk is full, or the place cannot be written.
    """
    with disk_faults(path):
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        beside = Path(tempfile.mkdtemp(_PART, _prefix(path), path.parent))
        try:
            yield beside
            beside.chmod(0o777 & ~_umask())
            for file in beside.rglob("*"):
                if file.is_symlink():
                    continue
                if file.is_file():
                    file.chmod(0o666 & ~_umask())  # some libraries write for the owner alone
                _flush_to_disk(file)
            _flush_to_disk(beside)
            replace_folder(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def replace_folder(source: Path, path: Path) -> None:
    """Renames a folder into place; one that is there makes way, and is back if that fails.

    Args:
        source: The folder, on the same disk.
        path: Its new name.
    """
    old = path.with_name(f"{_prefix(path)}{secrets.token_hex(4)}{_PART}.old")
    try:
        if path.exists():
            path.replace(old)
        source.replace(path)
        _flush_to_disk(path.parent)
    finally:
        if old.exists() and not path.exists():
            old.replace(path)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all.

    Args:
        path: The file.
        text: Its content.
    """
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file that people can read too, whole or not at all.

    Args:
        path: The file.
        value: What `json.dumps` takes.
    """
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: There is none.
        InputError: The file is not JSON, or cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(Fault("this file cannot be read", str(path), reason)) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits among them
        received = "brackets nested too deeply" if isinstance(error, RecursionError) else str(error)
        fault = Fault("this file is not JSON", str(path), received, allowed="UTF-8 JSON")
        raise InputError(fault) from error


def digest(parts: Iterable[str]) -> str:
    """Hashes texts in order; equal digests mean equal texts.

    Args:
        parts: The texts.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.hexdigest()


def facts_digest(kind: str, facts: Iterable[Any]) -> str:
    """Hashes facts in order, written as JSON under a number of the format.

    Args:
        kind: What they are facts of, such as `rows`.
        facts: What JSON can hold, a row or a text at a time.

    Returns:
        The SHA-256, 64 hexadecimal characters; equal ones mean equal facts in equal order.
    """
    written = (json.dumps(fact, ensure_ascii=False, sort_keys=True) for fact in facts)
    return digest([f"{kind} {FACTS_FORMAT}", *written])


def file_digest(path: Path) -> str:
    """Hashes a file's bytes.

    Args:
        path: The file.

    Returns:
        The SHA-256, 64 hexadecimal characters.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush_to_disk(path: Path) -> None:
    """Waits until a file, or a folder's names, are on the disk: a rename must not outrun them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
