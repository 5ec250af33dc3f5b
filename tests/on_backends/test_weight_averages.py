"""Averages of weights are those of the definition, and the weights come back to the bit."""

import keras
import numpy as np
import pytest
from test_accumulation import CLIP, DECAY, GRADS, RATE, START, Variables, apply

from relx.recipe import TrainSection
from relx.training.averages import Averages, EpochAverages
from relx.training.optimizer import make_optimizer

MOMENTUM = 0.6


def numpy_of(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def optimizer_with(averages, variables, parts=1):
    settings = {"weight_decay": DECAY, "clip_norm": CLIP, "warmup": 0.0, "steps": 20}
    return make_optimizer(
        variables, learning_rate=RATE, accumulate=parts, averages=averages, **settings
    )


def corrected(history):
    """Adam's way: a moving average from 0, over what its weights sum up to."""
    moving = [np.zeros_like(value, np.float64) for value in history[0]]
    for weights in history:
        pairs = zip(moving, weights, strict=True)
        moving = [MOMENTUM * own + (1 - MOMENTUM) * weight for own, weight in pairs]
    return [own / (1 - MOMENTUM ** len(history)) for own in moving]


@pytest.mark.parametrize(
    ("policy", "parts"), [("float32", 1), ("float32", 2), ("mixed_float16", 2)]
)
def test_a_moving_average_is_of_the_weights_after_each_whole_batch(open_, backend, policy, parts):
    open_(policy)
    variables, averages, history = Variables(policy), Averages(MOMENTUM), []
    optimizer = optimizer_with(averages, variables, parts)
    assert all((a == b).all() for a, b in zip(numpy_of(averages.values), START, strict=True))
    for i, grads in enumerate(GRADS, start=1):
        apply(optimizer, variables, grads, backend)
        if i % parts == 0:
            history.append(variables.values())
            for ours, expected in zip(numpy_of(averages.values), corrected(history), strict=True):
                np.testing.assert_allclose(ours, expected, atol=1e-6, rtol=0)
    own = {id(variable) for variable in optimizer.variables}
    assert all(id(value) in own for value in averages.values)  # and so in every checkpoint


def test_a_batch_that_overflows_is_not_averaged(open_, backend):
    open_("mixed_float16")
    variables, averages = Variables("mixed_float16"), Averages(MOMENTUM)
    optimizer = optimizer_with(averages, variables)
    apply(optimizer, variables, GRADS[0], backend)
    before = numpy_of(averages.values)
    apply(optimizer, variables, [np.full_like(grad, np.inf) for grad in GRADS[1]], backend)
    assert all((a == b).all() for a, b in zip(numpy_of(averages.values), before, strict=True))


def test_a_mean_is_that_of_the_last_epochs_and_the_weights_come_back(open_, backend):
    open_()
    variables = Variables("float32")
    epochs = EpochAverages(TrainSection(epochs=5, swa=3))
    optimizer = optimizer_with(epochs.averages, variables)
    history, measured = [], []
    for epoch, grads in enumerate(GRADS[:5]):
        apply(optimizer, variables, grads, backend)
        history.append(variables.values())
        with epochs.after(epoch):
            measured.append(variables.values())
        assert all((a == b).all() for a, b in zip(variables.values(), history[-1], strict=True))
    for epoch, seen in enumerate(measured):
        taken = history[epoch : epoch + 1] if epoch < 3 else history[2 : epoch + 1]
        means = [np.mean(values, axis=0, dtype=np.float64) for values in zip(*taken, strict=True)]
        for ours, mean in zip(seen, means, strict=True):
            np.testing.assert_allclose(ours, mean, atol=1e-6 if epoch > 2 else 0, rtol=0)


def test_the_weights_come_back_when_measuring_fails(open_):
    open_()
    variables, epochs = Variables("float32"), EpochAverages(TrainSection(ema=MOMENTUM))
    optimizer_with(epochs.averages, variables)
    for value in epochs.averages.values:
        value.assign(value * 2)
    with pytest.raises(ZeroDivisionError), epochs.after(0):
        assert (variables.values()[0] == 2 * START[0]).all()
        raise ZeroDivisionError
    assert all((a == b).all() for a, b in zip(variables.values(), START, strict=True))


def test_without_either_there_are_no_more_variables(open_):
    open_()
    epochs = EpochAverages(TrainSection())
    plain = optimizer_with(None, Variables("float32"))
    assert epochs.averages is None
    averaging = optimizer_with(Averages(MOMENTUM), Variables("float32"))
    assert len(averaging.variables) == len(plain.variables) + len(START)
