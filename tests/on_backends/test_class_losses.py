"""A training step of each loss of one label is the step that its formula gives."""

import keras
import numpy as np
import pytest
from class_losses import classes, cross_entropy, divergence, focal
from label_losses import differences

from relx.scoring.soft_labels import tempered
from relx.training.mixed_losses import make_loss

CASES = {
    "focal": ("focal", {"gamma": 2.0}, lambda true, z: focal(true, z, 2.0)),
    "focal, smoothed": (
        "focal",
        {"gamma": 0.5, "label_smoothing": 0.1},
        lambda true, z: focal(true, z, 0.5, 0.1),
    ),
}


SOFT = np.random.default_rng(5).dirichlet(np.ones(5), 7)
DISTILLED = {"weight": 0.3, "temperature": 2.0, "one": True}
CASES["distilled"] = (
    "cross_entropy",
    {"label_smoothing": 0.1, "distilled": DISTILLED},
    lambda true, z: (0.7 * cross_entropy(true, z, 0.1) + 0.3 * divergence(SOFT, z, 2.0)).mean(),
)


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_that_of_the_formula(open_, case):
    device, (name, options, formula) = open_(), CASES[case]
    options = dict(options)
    true, read, weights = classes(rows=7, scale=1.0)
    with device.scope():
        layer = keras.layers.Dense(5, use_bias=False)
        model = keras.Sequential([keras.Input((5,)), layer])
        kernel = np.random.default_rng(1).normal(size=(5, 5)).astype(np.float32)
        layer.kernel.assign(kernel)
        loss = make_loss(name, options.pop("label_smoothing", 0.0), options)
        model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=device.compiles)
    targets = true
    if "distilled" in options:
        both = [true[:, None], tempered(SOFT, 2.0, one=True)]
        targets = np.concatenate(both, axis=1).astype(np.float32)
    value = model.train_on_batch(read, targets, sample_weight=weights)
    assert float(np.ravel(value)[0]) == pytest.approx(formula(true, read @ kernel), rel=1e-5)
    slopes = differences(lambda at: formula(true, read.astype(np.float64) @ at), kernel)
    moved = keras.ops.convert_to_numpy(layer.kernel)
    assert moved == pytest.approx(kernel - slopes, abs=2e-6)


def test_several_masks_train_as_one_does_where_they_drop_nothing(open_, trainer, tmp_path):
    found = []
    for name, dropout, samples in (("one", 0.0, 1), ("several", 1e-9, 3)):
        trained = trainer(open_(), dropout=dropout, epochs=1, samples=samples)
        (row,) = trained.fit(tmp_path / name).history
        found.append(np.concatenate([[row["loss"]], *map(np.ravel, trained.weights())]))
    assert trained.model(trained.batch()[0], training=True).shape == (8, 3, 3)
    one, several = found
    assert several[0] == pytest.approx(one[0], abs=1e-5)
    assert np.abs(several - one).max() < 1e-3
