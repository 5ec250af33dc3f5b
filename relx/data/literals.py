"""Dictionaries and lists that a table holds as text, in Python's writing or in JSON."""

from __future__ import annotations

import ast
import contextlib
import json
from typing import Any


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
        return None
