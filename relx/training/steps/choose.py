"""Which training step a recipe asks for."""

from __future__ import annotations

import keras

from relx.devices.device import Device
from relx.faults import Fault, InputError
from relx.recipe import TrainSection
from relx.training.steps.adversarial import FgmModel
from relx.training.steps.r_drop import RDropModel


def stepping(
    model: keras.Model, device: Device, section: TrainSection, softmax: bool
) -> keras.Model:
    """Returns a model with the training step of a recipe.

    Args:
        model: A functional model to logits; its layers are shared, not copied.
        device: What it was built on.
        section: The recipe's `train`.
        softmax: Whether probabilities are a softmax of logits; else each is a sigmoid.

    Returns:
        The model itself where the step is the usual one.

    Raises:
        InputError: The step cannot be computed with this model.
    """
    if section.adversarial == "fgm":
        _require_range(device)
        return FgmModel(model, section.adversarial_radius)
    if not section.r_drop:
        return model
    _require_dropout(model)
    return RDropModel(model, section.r_drop, softmax)


def _require_range(device: Device) -> None:
    """Refuses float16, in which the gradient of token vectors vanishes without loss scaling."""
    if device.precision == "mixed_float16":
        what = "in float16 the gradient that token vectors are moved along can vanish"
        allowed = "float32, mixed_bfloat16"
        raise InputError(Fault(what, "train.adversarial", device.precision, allowed))


def _require_dropout(model: keras.Model) -> None:
    """Refuses a model that draws nothing: a layer of rate 0 has no generator."""
    if not any("seed_generator_state" in variable.path for variable in model.variables):
        what = "R-Drop compares two dropout masks, and nothing drops here: every rate is 0"
        step = "raise train.dropout, or set train.r_drop to 0"
        raise InputError(Fault(what, "train.r_drop", "no dropout", next_step=step))
