"""What an update of AdamW is made of, and what each backend's module offers for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
from keras import ops

Gradients = Sequence[Any]  # tensors of the backend; None where a variable has none


@dataclass(frozen=True)
class Adam:
    """The settings of an update, and the step that it is of.

    Args:
        beta_1: The decay of the gradients' mean.
        beta_2: The decay of the squared gradients' mean.
        epsilon: What is added to the root of the latter.
        decay: The weight decay, times the rate; for the variables that have any.
        clip_norm: The largest norm of the whole gradient, or None for no clipping.
        rate: The learning rate, a scalar tensor.
        step: The step, counted from 1, a scalar tensor of float32.
    """

    beta_1: float
    beta_2: float
    epsilon: float
    decay: float
    clip_norm: float | None
    rate: Any
    step: Any


@dataclass(frozen=True)
class Slot:
    """A variable with what the optimizer keeps of it.

    Args:
        variable: The variable, as Keras wraps it.
        momentum: The gradients' mean, likewise.
        velocity: The squared gradients' mean, likewise.
        decayed: Whether it has weight decay.
        share: What of the rate is its own; its weight decay follows.
    """

    variable: keras.Variable
    momentum: keras.Variable
    velocity: keras.Variable
    decayed: bool
    share: float = 1.0


def own_rate(rate: Any, share: float) -> Any:
    """Returns a variable's rate; the common one, untouched, where its share is the whole.

    Args:
        rate: The common rate.
        share: The variable's share of it.
    """
    return rate if share == 1 else rate * share


class Updates(Protocol):
    """The modules `update_jax`, `update_tensorflow` and `update_torch` beside this one."""

    def sum_over_replicas(self, grads: Gradients) -> list[Any]:
        """Adds up the gradients of all replicas.

        Args:
            grads: This replica's gradients, dense or sparse; None where a variable has none.

        Returns:
            Dense gradients, the same on every replica.
        """

    def accumulate(
        self,
        grads: Gradients,
        sums: Sequence[keras.Variable],
        part: keras.Variable,
        parts: int,
        update: Callable[[list[Any]], None],
    ) -> None:
        """Adds gradients to the sums; at the last part of a batch, updates with their mean.

        The sums are 0 between batches, when a checkpoint is written.

        Args:
            grads: This replica's gradients; None where a variable has none.
            sums: The sums, a variable for each gradient.
            part: The variable that counts the parts of a batch.
            parts: The parts of a batch.
            update: Takes the mean of the parts, summed over the replicas.
        """

    def adamw(self, adam: Adam, grads: Gradients, slots: Sequence[Slot]) -> None:
        """Clips the gradients, decays the variables, and updates them.

        Args:
            adam: The settings and the step.
            grads: The gradients, the same on every replica.
            slots: A variable and what is kept of it, for each gradient.
        """

    def average(
        self, averages: Sequence[keras.Variable], weights: Sequence[keras.Variable], share: Any
    ) -> None:
        """Moves averages towards weights, which an update has just changed.

        Args:
            averages: The averages.
            weights: A weight for each.
            share: How much of the way, 0 to 1, a scalar tensor of float32.
        """


def accumulate_eagerly(
    grads: Gradients,
    sums: Sequence[keras.Variable],
    part: keras.Variable,
    parts: int,
    update: Callable[[list[Any]], None],
) -> None:
    """Accumulates where a step runs on one device, op by op or as one function; see `Updates`."""
    for sum_, grad in zip(sums, grads, strict=True):
        if grad is not None:
            sum_.assign_add(grad)
    part.assign_add(1)
    if int(part) < parts:
        return
    means = [sum_.value / parts for sum_ in sums]
    update([None if g is None else mean for g, mean in zip(grads, means, strict=True)])
    for sum_ in [*sums, part]:
        sum_.assign(ops.zeros_like(sum_))  # 0 times a sum that overflowed is no 0
