"""A list of numbers in one cell, as JSON, Python, numpy and PyTorch print it."""

from __future__ import annotations

import json
import re

from relx.faults import shorten

_NO_LIST = "this is not a list of numbers"
_LEFT_OUT = "numbers are left out of this list, where the dots stand: they are lost"
_TOO_LARGE = "this list holds a number beyond any probability"
# array([...], dtype=float32), tensor([...], device='cuda:0'): the list, and what says its type.
_WRAPPED = re.compile(
    r"(?:np\.|numpy\.|torch\.)?(?:array|tensor)\(\s*([\[(].*[\])])\s*(.*)\)", re.S
)
_SAYS_TYPE = re.compile(r"(?:,\s*\w+\s*=\s*[^,\[\](){}]+(?:\([^()]*\))?|<\w+>)*,?\s*")
# np.float64(0.5), tensor(0.5): one number with its type.
_TYPED = re.compile(r"(?:np\.|numpy\.|torch\.)?(?:float\d*|int\d+|tensor)\(\s*([^()\s,]+)\s*\)")
_NUMBER = re.compile(
    r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_BRACKETS = {"[": "]", "(": ")"}


def read_numbers(text: str) -> list[float] | str:
    """Reads a list of numbers, with commas between them or blanks.

    Args:
        text: The cell.

    Returns:
        The numbers, or what is wrong with the cell in a sentence.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return _as_printed(text.strip())
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        return _NO_LIST
    try:
        return [float(value) for value in values]
    except OverflowError:
        return _TOO_LARGE


def _as_printed(text: str) -> list[float] | str:
    """Reads what JSON does not: `[1. 0.]`, `(0.5, 0.5)`, `tensor([…])`, `[np.float64(1.0)]`."""
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped and _SAYS_TYPE.fullmatch(wrapped[2]):
        text = wrapped[1]
    if len(text) < 2 or _BRACKETS.get(text[0]) != text[-1]:
        return _NO_LIST
    inner = _TYPED.sub(r"\1", text[1:-1]).strip()
    if "..." in inner or "…" in inner:
        return _LEFT_OUT
    parts = inner.removesuffix(",").split(",") if "," in inner else inner.split()
    numbers = [part.strip() for part in parts]
    if not numbers or not all(map(_NUMBER.fullmatch, numbers)):
        return _NO_LIST
    return [float(number) for number in numbers]


def remedy(text: str) -> str:
    """Says how a list that cannot be read is to be written.

    Args:
        text: The cell.
    """
    if "..." in text or "…" in text:
        return "write row.tolist(): a printed array leaves out its middle"
    if text.strip().startswith("[["):
        return "write one list a row: row[0].tolist() where the array has one row more"
    if not text.strip():
        return "fill it in, or leave the column out of the file"
    if not text.strip().startswith(("[", "(")) and re.search(r"\d", text):
        return f"put the numbers in brackets: {shorten('[' + text.strip() + ']', 40)}"
    return "write plain numbers, as row.tolist() gives them"
