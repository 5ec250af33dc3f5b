"""A gradient within a step on JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def value_and_gradient(function: Callable[[Any], Any], at: Any) -> tuple[Any, Any]:
    """Computes a function and its gradient; see `Gradients`."""
    value, gradient = jax.value_and_grad(function)(at)
    return value, jax.lax.stop_gradient(gradient)
