"""An optimizer's update on JAX, whose compiler makes one pass of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import keras

from relx.devices.backends.update import (
    Adam,
    Gradients,
    Slot,
    accumulate_eagerly,
    own_rate,
)

accumulate = accumulate_eagerly


def sum_over_replicas(grads: Gradients) -> list[Any]:
    """Returns the gradients as they are: JAX has summed them; see `Updates`."""
    return list(grads)


def adamw(adam: Adam, grads: Gradients, slots: Sequence[Slot]) -> None:
    """Clips, decays and updates; see `Updates`."""
    correction_1 = 1 - adam.beta_1**adam.step
    correction_2 = 1 - adam.beta_2**adam.step
    for grad, slot in zip(_clipped(grads, adam.clip_norm), slots, strict=True):
        momentum = slot.momentum.value + (grad - slot.momentum.value) * (1 - adam.beta_1)
        velocity = slot.velocity.value + (grad * grad - slot.velocity.value) * (1 - adam.beta_2)
        root = jnp.sqrt(velocity / correction_2) + adam.epsilon
        rate = own_rate(adam.rate, slot.share)
        kept = 1 - rate * adam.decay if slot.decayed else 1.0
        change = rate * (momentum / correction_1) / root
        slot.variable.assign(slot.variable.value * kept - change)
        slot.momentum.assign(momentum)
        slot.velocity.assign(velocity)


def average(
    averages: Sequence[keras.Variable], weights: Sequence[keras.Variable], share: Any
) -> None:
    """Moves averages towards weights; see `Updates`."""
    for mean, weight in zip(averages, weights, strict=True):
        mean.assign(mean.value + (weight.value - mean.value) * share)


def _clipped(grads: Gradients, clip_norm: float | None) -> list[Any]:
    """Scales gradients down to a norm of the whole."""
    if clip_norm is None:
        return list(grads)
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(grad)) for grad in grads))
    scale = clip_norm / jnp.maximum(norm, clip_norm)
    return [grad * scale for grad in grads]
