"""Averages of the weights that train, which are evaluated and saved in their place."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.recipe import TrainSection

Array = NDArray[np.float32]


class Averages:
    """An average of each weight that trains, among the variables of the optimizer.

    There they are part of a step, of a checkpoint, and of what replicas share.

    With a momentum m, an exponential moving average after each optimizer step (Polyak & Juditsky
    1992, https://doi.org/10.1137/0330046; as Izmailov et al. 2018 discuss it). Its bias at the
    start is corrected as Adam's: the weights of step t move the average by (1 - m) / (1 - m^t) of
    the way, so that the first step's are the first average, and the start counts for nothing.

    Without, a mean of the weights that `add` was called at (Izmailov et al. 2018,
    https://arxiv.org/abs/1803.05407).

    Args:
        momentum: What the average keeps of itself in a step; None for a mean.
    """

    def __init__(self, momentum: float | None = None) -> None:
        self.momentum = momentum
        self.weights: list[keras.Variable] = []
        self.values: list[keras.Variable] = []

    def build(self, weights: Sequence[keras.Variable], values: Sequence[keras.Variable]) -> None:
        """Sets the averages to the weights that training starts from.

        Args:
            weights: The variables that train.
            values: A variable of the optimizer for each.
        """
        self.weights, self.values = [*weights], [*values]
        for weight, value in zip(self.weights, self.values, strict=True):
            value.assign(_copy(weight))

    def share(self, step: Any) -> Any:
        """Returns how far the weights of a step, counted from 1, move the average; float32."""
        assert self.momentum is not None
        # 1 - m^t, without the difference of two numbers that are nearly equal
        return (1 - self.momentum) / -ops.expm1(step * math.log(self.momentum))

    def add(self, count: int) -> None:
        """Takes the weights into the mean.

        Args:
            count: How many there are with these; 1 begins a mean.
        """
        for weight, value in zip(self.weights, self.values, strict=True):
            new, mean = _copy(weight), _copy(value)
            value.assign(new if count == 1 else mean + (new - mean) / np.float32(count))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averages in the place of the weights, and the weights back, to the bit.

        Meanwhile the weights are in the memory of the machine.
        """
        raw = [_copy(weight) for weight in self.weights]
        try:
            for weight, value in zip(self.weights, self.values, strict=True):
                weight.assign(_copy(value))
            yield
        finally:
            for weight, before in zip(self.weights, raw, strict=True):
                weight.assign(before)


class EpochAverages:
    """Which weights an epoch is measured with.

    Args:
        section: The recipe's `train`.
    """

    def __init__(self, section: TrainSection) -> None:
        self.first = 0 if section.swa is None else section.epochs - section.swa
        averaging = section.ema is not None or section.swa is not None
        self.averages = Averages(section.ema) if averaging else None

    @contextlib.contextmanager
    def after(self, epoch: int) -> Iterator[None]:
        """Lets an epoch be measured with its averages, where it has any.

        The mean of the last epochs takes the epoch in before; the ones earlier are measured as
        they are.

        Args:
            epoch: The epoch that has ended, from 0.
        """
        if self.averages is None or epoch < self.first:
            yield
            return
        if self.averages.momentum is None:
            self.averages.add(epoch - self.first + 1)
        with self.averages.in_place():
            yield


def _copy(variable: keras.Variable) -> Array:
    """Copies a variable: what it holds may be changed in place, or given away, by a step."""
    return np.array(ops.convert_to_numpy(variable))
