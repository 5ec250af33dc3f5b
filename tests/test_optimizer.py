"""Accumulation on one device and on two: a batch in parts on replicas is one batch."""

import functools

import keras
import numpy as np
import pytest
from toy_fit import Rows, toy_model, train

from relx.recipe import DeviceSection
from relx.training.averages import Averages


def section(replicas, precision):
    strategy = "mirrored" if replicas > 1 else "one"
    return DeviceSection(strategy=strategy, precision=precision, virtual_devices=replicas)


@functools.cache
def on_one_device(precision):
    return train(section(1, precision))[1]


@pytest.mark.parametrize(
    ("replicas", "parts", "precision", "tolerance"),
    [
        (1, 4, "float32", 1e-6),
        (2, 4, "float32", 1e-6),
        (1, 2, "mixed_bfloat16", 2e-3),
        (2, 2, "mixed_float16", 2e-3),
    ],
)
def test_parts_and_replicas_change_nothing(replicas, parts, precision, tolerance):
    one = on_one_device(precision)
    model, result = train(section(replicas, precision), parts)
    for name, value in vars(one).items():
        np.testing.assert_allclose(getattr(result, name), value, atol=tolerance, rtol=0)
    assert one.losses[1] < one.losses[0]
    steps = keras.ops.convert_to_numpy(model.optimizer.iterations)
    assert steps == 6  # 22 rows in batches of 8, twice: the schedule counts batches


def test_replicas_average_what_one_device_averages():
    found = []
    for replicas, parts in ((1, 1), (2, 2)):
        averages = Averages(0.8)
        train(section(replicas, "float32"), parts, averages=averages)
        weights = [keras.ops.convert_to_numpy(weight) for weight in averages.weights]
        with averages.in_place():
            averaged = [keras.ops.convert_to_numpy(weight) for weight in averages.weights]
        assert all((a != b).any() for a, b in zip(averaged, weights, strict=True))
        again = [keras.ops.convert_to_numpy(weight) for weight in averages.weights]
        assert all((a == b).all() for a, b in zip(again, weights, strict=True))
        found.append(averaged)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6, rtol=0)


def test_replicas_and_parts_move_token_vectors_as_one_device_does():
    options = {"adversarial": "fgm", "adversarial_radius": 0.5}
    _, one = train(section(1, "float32"), **options)
    _, two = train(section(2, "float32"), 2, **options)
    for name, value in vars(one).items():
        np.testing.assert_allclose(getattr(two, name), value, atol=2e-6, rtol=0)
    assert np.abs(one.weights - on_one_device("float32").weights).max() > 1e-3


def test_an_overflow_in_one_part_on_one_replica_skips_the_batch_everywhere():
    class Spoilt(Rows):
        @classmethod
        def training(cls, batch, rng):
            inputs, targets, weights = super().training(batch, rng)
            weights[1] = np.inf  # in the first of two parts, on the first replica
            return inputs, targets, weights

    model, result = train(section(2, "mixed_float16"), 2, Spoilt)
    start = np.concatenate([np.ravel(w) for w in toy_model().get_weights()])
    assert (result.weights == start).all()
    scale = keras.ops.convert_to_numpy(model.optimizer.dynamic_scale)
    assert scale == model.optimizer.initial_scale / 2**6
