"""A training step of each loss of many labels is the step that its formula gives."""

import keras
import numpy as np
import pytest
from label_losses import asymmetric, binary, cells, differences

from relx.training.losses import LOSSES

WEIGHTS = [1.0, 4.0, 0.5, 2.0, 9.0]
CASES = {
    "binary_cross_entropy": (
        {"label_smoothing": 0.1, "positive_weights": WEIGHTS},
        lambda true, logits: binary(true, logits, WEIGHTS, 0.1),
    ),
    "asymmetric": (
        {"positive": 1.0, "negative": 4.0, "margin": 0.05},
        lambda true, logits: asymmetric(true, logits, 1.0, 4.0, 0.05),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_that_of_the_formula(open_, name):
    device, (options, formula) = open_(), CASES[name]
    true, read, weights = cells(rows=7, scale=1.0)
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
