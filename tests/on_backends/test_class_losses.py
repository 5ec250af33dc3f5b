"""A training step of each loss of one label is the step that its formula gives."""

import keras
import numpy as np
import pytest
from class_losses import classes, focal
from label_losses import differences

from relx.training.losses import LOSSES

CASES = {
    "focal": ("focal", {"gamma": 2.0}, lambda true, z: focal(true, z, 2.0)),
    "focal, smoothed": (
        "focal",
        {"gamma": 0.5, "label_smoothing": 0.1},
        lambda true, z: focal(true, z, 0.5, 0.1),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_that_of_the_formula(open_, case):
    device, (name, options, formula) = open_(), CASES[case]
    true, read, weights = classes(rows=7, scale=1.0)
    with device.scope():
        layer = keras.layers.Dense(5, use_bias=False)
        model = keras.Sequential([keras.Input((5,)), layer])
        kernel = np.random.default_rng(1).normal(size=(5, 5)).astype(np.float32)
        layer.kernel.assign(kernel)
        loss = LOSSES[name](**options)
        model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=device.compiles)
    value = model.train_on_batch(read, true, sample_weight=weights)
    assert float(np.ravel(value)[0]) == pytest.approx(formula(true, read @ kernel), rel=1e-5)
    slopes = differences(lambda at: formula(true, read.astype(np.float64) @ at), kernel)
    moved = keras.ops.convert_to_numpy(layer.kernel)
    assert moved == pytest.approx(kernel - slopes, abs=2e-6)
