"""What a run was made from, in a few words for a page."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from relx.runs.folds import FoundRun
from relx.runs.manifest import Manifest
from relx.scoring.decisions.decision import Scores


def run_facts(found: FoundRun, folds: Mapping[int, Scores]) -> list[tuple[str, str]]:
    """Returns what a run was made from, as far as it explains its scores.

    Args:
        found: The run.
        folds: The scores of each fold's rows, where several predicted out of fold.

    Returns:
        Title and value of each fact.
    """
    manifest, recipe = found.manifest, found.manifest.recipe
    results = [stage.manifest.results for stage in found.folds]
    best = ", ".join(str(result.get("best_epoch", "?")) for result in results)
    return [
        *(_decoder_facts(recipe) if "decoder" in recipe else _encoder_facts(recipe, manifest)),
        *([("Folds", found.words.removeprefix("folds "))] if found.words else []),
        *([("By fold", _by_fold(folds))] if folds else []),
        ("Best epoch", f"{best} of {results[0].get('epochs', '?')}"),
        ("Seed", str(manifest.seed)),
        ("Trained", (manifest.finished or manifest.started)[:10]),
    ]


def _by_fold(folds: Mapping[int, Scores]) -> str:
    """Says how far the folds are apart."""
    found = [scores.micro_f1 for scores in folds.values()]
    each = ", ".join(f"{value:.1f}" for value in found)
    spread = statistics.stdev(found)
    return f"micro-F1 {each}; mean {statistics.mean(found):.2f}, standard deviation {spread:.2f}"


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
