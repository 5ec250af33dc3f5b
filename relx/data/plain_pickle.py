"""Pickles of a dictionary of texts and whole numbers, which is what competitions hand out."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, shorten

MOST_BYTES = 1_000_000
_MOST_PARTS = 100_000
_FRAME = {"PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK"}
_MEMO = {"PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET", "MEMOIZE"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"}
_TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING"}
_DICTIONARY = {"EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"}
_PLAIN = _FRAME | _MEMO | _NUMBERS | _TEXTS | _DICTIONARY | {"SHORT_BINSTRING"}
_CALLS = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_CALLS |= {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


class _PlainUnpickler(pickle.Unpickler):
    """Finds no class and no function: the second lock, behind `_require_plain`."""

    def find_class(self, module: str, name: str) -> Any:
        raise InputError(_runs_code(f"{module}.{name}"))


def read_plain_pickle(path: Path) -> dict[Any, Any]:
    """Reads a pickled dictionary of texts and whole numbers, and runs nothing.

    What a pickle does is read before it is loaded, since a few bytes can ask for gigabytes.

    Args:
        path: The file.

    Returns:
        The dictionary.

    Raises:
        InputError: It holds anything else, calls something, is damaged, or is far too large.
    """
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(_no_labels(f"more than {MOST_BYTES:,} bytes"))
    try:
        _require_plain(content)
        value = _PlainUnpickler(io.BytesIO(content)).load()
    except InputError:
        raise
    except Exception as error:  # a broken pickle raises nearly anything
        raise InputError(_no_labels(f"{type(error).__name__}: {error}"[:200])) from error
    if type(value) is not dict:
        raise InputError(_no_labels(shorten(value)))
    strange = [part for pair in value.items() for part in pair if type(part) not in (str, int)]
    if strange:
        raise InputError(_no_labels(f"{shorten(strange[0])} in the dictionary"))
    return value


def _require_plain(content: bytes) -> None:
    """Refuses a pickle that does more than put texts and numbers into dictionaries."""
    called = ""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        name = opcode.name
        if name in _TEXTS | {"SHORT_BINSTRING"}:
            called = f"{called.rpartition('.')[2]}.{argument}"  # the last two: module and name
        if name in _CALLS:
            given = argument.replace(" ", ".") if isinstance(argument, str) else called
            raise InputError(_runs_code(given.strip(".")))
        if name not in _PLAIN:
            raise InputError(_no_labels(opcode.name.lower().replace("_", " ")))
        if number > _MOST_PARTS or (name in _MEMO and (argument or 0) > _MOST_PARTS):
            raise InputError(_no_labels(f"more than {_MOST_PARTS:,} parts"))


def _runs_code(called: str) -> Fault:
    return Fault(
        "this pickle would run code when loaded, so it was not loaded",
        received=f"a call of {called[:100]}",
        allowed="a dictionary of text and whole numbers",
        next_step="write the labels as JSON instead: a list, or {label: id}",
        kind="pickle with code",
    )


def _no_labels(received: str) -> Fault:
    allowed = "a dictionary of text and whole numbers, {label: id} or {id: label}"
    return Fault("this pickle is not a dictionary of labels", "", received, allowed, "", "labels")
