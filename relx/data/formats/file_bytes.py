"""The bytes of a data file, a block at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from relx.faults import Fault, InputError, nearest, shorten

BLOCK = 1 << 20  # bytes that are read at once
HELD = 16 * BLOCK  # a file of no more is read once, and held


class FileBytes:
    """The bytes of a file, from its beginning as often as they are asked for.

    Args:
        path: The file. A small one is held, and so is what can be read once, such as a pipe.

    Attributes:
        path: The file.
        head: Its first bytes, `BLOCK` of them or all.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: bytes | None = None
        with _readable(path):
            if not path.is_file() or path.stat().st_size <= HELD:
                self._held = path.read_bytes()
            else:
                self._stamp = self._state()
        self.head = next(self.blocks(), b"")

    @property
    def is_held(self) -> bool:
        """Whether the file is in memory."""
        return self._held is not None

    def blocks(self) -> Iterator[bytes]:
        """Yields the file's bytes, at most `BLOCK` at a time.

        Raises:
            InputError: The file cannot be read, or is no longer what it was.
        """
        if self._held is not None:
            yield from (self._held[at : at + BLOCK] for at in range(0, len(self._held), BLOCK))
            return
        with _readable(self.path), self.path.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block
            if self._state() != self._stamp:
                raise InputError(self.changed())

    def changed(self) -> Fault:
        """Returns the fault of a file that is not what it was when it was opened."""
        what, step = "the file was changed while it was read", "run the same again"
        return Fault(what, str(self.path), next_step=step, kind="changed file")

    def _state(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns

    def whole(self) -> bytes:
        """Returns all of the file's bytes.

        Raises:
            InputError: The file cannot be read.
        """
        if self._held is not None:
            return self._held
        with _readable(self.path):
            return self.path.read_bytes()


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns a file that is not there, or cannot be read, into an `InputError`."""
    try:
        yield
    except FileNotFoundError as error:
        beside = [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else []
        guess = nearest(path.name, beside)
        step = f"did you mean {path.parent / guess}?" if guess else "check the path"
        fault = Fault("there is no such file", str(path), next_step=step, kind="no such file")
        raise InputError(fault) from error
    except (IsADirectoryError, NotADirectoryError) as error:
        fault = Fault("this is no file", str(path), allowed="a file", kind="no such file")
        raise InputError(fault) from error
    except PermissionError as error:
        fault = Fault("no permission to read this file", str(path), kind="no such file")
        raise InputError(fault) from error
    except (OSError, ValueError) as error:  # a name that no disk takes
        reason = getattr(error, "strerror", None) or str(error)
        fault = Fault("this file cannot be read", shorten(str(path)), reason, kind="no such file")
        raise InputError(fault) from error
