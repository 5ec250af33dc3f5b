"""What an update of AdamW is made of, on every backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops


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
    """

    variable: Any
    momentum: Any
    velocity: Any
    decayed: bool


def accumulate_eagerly(
    grads: Sequence[Any],
    sums: Sequence[Any],
    part: Any,
    parts: int,
    update: Callable[[list[Any]], None],
) -> None:
    """Adds gradients to the sums; at the last part of a batch, updates with their mean.

    Args:
        grads: The gradients; None where a variable has none.
        sums: The sums, a variable of Keras for each gradient; 0 between batches.
        part: The variable that counts the parts of a batch.
        parts: The parts of a batch.
        update: Takes the mean of the parts.
    """
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
