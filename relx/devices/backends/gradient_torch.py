"""A gradient within a step on PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def value_and_gradient(function: Callable[[Any], Any], at: Any) -> tuple[Any, Any]:
    """Computes a function and its gradient; see `Gradients`."""
    value = function(at)
    (gradient,) = torch.autograd.grad(value, at, retain_graph=True)
    return value, gradient.detach()
