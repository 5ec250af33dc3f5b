"""The losses: equal to PyTorch's or to their formulas, in float32, and so are their gradients."""

import numpy as np
import pytest
from label_losses import asymmetric, cells, differences

from relx.devices.device import open_device
from relx.recipe import DeviceSection, TrainSection

open_device(DeviceSection(precision="float32"), 0)

# After the backend is chosen.
import keras  # noqa: E402

from relx.training.fit import compile_for  # noqa: E402
from relx.training.losses import (  # noqa: E402
    LOSSES,
    AsymmetricLoss,
    BinaryCrossEntropy,
    CrossEntropy,
)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
def test_equals_pytorch(smoothing):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 7)).astype(np.float32) * 4
    targets = rng.integers(0, 7, 6)
    weights = np.full(6, 1 / 6, np.float32)
    ours = float(CrossEntropy(smoothing)(targets, logits, weights))
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(targets), label_smoothing=smoothing
    )
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_a_weight_of_zero_leaves_a_row_out_whatever_its_logits():
    logits = np.array([[2.0, 0.0], [1e4, -1e4]], np.float32)
    targets = np.array([0, 1])
    both = float(CrossEntropy()(targets, logits, np.array([1.0, 0.0])))
    alone = float(CrossEntropy()(targets[:1], logits[:1], np.array([1.0])))
    assert both == pytest.approx(alone)


def test_float16_logits_are_summed_in_float32():
    # A float16 sum of ones stops at 2,048, and exp(11) four thousand times is past its range.
    logits = np.full((1, 4000), 11.0, np.float16)
    loss = float(CrossEntropy()(np.array([3]), logits, np.array([1.0])))
    assert loss == pytest.approx(np.log(4000), abs=1e-5)


def test_positions_have_weights_of_their_own():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 5)).astype(np.float32)
    targets = rng.integers(0, 5, (2, 3))
    weights = np.array([[0.5, 0, 0], [0, 0.5, 0]], np.float32)
    chosen = logits[[0, 1], [0, 1]]
    expected = CrossEntropy()(targets[[0, 1], [0, 1]], chosen, np.array([0.5, 0.5]))
    assert float(CrossEntropy()(targets, logits, weights)) == pytest.approx(float(expected))


def gradient(loss, true, logits, weights):
    """The gradient of a loss with respect to the logits, as training computes it."""
    tensorflow = pytest.importorskip("tensorflow")
    at = tensorflow.Variable(logits)
    with tensorflow.GradientTape() as tape:
        value = loss(true, at, weights)
    return tape.gradient(value, at).numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("positive_weights", [None, [1.0, 2.0, 0.5, 30.0, 3.0]])
def test_binary_cross_entropy_equals_pytorch(smoothing, positive_weights):
    torch = pytest.importorskip("torch")
    true, logits, weights = cells()
    ours = float(BinaryCrossEntropy(smoothing, positive_weights)(true, logits, weights))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits),
        torch.tensor(true * (1 - smoothing) + smoothing / 2),
        pos_weight=None if positive_weights is None else torch.tensor(positive_weights),
    )
    assert ours == pytest.approx(float(theirs), rel=1e-6)


SETTINGS = [(1.0, 4.0, 0.05), (0.0, 4.0, 0.0), (2.0, 2.0, 0.2), (0.0, 0.0, 0.05), (0.5, 0.5, 0.3)]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_asymmetric_loss_is_the_papers_formula(settings, smoothing):
    true, logits, weights = cells(seed=1)
    ours = float(AsymmetricLoss(smoothing, *settings)(true, logits, weights))
    assert ours == pytest.approx(asymmetric(true, logits, *settings, smoothing), rel=2e-6)


@pytest.mark.parametrize("settings", SETTINGS)
def test_asymmetric_gradient_is_the_whole_one(settings):
    true, logits, weights = cells(seed=2, scale=2.0)
    found = gradient(AsymmetricLoss(0.0, *settings), true, logits, weights)
    assert found == pytest.approx(
        differences(lambda at: asymmetric(true, at, *settings), logits), rel=1e-4, abs=1e-7
    )


def test_binary_cross_entropys_gradient_is_probability_less_truth():
    true, logits, weights = cells(seed=3)
    found = gradient(BinaryCrossEntropy(0.1), true, logits, weights)
    smoothed = true * 0.9 + 0.05
    assert found == pytest.approx((1 / (1 + np.exp(-logits)) - smoothed) / true.size, abs=1e-7)


