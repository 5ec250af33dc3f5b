"""What a checkpoint says of the work that goes on from it; its tensors are not read here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from relx.faults import Fault, InputError
from relx.tensors import StoredTensor, open_tensors

CHECKPOINT = "checkpoint.safetensors"
FORMAT = "3"
FRESH = "start anew with --fresh, which keeps what is there"


def open_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, StoredTensor]]:
    """Opens a checkpoint.

    Args:
        path: The file.

    Returns:
        The state of the work, and the tensors by name, of which none is read yet.

    Raises:
        InputError: The file is broken, or from another version of relx.
    """
    try:
        notes, tensors = open_tensors(path)
    except (SafetensorError, OSError) as error:
        what = "this checkpoint is broken"
        raise InputError(Fault(what, str(path), str(error), next_step=FRESH)) from error
    if notes.get("format") != FORMAT:
        what = "this checkpoint is from another version of relx"
        received = f"format {notes.get('format')}"
        step = f"{FRESH}, or finish it with the version that began it"
        raise InputError(Fault(what, str(path), received, f"format {FORMAT}", step))
    state: dict[str, Any] = json.loads(notes["state"])
    return state, tensors


def read_state(path: Path) -> dict[str, Any]:
    """Reads the state of the work that a checkpoint holds, without its tensors or a framework.

    Args:
        path: The file.

    Returns:
        The state.

    Raises:
        InputError: The file is broken, or from another version of relx.
    """
    return open_checkpoint(path)[0]
