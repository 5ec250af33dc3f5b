"""A gradient within a step: what each backend's module offers for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Tensor = Any


class Gradients(Protocol):
    """The modules `gradient_jax`, `gradient_tensorflow` and `gradient_torch` beside this one."""

    def value_and_gradient(
        self, function: Callable[[Tensor], Tensor], at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Computes a function and its gradient, once.

        Args:
            function: From a tensor to a scalar.
            at: The tensor, of any floats.

        Returns:
            The value, of which the step takes its own gradient, and the gradient, which is for
            `stop_gradient` alone.
        """
