"""The rows of a batch that a replica or a process computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def share(batch: Any, index: int, count: int) -> Any:
    """Cuts a batch by rows into equal shares and returns one of them.

    Args:
        batch: A dictionary of inputs, or a tuple of inputs, targets and weights.
        index: Which share, from 0.
        count: How many there are; it divides the rows.

    Returns:
        The same structure.
    """

    def cut(array: Any) -> Any:
        rows = len(array) // count
        return array[index * rows : (index + 1) * rows]

    return map_leaves(batch, cut)


def map_leaves(structure: Any, make: Callable[[Any], Any]) -> Any:
    """Maps what stands in a batch's places.

    Args:
        structure: A dictionary of inputs, or a tuple of inputs, targets and weights.
        make: Gives the new leaf for an old one.

    Returns:
        The same structure.
    """
    if isinstance(structure, dict):
        return {name: make(leaf) for name, leaf in structure.items()}
    inputs, targets, weights = structure
    return map_leaves(inputs, make), make(targets), make(weights)
