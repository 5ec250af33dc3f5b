"""The elements of a JSON list, one after the other, of a text that is never held as a whole."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from relx.data.formats.file_bytes import BLOCK

_SPACE = re.compile(r"\s*")
# A literal that is cut off at the end of what has been read is no longer than this.
_LONGEST_LITERAL = 16


class NoJsonError(ValueError):
    """What is wrong with a text that is no JSON list.

    Args:
        what: What is wrong.
        line: The line, counted from 1.
        column: The character in it, counted from 1.
        at: The character in the text, counted from 0.

    Attributes:
        line: The line, counted from 1.
    """

    def __init__(self, what: str, line: int, column: int, at: int) -> None:
        super().__init__(f"{what}: line {line} column {column} (char {at})")
        self.line = line


def elements(blocks: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Yields each element of a JSON list with the line on which it begins.

    Args:
        blocks: The text, cut anywhere.

    Raises:
        NoJsonError: It is no JSON list.
    """
    text = _Window(blocks)
    text.past("[")
    while text.character() != "]":
        line = text.line
        yield line, text.value()
        if text.character() == ",":
            text.past(",")
            if text.character() == "]":
                raise text.error("a comma before the closing bracket")
        elif text.character() != "]":
            raise text.error("a comma or a closing bracket is missing")
    text.past("]")
    if text.character():
        raise text.error("text after the closing bracket")


class _Window:
    """The part of a text that is looked at.

    Attributes:
        line: The line of the place that was reached, counted from 1.
    """

    def __init__(self, blocks: Iterable[str]) -> None:
        self._blocks = iter(blocks)
        self._text, self._at = "", 0
        self._before = 0  # characters of the text before the window
        self._line_start = 0  # where the line begins, in characters of the text
        self._counted = 0  # up to where lines were counted, in characters of the window
        self.line = 1
        self._decoder = json.JSONDecoder()

    def character(self) -> str:
        """Goes to the next character that is no blank, and returns it; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text) or not self._read_on():
                self._count()
                return self._text[self._at : self._at + 1]

    def past(self, character: str) -> None:
        """Goes on behind a character, which is the next one that is no blank."""
        assert self.character() == character
        self._at += 1

    def value(self) -> Any:
        """Returns the JSON value that begins here, and goes on behind it."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_cut_off(error) and self._read_on():
                    continue
                self._at = error.pos
                self._count()
                raise self.error(error.msg) from error
            # A number may go on, also behind what is no part of one yet, as in `1.` or `1e-`.
            if end < len(self._text) - _LONGEST_LITERAL or not self._read_on():
                self._at = end
                return value

    def error(self, what: str) -> NoJsonError:
        """Returns the error of what is wrong at the place that was reached."""
        at = self._before + self._at
        return NoJsonError(what, self.line, at - self._line_start + 1, at)

    def _is_cut_off(self, error: json.JSONDecodeError) -> bool:
        near_the_end = error.pos >= len(self._text) - _LONGEST_LITERAL
        return near_the_end or error.msg.startswith("Unterminated")

    def _count(self) -> None:
        """Counts the lines up to the place that was reached."""
        lines = self._text.count("\n", self._counted, self._at)
        if lines:
            self.line += lines
            last = self._text.rindex("\n", self._counted, self._at)
            self._line_start = self._before + last + 1
        self._counted = self._at

    def _read_on(self) -> bool:
        """Reads as much again as the window holds, so that long values are read in linear time."""
        self._count()
        kept = self._text[self._at :]
        more = list(itertools.islice(self._blocks, 1 + len(kept) // BLOCK))
        if not more:
            return False
        self._before += self._at
        self._text, self._at, self._counted = "".join([kept, *more]), 0, 0
        return True
