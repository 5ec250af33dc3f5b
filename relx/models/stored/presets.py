"""KerasHub presets: found by their name, and fetched where they are not on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, nearest, shorten

# The classes of KerasHub whose presets are read, by the section of a recipe that names them.
BACKBONES: Mapping[str, tuple[str, ...]] = {
    "encoder": ("BertBackbone", "RobertaBackbone", "XLMRobertaBackbone"),
}
_WORDS = {"encoder": "BERT, RoBERTa or XLM-R"}


def find_preset(name: str, section: str = "encoder") -> Path:
    """Finds the folder of a preset, and fetches a built-in one that is not on this machine.

    Args:
        name: A preset's name, such as `bert_tiny_en_uncased`, or its folder.
        section: The section of the recipe that names it.

    Returns:
        The folder.

    Raises:
        InputError: There is no such preset, or it cannot be fetched.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    import keras_hub

    presets: dict[str, Any] = {}
    for kind in BACKBONES[section]:
        presets |= getattr(keras_hub.models, kind).presets
    if name not in presets:
        guess = nearest(name, presets)
        step = f"did you mean keras:{guess}?" if guess else "name a preset or a preset's folder"
        what = f"KerasHub has no preset of this name for {_WORDS[section]}"
        raise InputError(Fault(what, f"{section}.from", f"keras:{name}", next_step=step))
    return _fetch(name, presets[name]["kaggle_handle"].removeprefix("kaggle://"), section)


def _fetch(name: str, handle: str, section: str) -> Path:
    import kagglehub  # type: ignore[import-untyped]

    try:
        return Path(kagglehub.model_download(handle))
    except Exception as error:  # whatever the network's library raises
        what = "this preset cannot be fetched"
        step = f"save it with save_to_preset where there is a network: --set {section}.from=FOLDER"
        received = f"keras:{name} ({shorten(str(error))})"
        raise InputError(Fault(what, f"{section}.from", received, next_step=step)) from error
