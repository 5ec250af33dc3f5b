"""What memory is taken for, and when most of it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Backend = Literal["tensorflow", "jax", "torch"]
FLOAT = 4  # bytes of a float32: weights that train, gradients, moments, norms, softmax
TURN = "between the way forward and the way back"
UPDATE = "when the optimizer updates the weights"
PREDICTION = "when the dev rows are predicted"


@dataclass(frozen=True, slots=True)
class Footprint:
    """The memory of a training run at its fullest moment.

    Args:
        when: The moment.
        parts: What is there then, in bytes by what it is.
    """

    when: str
    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """The sum, in bytes."""
        return sum(self.parts.values())

    def tree(self) -> dict[str, Any]:
        """Returns the footprint as JSON takes it, in whole bytes."""
        parts = {name: round(size) for name, size in self.parts.items()}
        return {"when": self.when, "parts": parts, "total": round(self.total)}


def fullest(held: Mapping[str, float], moments: Mapping[str, Mapping[str, float]]) -> Footprint:
    """Finds the moment at which most memory is taken.

    Args:
        held: What is there at every moment, in bytes.
        moments: What is there besides, by moment.
    """
    when = max(moments, key=lambda name: sum(moments[name].values()))
    parts = {**held, **moments[when]}
    return Footprint(when, {name: size for name, size in parts.items() if size})


def rows_at_once(batch_size: int, accumulate: int) -> int:
    """Returns how many rows are computed at once where a batch is computed in parts."""
    return -(-batch_size // accumulate)


def compute_bytes(precision: Precision) -> int:
    """Returns the bytes of a number in the type that products are computed in."""
    return FLOAT if precision == "float32" else 2


@dataclass(frozen=True, slots=True)
class Trained:
    """The weights that train, and what training keeps of each.

    Args:
        weights: How many numbers.
        decayed: How many of them are of products and have weight decay.
        backend: Keras's backend.
        accumulate: In how many parts a batch is computed.
        largest: How many numbers the largest of them has.
    """

    weights: int
    decayed: int
    backend: Backend
    accumulate: int
    largest: int = 0

    def held(self) -> dict[str, float]:
        """Returns what is there from the first step to the last."""
        size = FLOAT * self.weights
        sums = {"accumulated gradients": size} if self.accumulate > 1 else {}
        return {"AdamW's two moments": 2.0 * size, **sums}

    def gradients_at_turn(self) -> float:
        """Returns what of gradients there is before the way back begins.

        On PyTorch the gradients of the step before are dropped between the two ways.
        """
        return FLOAT * self.weights if self.backend == "torch" else 0

    def copies_at_turn(self) -> float:
        """Returns copies of weights that are there when the way back begins.

        On TensorFlow a decayed weight is a product of weight and rate, which waits for no gradient.
        As measured, those of the layers are there early, and gone by the update; those of tables,
        whose rows are looked up, are not. Where parts of a batch add up, a branch of the graph
        holds them back until the last.
        """
        early = self.backend == "tensorflow" and self.accumulate == 1
        return FLOAT * self.decayed if early else 0

    def copies_at_update(self) -> float:
        """Returns copies of weights that are there at an update; see `copies_at_turn`."""
        late = self.backend == "tensorflow" and self.accumulate > 1
        return FLOAT * self.decayed if late else 0

    def gradients_at_update(self) -> float:
        """Returns what of gradients there is at an update, clipping included.

        The mean of the parts is taken beside their sum. On PyTorch the clipped gradients are new
        tensors beside those of the way back, and AdamW's formula makes two of a weight's size, one
        weight after the other; TensorFlow scales in place.
        """
        own = FLOAT * self.weights
        means = own if self.accumulate > 1 else 0
        return own + means + (own + 2 * FLOAT * self.largest if self.backend == "torch" else 0)
