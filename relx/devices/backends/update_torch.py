"""An optimizer's update on PyTorch: one fused kernel for all variables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import torch

from relx.devices.backends.update import (
    Adam,
    Gradients,
    Slot,
    accumulate_eagerly,
    own_rate,
)

accumulate = accumulate_eagerly


def sum_over_replicas(grads: Gradients) -> list[Any]:
    """Returns the gradients as they are: there is one device; see `Updates`."""
    return list(grads)


def adamw(adam: Adam, grads: Gradients, slots: Sequence[Slot]) -> None:
    """Clips, decays and updates; see `Updates`."""
    with torch.no_grad():
        _update(adam, _clipped(grads, adam.clip_norm), slots)


def _update(adam: Adam, grads: Gradients, slots: Sequence[Slot]) -> None:
    for decayed, share in {(slot.decayed, slot.share) for slot in slots}:
        alike = [slot.decayed == decayed and slot.share == share for slot in slots]
        pairs = list(itertools.compress(zip(grads, slots, strict=True), alike))
        torch._fused_adamw_(
            [slot.variable.value for _, slot in pairs],
            [grad for grad, _ in pairs],
            [slot.momentum.value for _, slot in pairs],
            [slot.velocity.value for _, slot in pairs],
            [],
            [adam.step] * len(pairs),
            lr=own_rate(adam.rate, share),
            beta1=adam.beta_1,
            beta2=adam.beta_2,
            weight_decay=adam.decay if decayed else 0.0,
            eps=adam.epsilon,
            amsgrad=False,
            maximize=False,
        )


def average(
    averages: Sequence[keras.Variable], weights: Sequence[keras.Variable], share: Any
) -> None:
    """Moves averages towards weights; see `Updates`."""
    means = [mean.value for mean in averages]
    with torch.no_grad():
        ways = torch._foreach_sub([weight.value for weight in weights], means)
        torch._foreach_mul_(ways, share)
        torch._foreach_add_(means, ways)


def _clipped(grads: Gradients, clip_norm: float | None) -> list[Any]:
    """Scales gradients down to a norm of the whole."""
    if clip_norm is None:
        return list(grads)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    return list(torch._foreach_mul(grads, clip_norm / norm.clamp(min=clip_norm)))
