"""The losses of one label: equal to their formulas, and to others' where there are others'."""

import numpy as np
import pytest
from class_losses import classes, focal, shares

from relx.devices.device import open_device
from relx.recipe import DeviceSection

open_device(DeviceSection(precision="float32"), 0)

# After the backend is chosen.
import keras  # noqa: E402

from relx.training.losses import LOSSES, CrossEntropy, FocalLoss  # noqa: E402


def gradient(loss, true, logits, weights):
    """The gradient of a loss with respect to the logits, as training computes it."""
    tensorflow = pytest.importorskip("tensorflow")
    at = tensorflow.Variable(logits)
    with tensorflow.GradientTape() as tape:
        value = loss(true, at, weights)
    return tape.gradient(value, at).numpy()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_focal_loss_is_its_formula_and_keras_own(gamma, smoothing):
    true, logits, weights = classes()
    ours = float(FocalLoss(smoothing, gamma)(true, logits, weights))
    assert ours == pytest.approx(focal(true, logits, gamma, smoothing), rel=2e-6)
    options = {"alpha": 1.0, "gamma": gamma, "label_smoothing": smoothing, "from_logits": True}
    theirs = keras.losses.CategoricalFocalCrossentropy(**options)(np.eye(5)[true], logits)
    assert ours == pytest.approx(float(theirs), rel=1e-4)


def test_the_focal_factor_is_a_rows_own_and_not_the_batchs():
    true, logits, weights = classes(rows=9, seed=3)
    of_rows = np.log(shares(logits)[np.arange(9), true])
    of_the_mean = (1 - np.exp(of_rows.mean())) ** 2 * -of_rows.mean()
    ours = float(FocalLoss(0.0, 2.0)(true, logits, weights))
    one_by_one = [float(FocalLoss(0.0, 2.0)(true[i : i + 1], logits[i : i + 1])) for i in range(9)]
    assert ours == pytest.approx(np.mean(one_by_one), rel=1e-5)
    assert abs(ours - of_the_mean) > 0.05


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_without_focus_it_is_cross_entropy(smoothing):
    true, logits, weights = classes(seed=1)
    expected = float(CrossEntropy(smoothing)(true, logits, weights))
    assert float(FocalLoss(smoothing, 0.0)(true, logits, weights)) == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_focal_loss_of_sure_rows_is_finite_and_so_is_its_gradient(gamma, smoothing):
    logits = np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4], [90, 0, 0], [20, 0, 0]], np.float32)
    true, weights = np.zeros(4, np.int32), np.full(4, 0.25, np.float32)
    loss = LOSSES["focal"](smoothing, gamma)
    assert np.isfinite(float(loss(true, logits, weights)))
    assert np.isfinite(gradient(loss, true, logits, weights)).all()
