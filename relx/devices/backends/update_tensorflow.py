"""An optimizer's update on TensorFlow: over the replicas of a strategy, a kernel a variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from relx.devices.backends.update import Adam, Gradients, Slot, own_rate


def sum_over_replicas(grads: Gradients) -> list[Any]:
    """Adds up the gradients of all replicas; see `Updates`."""
    dense = [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return dense
    present = [grad for grad in dense if grad is not None]
    summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    return [None if grad is None else next(summed) for grad in dense]


def accumulate(
    grads: Gradients,
    sums: Sequence[keras.Variable],
    part: keras.Variable,
    parts: int,
    update: Callable[[list[Any]], None],
) -> None:
    """Accumulates a sum a replica, so that replicas meet once a batch; see `Updates`."""
    own = [(sum_.value, grad) for sum_, grad in zip(sums, grads, strict=True) if grad is not None]
    totals = [total for total, _ in own]

    def last(*added: Any) -> None:
        means = iter([(total + grad) / parts for total, grad in zip(totals, added, strict=True)])
        update(sum_over_replicas([None if grad is None else next(means) for grad in grads]))

    def everywhere(strategy: Any, *added: Any) -> None:
        extended = strategy.extended

        def finish() -> None:
            extended.call_for_each_replica(last, args=added)
            for total in totals:
                extended.update(total, lambda own: own.assign(tf.zeros_like(own)), group=False)
            part.assign(0)

        def go_on() -> None:
            for total, grad in zip(totals, added, strict=True):
                extended.update(total, lambda own, g: own.assign_add(g), (grad,), group=False)
            part.assign_add(1)

        tf.cond(tf.equal(part.value, parts - 1), finish, go_on)

    # A branch in which replicas meet has to be taken by all of them together.
    context = tf.distribute.get_replica_context()
    context.merge_call(everywhere, args=[tf.convert_to_tensor(grad) for _, grad in own])


def adamw(adam: Adam, grads: Gradients, slots: Sequence[Slot]) -> None:
    """Clips, decays and updates; see `Updates`."""
    powers = [tf.pow(beta, adam.step) for beta in (adam.beta_1, adam.beta_2)]
    # The kernel adds epsilon before the bias correction, the paper after it.
    epsilon = adam.epsilon * tf.sqrt(1 - powers[1])

    def update(
        variable: Any, moments: Any, grad: Any, kind: tuple[bool, float], scalars: Any
    ) -> None:
        (momentum, velocity), (rate, power_1, power_2, epsilon) = moments, scalars
        decayed, share = kind
        rate = own_rate(rate, share)
        if decayed:
            variable.assign(variable * (1 - rate * adam.decay))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=power_1,
            beta2_power=power_2,
            lr=rate,
            beta1=adam.beta_1,
            beta2=adam.beta_2,
            epsilon=epsilon,
            grad=grad,
        )

    def everywhere(strategy: Any, grads: list[Any], scalars: list[Any]) -> None:
        for slot, grad in zip(slots, grads, strict=True):
            moments = (slot.momentum.value, slot.velocity.value)
            arguments = (moments, grad, (slot.decayed, slot.share), scalars)
            strategy.extended.update(slot.variable.value, update, arguments, group=False)

    scalars = [tf.cast(adam.rate, tf.float32), *powers, epsilon]
    context = tf.distribute.get_replica_context()
    context.merge_call(everywhere, args=(_clipped(grads, adam.clip_norm), scalars))


def average(
    averages: Sequence[keras.Variable], weights: Sequence[keras.Variable], share: Any
) -> None:
    """Moves averages towards weights; see `Updates`."""

    def move(mean: Any, weight: Any, share: Any) -> None:
        mean.assign_add((weight - mean) * share)

    def everywhere(strategy: Any, share: Any) -> None:
        for mean, weight in zip(averages, weights, strict=True):
            arguments = (weight.value, share)
            strategy.extended.update(mean.value, move, arguments, group=False)

    tf.distribute.get_replica_context().merge_call(everywhere, args=(share,))


def _clipped(grads: Gradients, clip_norm: float | None) -> list[Any]:
    """Scales gradients down to a norm of the whole, in one pass to measure and one to scale."""
    if clip_norm is None:
        return list(grads)
    norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(grad) for grad in grads]))
    scale = clip_norm / tf.maximum(norm, clip_norm)
    return [grad * scale for grad in grads]
