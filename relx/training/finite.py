"""Training that has diverged is found where a checkpoint is written and where an epoch ends."""

from __future__ import annotations

import math

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from relx.faults import Fault, InputError


def require_finite(loss: float, model: keras.Model, epoch: int, step: int) -> None:
    """Checks that a loss, and every weight that trains, is a number.

    The loss of a step says nothing of what the step's own update made of the weights.

    Args:
        loss: The loss.
        model: The model.
        epoch: The epoch, from 0.
        step: The steps of it that are done.

    Raises:
        InputError: Something is not: nothing may be written any more.
    """
    if not math.isfinite(loss):
        raise InputError(_diverged("the loss is not a number any more", epoch, step))
    for variable in model.trainable_variables:
        # One number a weight, summed where it lies: what is not finite leaves no finite sum.
        total = float(ops.sum(ops.abs(ops.cast(variable, "float32"))))
        if not math.isfinite(total):
            what = f"the weight {variable.path} is not made of numbers any more"
            raise InputError(_diverged(what, epoch, step))


def require_finite_outputs(outputs: npt.ArrayLike, what: str, epoch: int) -> None:
    """Checks what a model computes after an epoch.

    Args:
        outputs: Its outputs, or a figure made of them.
        what: What they are, such as `the dev rows' logits`.
        epoch: The epoch, from 0.

    Raises:
        InputError: Some are not numbers.
    """
    if not np.isfinite(np.asarray(outputs)).all():
        raise InputError(_diverged(f"{what} are not numbers any more", epoch, None))


def _diverged(what: str, epoch: int, step: int | None) -> Fault:
    where = f"after epoch {epoch + 1}" if step is None else f"epoch {epoch + 1}, by step {step}"
    step_ = "lower the learning rate or raise warmup; then start anew with --fresh"
    return Fault(f"{what}: training has diverged", where, next_step=step_, kind="diverged")
