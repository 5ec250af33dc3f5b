"""Dictionaries and lists that a table holds as text, in Python's writing or in JSON."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from typing import Any

# np.int64(4), numpy.float32(0.5), np.str_('PER'), np.True_: what numpy prints of its own types.
_NUMPY = re.compile(
    r"(?:np|numpy)\.(?:u?int|float|str|bool)\d*_?\("
    r"([-+]?[\d.]+(?:e[-+]?\d+)?|'[^'\\]*'|\"[^\"\\]*\"|True|False)\)"
)


def read_literal(text: str) -> Any:
    """Reads the text of a Python or JSON object; None when it is neither."""
    if "\\" not in text:  # without escapes JSON means the same in Python, and is read sooner
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _without_types(text)


def _without_types(text: str) -> Any:
    """Reads a text in which numbers and texts are numpy's, as `np.int64(4)`; None if it is none."""
    plain = _NUMPY.sub(r"\1", text)
    if plain == text:
        return None
    try:
        return ast.literal_eval(plain)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
