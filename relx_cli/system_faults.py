"""What the system refuses, said of the path that a user named: one guard for all commands."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

from relx.faults import Fault

_OUT_OF_SPACE = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
_SAYS = _OUT_OF_SPACE | {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a folder of this path is a file",
    errno.EEXIST: "there is something of this name already",
    errno.ENOTEMPTY: "this folder is not empty",
    errno.EISDIR: "this is a folder, not a file",
    errno.ELOOP: "this is a link that leads back to itself",
    errno.ENAMETOOLONG: "this name is too long for the disk",
    errno.EACCES: "no permission to read or write here",
    errno.EPERM: "no permission to read or write here",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk cannot read or write this",
    errno.EINVAL: "the system cannot read or write this",
    errno.ENXIO: "this is no file",
    errno.ENODEV: "this is no file",
    errno.EFBIG: "the file is larger than this system allows",
    errno.ESTALE: "this file was removed or replaced while it was in use",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
}
_PLACELESS = {*_OUT_OF_SPACE, errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS}
_NO_MEMORY = re.compile(
    r"bad_alloc|out of memory|OOM when allocating|can't allocate memory|cannot allocate memory"
    r"|DefaultCPUAllocator|RESOURCE_EXHAUSTED",
    re.IGNORECASE,
)


def system_fault(error: BaseException) -> Fault | None:
    """Returns what to tell the user of something that the system refused; None for anything else.

    Args:
        error: What ended a command. A path within the installation is relx's affair.
    """
    if isinstance(error, OSError) and error.errno in _SAYS:
        if error.filename is None and error.errno not in _PLACELESS:
            return None  # without a place it helps nobody
        return None if _is_installed(error.filename) else _of_path(error)
    if _lacks_memory(error):
        step = "close other programs, or set smaller batches: train.batch_size, predict.batch_size"
        return Fault("the memory is used up", next_step=step, kind="no memory")
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):  # of Path.resolve
        return _of_path(OSError(errno.ELOOP, "", str(error).partition("'")[2].rstrip("'")))
    if isinstance(error, ValueError) and "null byte" in str(error):
        return Fault("a path cannot hold a zero byte", next_step="name another path")
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        received = ascii(error.object)[:80]
        what = "a text or a file's name holds half a character, which cannot be written"
        return Fault(what, "", received, "UTF-8", "mend the text, or rename the file")
    return None


def _of_path(error: OSError) -> Fault:
    number = error.errno or 0
    steps = dict.fromkeys(_OUT_OF_SPACE, "free some space, then run the same again")
    steps |= dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit: ulimit -n")
    where = "" if error.filename is None else os.fsdecode(error.filename)
    if len(where) > 200:
        where = f"{where[:100]}…{where[-60:]}"
    step = steps.get(number, "check the path, or name another")
    return Fault(_SAYS[number], where, next_step=step, kind="path")


def _is_installed(path: object) -> bool:
    """Tells whether a path is one of relx's own files, or of Python's."""
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    own = (Path(sys.prefix), Path(__file__).parents[1] / "relx", Path(__file__).parent)
    return any(Path(os.fsdecode(path)).is_relative_to(folder) for folder in own)


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    kinds = {kind.__name__ for kind in type(error).__mro__}
    own = {"RuntimeError", "ResourceExhaustedError", "XlaRuntimeError"}
    return bool(kinds & own) and _NO_MEMORY.search(str(error)[:2000]) is not None
