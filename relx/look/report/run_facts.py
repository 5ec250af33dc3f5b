"""What a run was made from, in a few words for a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relx.runs.manifest import Manifest


def run_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Returns what a run was made from, as far as it explains its scores.

    Args:
        manifest: The manifest of its stage.

    Returns:
        Title and value of each fact.
    """
    recipe, results = manifest.recipe, manifest.results
    epochs = f"{results.get('best_epoch', '?')} of {results.get('epochs', '?')}"
    return [
        *(_decoder_facts(recipe) if "decoder" in recipe else _encoder_facts(recipe, manifest)),
        ("Best epoch", epochs),
        ("Seed", str(manifest.seed)),
        ("Trained", (manifest.finished or manifest.started)[:10]),
    ]


def _encoder_facts(recipe: Mapping[str, Any], manifest: Manifest) -> list[tuple[str, str]]:
    source = recipe["encoder"]["from"]
    begun = " after TAPT" if manifest.inputs.get("encoder", {}).get("tapt") else ""
    return [
        ("Encoder", f"{source if isinstance(source, str) else 'fresh'}{begun}"),
        ("Markers", recipe["markers"]["style"]),
        ("Pooling", recipe["train"]["pooling"]),
    ]


def _decoder_facts(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    decoder = recipe["decoder"]
    source, lora = decoder["from"], decoder["lora"]
    return [
        ("Decoder", f"{source if isinstance(source, str) else 'fresh'}, {decoder['format']}"),
        ("Adapters", f"rank {lora['rank']}, alpha {lora['alpha']:g}"),
        ("Head", decoder["head"].replace("_", " ")),
    ]
