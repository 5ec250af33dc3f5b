"""Text files a block at a time, in the encodings that Korean data come in."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator

from relx.data.encoding import Encoding, decoded
from relx.data.formats.containers import refuse_container
from relx.data.formats.file_bytes import BLOCK, FileBytes
from relx.faults import Fault, InputError, shorten

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TextFile:
    """A text file, from its beginning as often as it is asked for.

    UTF-8 is decoded as it is read. A file in another encoding is held as a whole: what it is in
    shows only when all of it has been seen.

    Args:
        source: Its bytes.
        encoding: `auto` tries UTF-8 (with or without a mark), then cp949.
        allowed: What the file may be, for messages.

    Raises:
        InputError: It is empty, binary, or in another encoding.
    """

    def __init__(self, source: FileBytes, encoding: Encoding, allowed: str) -> None:
        self._source = source
        self._held: str | None = None
        refuse_container(source.path, source.head, allowed)
        utf16 = encoding == "auto" and source.head.startswith(_UTF16)
        if utf16 or encoding == "cp949" or not self._is_utf8(allowed):
            data = source.whole()
            if b"\0" in data and not utf16:
                raise InputError(self._binary(allowed))
            self._held = decoded(source.path, data, encoding)
        if all(not block.strip() for block in self.blocks()):
            step = "check the path, or write the file again"
            where = str(source.path)
            raise InputError(Fault("the file is empty", where, next_step=step, kind="empty file"))

    def blocks(self) -> Iterator[str]:
        """Yields the text, about a million characters at a time, line ends as they are.

        Raises:
            InputError: The file cannot be read, or is no longer what it was.
        """
        if self._held is not None:
            yield from (self._held[at : at + BLOCK] for at in range(0, len(self._held), BLOCK))
            return
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        try:
            yield from (decoder.decode(block) for block in self._source.blocks())
        except UnicodeDecodeError as error:  # all of it was UTF-8 when it was looked through
            raise InputError(self._source.changed()) from error

    def whole(self) -> str:
        """Returns all of the text."""
        return "".join(self.blocks()) if self._held is None else self._held

    @property
    def is_held(self) -> bool:
        """Whether the file is in memory: a small one, or one that is not in UTF-8."""
        return self._held is not None or self._source.is_held

    def first(self) -> str:
        """Returns the first character that is no blank."""
        return next(block.lstrip() for block in self.blocks() if block and not block.isspace())[0]

    def lines(self) -> Iterator[str]:
        """Yields the lines, each with its end: a carriage return, a line feed, or both."""
        return lines_of(self.blocks())

    def json_lines(self) -> Iterator[str]:
        """Yields the lines, each with its end, a line feed."""
        return lines_of(self.blocks(), "\n")

    def _is_utf8(self, allowed: str) -> bool:
        """Looks through the whole file, and refuses one that is no text."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for block in self._source.blocks():
                if b"\0" in block:
                    raise InputError(self._binary(allowed))
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def _binary(self, allowed: str) -> Fault:
        where, received = str(self._source.path), shorten(self._source.head[:24])
        return Fault("this file is binary", where, received, allowed, kind="no text")


def lines_of(blocks: Iterable[str], newline: str = "") -> Iterator[str]:
    """Cuts a text into lines, each with its end.

    Args:
        blocks: The text, cut anywhere.
        newline: What ends a line, as `open` takes it: empty where a carriage return, a line feed
            or both do.
    """
    parts: list[str] = []  # of a line whose end has not been seen
    for block in blocks:
        if "\n" not in block and (newline or "\r" not in block):
            parts.append(block)
            continue
        found = io.StringIO("".join([*parts, block]), newline).readlines()
        parts = [] if found[-1].endswith("\n") else [found.pop()]  # a \n may follow its \r
        yield from found
    yield from io.StringIO("".join(parts), newline)
