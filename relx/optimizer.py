"""AdamW as both stages use it: linear warm-up and decay, clipping and replicas done right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

UNDECAYED = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("relx")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that climbs linearly to its peak and falls linearly to zero.

    Args:
        peak: The highest rate.
        warmup_steps: Steps of the climb; may be 0.
        steps: All steps.
    """

    def __init__(self, peak: float, warmup_steps: int, steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, counted from 0, as float32; the first step is not idle."""
        step = ops.cast(step, "float32")
        climb = (step + 1) / max(self.warmup_steps, 1)
        fall = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.peak * ops.clip(ops.minimum(climb, fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


class _GradientsSummedFirst:
    """Sums the replicas' gradients before anything is made of them.

    Keras clips each replica's own gradient before the sum, tests each replica's own for overflow,
    and takes the norm of an embedding's gradient before rows that occur twice are added up.
    """

    _summed_before = False

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        if keras.config.backend() == "tensorflow" and not self._summed_before:
            grads = _sum_over_replicas(grads)
        return super().apply(grads, trainable_variables)  # type: ignore[misc]

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


def _sum_over_replicas(grads: Sequence[Any]) -> list[Any]:
    import tensorflow as tf

    dense = [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return dense
    present = [grad for grad in dense if grad is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if grad is None else next(summed) for grad in dense]


@keras.saving.register_keras_serializable("relx")
class AdamW(_GradientsSummedFirst, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""


@keras.saving.register_keras_serializable("relx")
class LossScaler(_GradientsSummedFirst, keras.optimizers.LossScaleOptimizer):
    """Dynamic loss scaling for float16 (Micikevicius et al. 2018, arXiv 1710.03740).

    A step whose gradient overflows on any replica is skipped on all of them.
    """


def make_optimizer(
    model: keras.Model,
    *,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    clip_norm: float | None,
    steps: int,
) -> keras.optimizers.Optimizer:
    """Makes the optimizer of a stage and builds it on the model's trainable variables.

    Args:
        model: The model, built.
        learning_rate: The peak rate.
        weight_decay: The decay a step, times the rate; biases and layer norms have none.
        warmup: The share of the steps in which the rate climbs, 0 to 1.
        clip_norm: The largest norm of the whole gradient, or None for no clipping.
        steps: All steps of the stage.

    Returns:
        AdamW, wrapped in loss scaling where the model computes in float16.
    """
    optimizer = AdamW(
        WarmupLinearDecay(learning_rate, round(warmup * steps), steps),
        weight_decay=weight_decay,
        epsilon=1e-8,
        global_clipnorm=clip_norm,
    )
    variables = model.trainable_variables
    undecayed = [variable for variable in variables if variable.name.endswith(UNDECAYED)]
    optimizer.exclude_from_weight_decay(var_list=undecayed)
    if model.dtype_policy.compute_dtype == "float16":
        optimizer._summed_before = True
        optimizer = LossScaler(optimizer)
    optimizer.build(variables)
    return optimizer
