"""The arithmetic of the benches: floating-point operations, medians, ratios, growth, tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Which way is better, by figure; a ratio above 1 is in relx's favour always.
LARGER = ("tokens_per_second", "sentences_per_second", "whole_tokens_per_second")
SMALLER = ("seconds", "first_step_seconds", "peak_mib", "gpu_peak_mib", "padding_percent")
OTHERS = ("cpu_seconds", "again_seconds", "again_peak_mib", "utilisation_percent", "loss")
FIGURES = (*LARGER, *SMALLER, *OTHERS)


@dataclass(frozen=True)
class Sizes:
    """The sizes of an encoder of BERT's kind that decide its operations.

    Args:
        layers: Transformer layers.
        hidden: The width of the hidden states.
        intermediate: The width of the feed-forward layers.
        vocabulary: Rows of the token embedding.
    """

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Sizes:
        """Reads them from a Hugging Face configuration."""
        names = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
        return cls(*(int(config[name]) for name in names))


def encoder_operations(sizes: Sizes, lengths: Sequence[int]) -> float:
    """Counts the operations of one pass over sentences without padding, forward alone.

    Two for each matrix parameter and token; and the attention's two products, 4 × length² × hidden
    a layer. Look-ups, norms and activations are not counted (Chowdhery et al. 2022, arXiv
    2204.02311, appendix B).

    Args:
        sizes: The encoder.
        lengths: The sentences' lengths in tokens, special tokens included.

    Returns:
        Floating-point operations.
    """
    parameters = sizes.layers * (4 * sizes.hidden**2 + 2 * sizes.hidden * sizes.intermediate)
    squares = sum(length * length for length in lengths)
    return 2.0 * parameters * sum(lengths) + 4.0 * sizes.layers * sizes.hidden * squares


def masked_lm_operations(sizes: Sizes, lengths: Sequence[int], rate: float) -> float:
    """Counts one training pass: encoder, and the head at masked positions only; 3 × forward.

    Args:
        sizes: The encoder.
        lengths: The sentences' lengths in tokens, special tokens included.
        rate: The share of the other tokens that is masked.

    Returns:
        Floating-point operations.
    """
    masked = rate * sum(length - 2 for length in lengths)
    head = 2.0 * masked * (sizes.hidden**2 + sizes.hidden * sizes.vocabulary)
    return 3 * (encoder_operations(sizes, lengths) + head)


def relation_operations(
    sizes: Sizes, lengths: Sequence[int], classes: int, *, training: bool
) -> float:
    """Counts one pass of the relation model over two entity starts: 3 × forward in training.

    Args:
        sizes: The encoder.
        lengths: The rows' lengths in tokens.
        classes: The number of labels.
        training: Whether gradients are computed too.

    Returns:
        Floating-point operations.
    """
    head = 2.0 * len(lengths) * (2 * sizes.hidden**2 + sizes.hidden * classes)
    return (3 if training else 1) * (encoder_operations(sizes, lengths) + head)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Returns the median and the range of repeated measurements."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summaries(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Summarises every figure that all the runs have."""
    found = {name: [run[name] for run in runs if run.get(name) is not None] for name in FIGURES}
    return {name: summary(values) for name, values in found.items() if len(values) == len(runs)}


def ratios(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Compares runs that were made in turn, pair by pair; above 1 is in our favour.

    Args:
        ours: The figures of our runs.
        theirs: Those of a peer's runs, made beside ours; the last one stands for those missing.

    Returns:
        Median and range by figure.
    """
    last = len(theirs) - 1
    pairs = [(run, theirs[min(i, last)]) for i, run in enumerate(ours)]
    found = {}
    for name in (*LARGER, *SMALLER):
        known = [(our[name], their[name]) for our, their in pairs if our.get(name)]
        if len(known) == len(pairs) and all(their for _, their in known):
            better = [their / our if name in SMALLER else our / their for our, their in known]
            found[name] = summary(better)
    return found


def growth(before: float, after: float, times: float) -> float:
    """Returns by how much a cost grows for ten times the data, from two sizes `times` apart."""
    return float((after / before) ** (1 / math.log10(times)))


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table as the documents hold it: names to the left, figures to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
