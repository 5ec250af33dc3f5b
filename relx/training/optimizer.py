"""AdamW as both stages use it: linear warm-up and decay, accumulation, clipping and replicas."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import keras
from keras import ops

from relx.devices.backends.update import Adam, Slot, Updates
from relx.training.averages import Averages

if TYPE_CHECKING:
    from relx.devices.backends import update_jax, update_tensorflow, update_torch

    _CHECKED: tuple[Updates, ...] = (update_jax, update_tensorflow, update_torch)

UNDECAYED = ("bias", "gamma", "beta")

Values = tuple[list[Any], list[Any]]


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

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the rate of a step, counted from 0, as float32; the first step is not idle."""
        step = ops.cast(step, "float32")
        climb = (step + 1) / max(self.warmup_steps, 1)
        fall = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.peak * ops.clip(ops.minimum(climb, fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


class _WholeBatches(keras.optimizers.Optimizer):
    """Gathers a batch's gradient from its parts and replicas before anything is made of it.

    Keras clips each replica's own gradient before the sum, tests each replica's own for overflow,
    takes the norm of an embedding's gradient before rows that occur twice are added up, advances
    the schedule with every part of a batch, and cannot accumulate under replicas. Here the
    replicas' gradients are summed once a batch; until then each replica keeps its own sum.

    Attributes:
        parts: How many parts of a batch are computed one after the other.
        gathered: Whether `apply` gets a batch's whole gradient, as the optimizer within another.
    """

    parts: int = 1
    gathered: bool = False

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the optimizer's variables: among them, for parts, the sums and a counter."""
        super().build(variables)
        if self._accumulates:
            add: Any = self.add_variable_from_reference
            self._sums = [add(variable, name="sum") for variable in variables]
            self._part = self.add_variable(
                (), dtype="int32", aggregation="only_first_replica", name="part"
            )

    @property
    def passing(self) -> list[keras.Variable]:
        """The variables that hold nothing between batches: the sums and the counter."""
        return [*self._sums, self._part] if self._accumulates else []

    @property
    def _accumulates(self) -> bool:
        return self.parts > 1 and not self.gathered

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> Any:
        """Updates the variables, or adds to the sums until the batch's last part has come.

        Args:
            grads: The gradients of a part, of this replica's rows.
            trainable_variables: The variables, as for any optimizer of Keras.
        """
        variables = trainable_variables if trainable_variables is None else [*trainable_variables]
        if self.gathered:
            return super().apply(grads, variables)
        update: Any = super().apply
        whole = _on_backend()
        if self.parts == 1:
            return update(whole.sum_over_replicas(grads), variables)
        known = self._trainable_variables if variables is None else variables
        sums = [self._sums[self._get_variable_index(variable)] for variable in known]
        whole.accumulate(grads, sums, self._part, self.parts, lambda mean: update(mean, variables))
        return None

    def stateless_apply(
        self, optimizer_variables: list[Any], grads: list[Any], trainable_variables: list[Any]
    ) -> Values:
        """Does the same without side effects, for JAX.

        Args:
            optimizer_variables: The values of `variables`.
            grads: The gradients of a part.
            trainable_variables: The values of the variables that are trained.

        Returns:
            The new values of the variables that are trained, and of `variables`.
        """
        update: Callable[..., Values] = super().stateless_apply
        if not self._accumulates:
            return update(optimizer_variables, grads, trainable_variables)
        places = {id(variable): i for i, variable in enumerate(self.variables)}
        part = places[id(self._part)]
        sums = [places[id(sum_)] for sum_ in self._sums]
        added = [optimizer_variables[i] + grad for i, grad in zip(sums, grads, strict=True)]

        def noted(values: list[Any], news: list[Any], part_now: Any) -> list[Any]:
            changed = dict(zip(sums, news, strict=True)) | {part: part_now}
            return [changed.get(i, value) for i, value in enumerate(values)]

        def last() -> Values:
            means = [sum_ / self.parts for sum_ in added]
            self.gathered = True  # Keras calls `apply` from here
            trained, own = update(optimizer_variables, means, trainable_variables)
            self.gathered = False
            return trained, noted(own, [ops.zeros_like(sum_) for sum_ in means], own[part] * 0)

        def before() -> Values:
            own = noted(optimizer_variables, added, optimizer_variables[part] + 1)
            return list(trainable_variables), own

        done: Values = ops.cond(optimizer_variables[part] + 1 == self.parts, last, before)
        return done


@keras.saving.register_keras_serializable("relx")
class AdamW(_WholeBatches, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101).

    As in the paper and in PyTorch, epsilon is added after the bias correction; Keras adds it
    before. Each variable is updated in one kernel where the backend has one.

    Attributes:
        shares: Each variable's share of the learning rate, in their order; None for 1.
        averages: Averages of the variables, which are among the optimizer's own; or None.
    """

    shares: tuple[float, ...] | None = None
    averages: Averages | None = None

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the optimizer's variables: among them the averages of the weights."""
        super().build(variables)
        if self.averages is not None:
            add: Any = self.add_variable_from_reference
            self.averages.build(variables, [add(weight, name="average") for weight in variables])

    def _backend_apply_gradients(
        self, grads: list[Any], trainable_variables: list[keras.Variable]
    ) -> None:
        step = ops.cast(self._iterations, "float32") + 1
        adam = Adam(
            self.beta_1,
            self.beta_2,
            self.epsilon,
            self.weight_decay,
            self.global_clipnorm,
            rate=self.learning_rate,
            step=step,
        )
        backend, averages = _on_backend(), self.averages
        backend.adamw(adam, grads, [self._slot(variable) for variable in trainable_variables])
        if averages is not None and averages.momentum is not None:
            backend.average(averages.values, averages.weights, averages.share(step))

    def _slot(self, variable: keras.Variable) -> Slot:
        place, decayed = self._get_variable_index(variable), self._use_weight_decay(variable)
        share = 1.0 if self.shares is None else self.shares[place]
        return Slot(variable, self._momentums[place], self._velocities[place], decayed, share)


@keras.saving.register_keras_serializable("relx")
class LossScaler(_WholeBatches, keras.optimizers.LossScaleOptimizer):
    """Dynamic loss scaling for float16 (Micikevicius et al. 2018, arXiv 1710.03740).

    A batch whose gradient overflows in any part, on any replica, is skipped on all of them.
    """


def make_optimizer(
    model: keras.Model,
    *,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    clip_norm: float | None,
    steps: int,
    accumulate: int = 1,
    shares: Sequence[float] | None = None,
    averages: Averages | None = None,
) -> keras.optimizers.Optimizer:
    """Makes the optimizer of a stage and builds it on the model's trainable variables.

    Args:
        model: The model, built.
        learning_rate: The peak rate.
        weight_decay: The decay a step, times the rate; biases and layer norms have none.
        warmup: The share of the steps in which the rate climbs, 0 to 1.
        clip_norm: The largest norm of the whole gradient, or None for no clipping.
        steps: All steps of the stage.
        accumulate: The parts of a batch, whose gradients are averaged to make one step.
        shares: Of each trainable variable, in their order, its share of the rate; None for 1.
        averages: What averages the variables that train, or None; it is built too.

    Returns:
        AdamW, wrapped in loss scaling where the model computes in float16.
    """
    optimizer = AdamW(
        WarmupLinearDecay(learning_rate, round(warmup * steps), steps),
        weight_decay=weight_decay,
        epsilon=1e-8,
        global_clipnorm=clip_norm,
    )
    optimizer.shares = None if shares is None else tuple(shares)
    optimizer.averages = averages
    variables = model.trainable_variables
    undecayed = [variable for variable in variables if variable.name.endswith(UNDECAYED)]
    optimizer.exclude_from_weight_decay(var_list=undecayed)
    if model.dtype_policy.compute_dtype == "float16":
        optimizer.gathered = True
        optimizer = LossScaler(optimizer)
    optimizer.parts = accumulate
    optimizer.build(variables)
    return optimizer


def _on_backend() -> Updates:
    """Returns what computes a step on the backend that runs."""
    name = f"relx.devices.backends.update_{keras.config.backend()}"
    return cast(Updates, importlib.import_module(name))
