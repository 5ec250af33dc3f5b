"""Rotary positions: the frequencies of each kind that a config.json may name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relx.faults import Fault, InputError, shorten

Frequencies = tuple[float, ...]
Turns = NDArray[Any]
_KINDS = ("default", "linear", "llama3")
_NEEDED = {
    "linear": ("factor",),
    "llama3": (
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    ),
}


def rope_frequencies(settings: Mapping[str, Any], size: int, where: str) -> Frequencies:
    """Computes how fast each pair of a head's elements turns with the position.

    Args:
        settings: What config.json says of the rotation: `rope_type`, `rope_theta` and the kind's
            own values.
        size: How many elements of a head turn.
        where: The key that holds the settings, for messages.

    Returns:
        Radians per position, `size / 2` of them, as float32 holds them.

    Raises:
        InputError: The kind is not one that is computed here, or lacks a value.
    """
    kind = settings.get("rope_type") or settings.get("type") or "default"
    if kind not in _KINDS:
        what = (
            "this kind of rotary position is not computed here, and leaving it out would be wrong"
        )
        raise InputError(Fault(what, where, str(kind), ", ".join(_KINDS), kind="unsupported"))
    values = {name: settings.get(name) for name in ("rope_theta", *_NEEDED.get(kind, ()))}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            what = f"the rotary positions of kind {kind} need a number above 0 here"
            raise InputError(Fault(what, f"{where}.{name}", shorten(value), kind="value"))
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    plain = np.float32(1) / np.float32(values["rope_theta"]) ** exponents
    return tuple(float(f) for f in _scaled(plain, kind, values).astype(np.float32))


def _scaled(plain: Turns, kind: str, values: Mapping[str, Any]) -> Turns:
    if kind == "linear":
        slowed: Turns = plain / values["factor"]
        return slowed
    if kind == "llama3":
        return _llama3(plain, **{name: float(values[name]) for name in _NEEDED["llama3"]})
    return plain


def _llama3(
    plain: Turns,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_max_position_embeddings: float,
) -> Turns:
    """Slows the slow turns by `factor`, leaves the quick ones, and blends between the two.

    Source: Llama 3 (Dubey et al. 2024, arXiv 2407.21783) and the config.json of its checkpoints.
    """
    turns = original_max_position_embeddings * plain / (2 * math.pi)  # within the old window
    blend = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
    share = np.clip(blend, 0, 1)  # 1 where the turn stays as it is
    blended: Turns = share * plain + (1 - share) * plain / factor
    return blended