def test_without_focus_and_margin_it_is_binary_cross_entropy():
    true, logits, weights = cells(seed=4)
    expected = float(BinaryCrossEntropy(0.1)(true, logits, weights))
    assert float(AsymmetricLoss(0.1, 0, 0, 0)(true, logits, weights)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "loss",
    [
        BinaryCrossEntropy(0.1),
        AsymmetricLoss(),
        AsymmetricLoss(0.0, 0.0, 0.0, 0.05),
        AsymmetricLoss(0.0, 0.5, 0.5, 0.05),
        AsymmetricLoss(margin=0.0),
    ],
)
def test_extreme_logits_have_a_loss_and_a_gradient(loss):
    edge = np.log(0.05 / 0.95)  # a probability of the margin, but for rounding
    logits = np.array([[-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4, edge]] * 2, np.float32)
    true = np.repeat([[0.0], [1.0]], 8, axis=1).astype(np.float32)
    weights = np.full(2, 0.5, np.float32)
    assert np.isfinite(float(loss(true, logits, weights)))
    assert np.isfinite(gradient(loss, true, logits, weights)).all()


def test_a_false_label_costs_nothing_up_to_the_margin():
    p = np.array([[0.01, 0.049], [0.2, 0.3]])
    logits = np.log(p / (1 - p))
    true, weights = np.zeros((2, 2), np.float32), np.full(2, 0.5, np.float32)
    slopes = gradient(AsymmetricLoss(), true, logits.astype(np.float32), weights)
    assert slopes[0].tolist() == [0, 0]
    assert (slopes[1] > 0).all()


@pytest.mark.parametrize("name", ["binary_cross_entropy", "asymmetric"])
def test_the_loss_of_a_row_does_not_grow_with_its_labels(name):
    true, logits, weights = cells(labels=3, seed=5)
    few, many = (
        float(LOSSES[name]()(np.tile(true, times), np.tile(logits, times), weights))
        for times in (1, 10)
    )
    assert many == pytest.approx(few)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "asymmetric"])
def test_a_row_of_no_weight_is_left_out(name):
    true, logits, _ = cells(rows=2, seed=6)
    logits[1] = [1e4, -1e4, 1e4, -1e4, 0]
    both = float(LOSSES[name]()(true, logits, np.array([1.0, 0.0])))
    alone = float(LOSSES[name]()(true[:1], logits[:1], np.array([1.0])))
    assert both == pytest.approx(alone)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_row_of_n_labels_costs_what_n_rows_of_one_would(smoothing):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 3, (5, 4)).astype(np.float32)
    true = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
    found = LOSSES["soft_cross_entropy"](smoothing).call(true.astype(np.float32), logits)
    one = LOSSES["cross_entropy"](smoothing)
    for row, loss in enumerate(np.asarray(found)):
        copies = np.flatnonzero(true[row])
        expected = sum(float(one.call(np.array([c]), logits[row : row + 1])[0]) for c in copies)
        assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_losses_are_rebuilt_from_their_arguments():
    options = {
        "cross_entropy": {"label_smoothing": 0.2},
        "focal": {"label_smoothing": 0.1, "gamma": 1.5},
        "binary_cross_entropy": {"label_smoothing": 0.1, "positive_weights": [1.0, 2.0]},
        "asymmetric": {"label_smoothing": 0.1, "positive": 2.0, "negative": 3.0, "margin": 0.1},
        "soft_cross_entropy": {"label_smoothing": 0.3},
    }
    assert options.keys() == LOSSES.keys()
    for name, given in options.items():
        loss = LOSSES[name](**given)
        again = keras.losses.deserialize(keras.losses.serialize(loss))
        assert again.get_config() == given | {"name": name}


def test_options_reach_the_loss_that_a_model_is_compiled_with():
    device = open_device(DeviceSection(precision="float32"), 0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    options = {"positive": 2.0, "negative": 3.0, "margin": 0.1}
    compile_for(device, model, TrainSection(), 10, 0.1, "asymmetric", options)
    assert model.loss.get_config() == options | {"label_smoothing": 0.1, "name": "asymmetric"}
    weighted = {"positive_weights": [3.0, 0.5]}
    compile_for(device, model, TrainSection(), 10, 0.0, "binary_cross_entropy", weighted)
    assert model.loss.positive_weights == [3.0, 0.5]
    with pytest.raises(TypeError, match="margin"):
        compile_for(device, model, TrainSection(), 10, 0.0, "cross_entropy", {"margin": 0.1})
