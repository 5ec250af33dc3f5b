"""What `encoder.from` names: a folder here, a hub id, or a KerasHub preset, found as a folder."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relx.faults import Fault, InputError

_REMEDY = "name a folder that holds the checkpoint: --set encoder.from=FOLDER"
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint on this machine.

    Args:
        folder: Where it lies.
        kind: Whose layout the folder has.
    """

    folder: Path
    kind: Literal["huggingface", "keras"]


def find_source(source: str) -> Found:
    """Finds the checkpoint that a text names, and fetches it where it is not here.

    Args:
        source: A folder, a Hugging Face hub id, or `keras:` and a preset's name or folder.

    Returns:
        The checkpoint's folder.

    Raises:
        InputError: There is no such folder, or it cannot be fetched.
    """
    if source.startswith("keras:"):
        from relx.encoder.presets import find_preset

        return Found(find_preset(source.removeprefix("keras:")), "keras")
    folder = Path(source).expanduser()
    if folder.is_dir():
        return Found(folder, "keras" if _is_preset(folder) else "huggingface")
    if folder.is_file():
        fault = Fault("this is a file, an encoder is a folder", "encoder.from", source)
        raise InputError(fault)
    if not _HUB_ID.fullmatch(source):
        raise InputError(
            Fault("there is no such folder", "encoder.from", source, next_step=_REMEDY)
        )
    return Found(_fetch(source), "huggingface")


def _is_preset(folder: Path) -> bool:
    """KerasHub's config.json names a Keras class, Hugging Face's a model_type."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(values, dict) and "registered_name" in values


@functools.cache
def _fetch(hub_id: str) -> Path:
    """Fetches a checkpoint from the Hugging Face hub, or finds it in the hub's cache."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(hub_id, allow_patterns=_FILES, etag_timeout=5)
    except (OSError, ValueError) as error:
        what = "no folder of this name is here, and it cannot be fetched from the Hugging Face hub"
        received = f"{hub_id} ({str(error).splitlines()[0]})"
        raise InputError(Fault(what, "encoder.from", received, next_step=_REMEDY)) from error
    return Path(folder)
