"""The text files of a model's folder, read through one guard: a fault names file and form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, shorten

# JSON can write half of a surrogate pair, which no text file and no tokenizer takes.
_ESCAPED, _HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE), re.compile("[\ud800-\udfff]")
STEP = "fetch the file of the same checkpoint again"


def read_lines_of(path: Path, expected: str) -> list[str]:
    """Reads a text file that has lines.

    Args:
        path: The file.
        expected: What it should hold, for messages.

    Returns:
        The lines, without their ends; never none.

    Raises:
        InputError: It cannot be read, is not UTF-8 or is empty.
    """
    lines = read_text_of(path, expected).split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_text_of(path: Path, expected: str) -> str:
    """Reads a text file.

    Args:
        path: The file.
        expected: What it should hold, for messages.

    Returns:
        Its text, without a byte-order mark; never an empty one.

    Raises:
        InputError: It cannot be read, is not UTF-8 or is empty.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        received = f"byte 0x{error.object[error.start]:02X} at {error.start}"
        raise InputError(malformed(path, "this file is not UTF-8", received, expected)) from error
    except OSError as error:
        what = "this file cannot be read"
        raise InputError(malformed(path, what, str(error.strerror), expected)) from error
    if not text.strip():
        raise InputError(malformed(path, "this file is empty", "", expected))
    return text


def read_object(path: Path, expected: str = "a JSON object, {…}") -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        path: The file.
        expected: What it should hold, for messages.

    Returns:
        Its content.

    Raises:
        InputError: It cannot be read, is not UTF-8, is no JSON, or holds something else.
    """
    text = read_text_of(path, expected)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for numbers without end
        received = "brackets without end" if isinstance(error, RecursionError) else str(error)
        what = "this file is not JSON"
        raise InputError(malformed(path, what, shorten(received, 160), expected)) from error
    if _ESCAPED.search(text) and _HALF.search(json.dumps(value, ensure_ascii=False)):
        what = "this file holds half a character (a lone surrogate)"
        raise InputError(malformed(path, what, "", expected))
    if not isinstance(value, dict):
        what = "this file holds another kind of JSON"
        raise InputError(malformed(path, what, shorten(value), expected))
    return value


def malformed(path: Path, what: str, received: str, expected: str) -> Fault:
    """Names what is amiss with a file of a model's folder.

    Args:
        path: The file.
        what: What is wrong.
        received: What there is.
        expected: What it should hold.

    Returns:
        The fault.
    """
    return Fault(what, str(path), received, f"UTF-8, {expected}", STEP, "malformed")
