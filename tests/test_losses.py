"""The loss: equal to PyTorch's, with smoothing, in float32, and zero where the weight is zero."""

import numpy as np
import pytest

from relx.devices.device import open_device
from relx.recipe import DeviceSection

open_device(DeviceSection(precision="float32"), 0)

from relx.training.losses import CrossEntropy  # noqa: E402 - after the backend is chosen


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
