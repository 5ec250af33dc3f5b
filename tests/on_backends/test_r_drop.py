"""R-Drop's loss and step are those of the paper's formula, whole and in parts."""

import keras
import numpy as np
import pytest
from keras import ops
from label_losses import differences

from relx.faults import InputError
from relx.recipe import TrainSection
from relx.training.losses import LOSSES
from relx.training.steps.choose import stepping
from relx.training.steps.r_drop import divergence

ALPHA, ROWS = 3.0, 6
NOISE = np.random.default_rng(3)
READ = NOISE.normal(size=(ROWS, 5)).astype(np.float32)
KERNEL = NOISE.normal(size=(5, 4)).astype(np.float32)
WEIGHTS = np.array([1, 1, 1, 1, 1, 0], np.float32) / 5
CLASSES = np.array([0, 3, 1, 1, 2, 0], np.int32)
CELLS = (NOISE.random((ROWS, 4)) < 0.4).astype(np.float32)
MASKS = np.array([[0, 2, 2, 2, 0], [2, 2, 0, 2, 2]], np.float32)


class Alternate(keras.layers.Layer):
    """Dropout whose masks are known: the two of `MASKS`, in turn."""

    def build(self, shape):
        self.seen = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="seed_generator_state",
        )

    def call(self, x, training=False):
        if not training:
            return x
        mask = ops.convert_to_tensor(MASKS)[self.seen % 2]
        self.seen.assign(self.seen + 1)
        return x * mask


def logarithms(logits, softmax):
    """The logarithms of all probabilities: of labels, or of each label's true and false."""
    if softmax:
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return np.stack([-np.log1p(np.exp(-logits)), -np.log1p(np.exp(logits))], -1)


def kl(one, other, softmax):
    p, q = logarithms(one, softmax), logarithms(other, softmax)
    terms = np.exp(p) * (p - q)
    return terms.sum(-1) if softmax else terms.sum(-1).mean(-1)


def papers_loss(kernel, softmax):
    """Half of equation 4, in float64."""
    total = 0
    logits = [(READ * mask).astype(np.float64) @ kernel for mask in MASKS]
    for own in logits:
        if softmax:
            total += -WEIGHTS @ logarithms(own, True)[np.arange(ROWS), CLASSES]
        else:
            total += binary_of_rows(own)
    both = kl(*logits, softmax) + kl(*logits[::-1], softmax)
    return total / 2 + ALPHA / 2 * (WEIGHTS @ both) / 2


def binary_of_rows(logits):
    p, q = np.moveaxis(logarithms(logits, False), -1, 0)
    return -WEIGHTS @ (CELLS * p + (1 - CELLS) * q).mean(-1)


def model_for(device, softmax, alpha=ALPHA):
    with device.scope():
        inputs = keras.Input((5,), name="rows")
        layer = keras.layers.Dense(4, use_bias=False)
        plain = keras.Model({"rows": inputs}, layer(Alternate()(inputs)))
        layer.kernel.assign(KERNEL)
        model = stepping(plain, device, TrainSection(r_drop=alpha), softmax)
        loss = LOSSES["cross_entropy" if softmax else "binary_cross_entropy"]()
        options = {"jit_compile": device.compiles, "auto_scale_loss": False}
        model.compile(keras.optimizers.SGD(1.0), loss, **options)
    return model, layer


@pytest.mark.parametrize("softmax", [True, False])
def test_a_step_is_that_of_the_paper(open_, softmax):
    model, layer = model_for(open_(), softmax)
    targets = CLASSES if softmax else CELLS
    value = model.train_on_batch({"rows": READ}, targets, sample_weight=WEIGHTS)
    assert float(np.ravel(value)[0]) == pytest.approx(papers_loss(KERNEL, softmax), rel=1e-5)
    slopes = differences(lambda at: papers_loss(at, softmax), KERNEL)
    assert ops.convert_to_numpy(layer.kernel) == pytest.approx(KERNEL - slopes, abs=3e-6)
    plain = model.evaluate({"rows": READ}, targets, sample_weight=WEIGHTS, verbose=0)
    kernel = ops.convert_to_numpy(layer.kernel)
    logits = READ.astype(np.float64) @ kernel
    expected = (
        -WEIGHTS @ logarithms(logits, True)[np.arange(ROWS), CLASSES]
        if softmax
        else binary_of_rows(logits)
    )
    assert float(plain) == pytest.approx(expected, rel=1e-5)  # once, without a mask


def test_the_parts_of_a_batch_add_up(open_):
    total = np.zeros_like(KERNEL)
    model, layer = model_for(open_(), True)
    for part in (slice(0, 3), slice(3, 6)):
        layer.kernel.assign(KERNEL)
        model.train_on_batch({"rows": READ[part]}, CLASSES[part], sample_weight=WEIGHTS[part])
        total += ops.convert_to_numpy(layer.kernel) - KERNEL
    slopes = differences(lambda at: papers_loss(at, True), KERNEL)
    assert total == pytest.approx(-slopes, abs=3e-6)


@pytest.mark.parametrize("softmax", [True, False])
def test_the_divergence_is_that_of_the_definition(open_, softmax):
    open_()
    one, other = NOISE.normal(scale=3, size=(2, 7, 4)).astype(np.float32)
    expected = kl(*map(np.float64, (one, other)), softmax) + kl(
        *map(np.float64, (other, one)), softmax
    )
    found = ops.convert_to_numpy(divergence(one, other, softmax))
    assert found == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(ops.convert_to_numpy(divergence(one * 1e4, other, softmax))).all()
    assert (ops.convert_to_numpy(divergence(one, one, softmax)) == 0).all()


def test_without_dropout_it_is_refused(open_, trainer):
    with pytest.raises(InputError, match="every rate is 0") as caught:
        trainer(open_(), dropout=0.0, r_drop=1.0)
    assert "train.dropout" in caught.value.faults[0].next_step
    assert trainer(open_(), dropout=0.0, r_drop=0.0).model.name == "span_classifier"
