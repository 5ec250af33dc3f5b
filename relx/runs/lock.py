"""The lock that keeps two processes from working in one run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from relx.faults import Fault, InputError
from relx.files import disk_faults
from relx.runs.manifest import now

LOCK = ".lock"


@contextlib.contextmanager
def locked(run_folder: Path, chief: bool = True) -> Iterator[None]:
    """Keeps every other process out of a run for as long as the block runs.

    The system drops the lock when the process ends, however it ends.

    Args:
        run_folder: `runs/NAME`; it is created.
        chief: Whether this is the first process of the run: it holds the lock for the others too.

    Raises:
        InputError: Another process is at work there.
    """
    if not chief:
        yield
        return
    with _open_lock(run_folder) as stream:
        stream.seek(0)
        words = [f"process {os.getpid()} on {socket.gethostname()}", shlex.join(sys.argv), now()]
        stream.truncate(0)
        stream.write("\n".join(words) + "\n")
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)
            if [path.name for path in run_folder.iterdir()] == [LOCK]:
                (run_folder / LOCK).unlink()
                run_folder.rmdir()


def _open_lock(run_folder: Path) -> TextIO:
    """Opens and takes the lock file; the last one out may just have removed it."""
    while True:
        with disk_faults(run_folder):
            run_folder.mkdir(parents=True, exist_ok=True)
            stream = _opened(run_folder / LOCK)
        if not _take(stream.fileno()):
            with stream:
                stream.seek(0)
                raise InputError(_in_use(run_folder, stream.read()))
        path = run_folder / LOCK
        if path.exists() and path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
            return stream
        stream.close()


def _opened(path: Path) -> TextIO:
    """Opens the lock file itself: through a link, another file would be emptied."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        what, step = "this is no lock file of relx's", "remove it, or name another run"
        raise InputError(Fault(what, str(path), next_step=step))
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    return os.fdopen(handle, "r+", encoding="utf-8", errors="replace")


def _take(handle: int) -> bool:
    """Takes the lock; tries again for a moment, since `relx runs list` touches it in passing."""
    for pause in (0.05, 0.15, None):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
        else:
            return True
    return False


def is_locked(run_folder: Path) -> bool:
    """Tells whether a process is at work in a run."""
    path = run_folder / LOCK
    if path.is_symlink() or not path.is_file():
        return False
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _in_use(run_folder: Path, holder: str) -> Fault:
    who, command, since = [*holder.splitlines(), "", "", ""][:3]
    return Fault(
        "another process is at work in this run",
        str(run_folder),
        received=", ".join(
            filter(None, [who, command and f"`{command}`", since and f"since {since}"])
        ),
        next_step="wait for it or stop it; or give this recipe another name: --set name=NAME",
        kind="run in use",
    )
