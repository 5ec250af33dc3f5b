"""The rows of a batch that a replica or a process computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from relx.data.batches import Arrays, Inputs

Old = TypeVar("Old")
New = TypeVar("New")
# Inputs by name alone, or inputs, targets and weights.
Structure = dict[str, Old] | tuple[dict[str, Old], Old, Old]


def share(batch: Inputs | Arrays, index: int, count: int) -> Inputs | Arrays:
    """Cuts a batch by rows into equal shares and returns one of them.

    Args:
        batch: A dictionary of inputs, or a tuple of inputs, targets and weights.
        index: Which share, from 0.
        count: How many there are; it divides the rows.

    Returns:
        The same structure.
    """

    def cut(array: np.ndarray) -> np.ndarray:
        rows = len(array) // count
        return array[index * rows : (index + 1) * rows]

    return map_leaves(batch, cut)


def map_leaves(structure: Structure[Old], make: Callable[[Old], New]) -> Structure[New]:
    """Maps the leaves of a batch, or of what describes one.

    Args:
        structure: A dictionary of inputs, or a tuple of inputs, targets and weights.
        make: Gives the new leaf for an old one.

    Returns:
        The same structure.
    """
    if isinstance(structure, dict):
        return {name: make(leaf) for name, leaf in structure.items()}
    inputs, targets, weights = structure
    return {name: make(leaf) for name, leaf in inputs.items()}, make(targets), make(weights)
