"""Multi-sample dropout: masks of their own, losses averaged, and the prediction of one mask."""

import keras
import numpy as np
import pytest
from class_losses import classes, shares
from keras import ops

from relx.data.tokenizing.pooling import Pooling
from relx.devices.device import open_device
from relx.models.classifier import SampledDropout, assign_head, head_weights, span_classifier
from relx.models.encoder.load import load_encoder
from relx.recipe import DeviceSection, FreshSizes, FreshSource
from relx.training.losses import CrossEntropy
from relx.training.mixed_losses import MeanOverSamples, make_loss

SIZES = FreshSizes(layers=1, hidden=12, heads=3, intermediate=20, vocabulary=60)


@pytest.fixture(scope="module")
def loaded():
    open_device(DeviceSection(precision="float32"), 0)
    return load_encoder(FreshSource(fresh=SIZES), sentences=lambda: ["가람은 왔다."] * 3, seed=1)


def classifier(loaded, samples):
    sizes = {"classes": 5, "pooling": Pooling(2, "start"), "dropout": 0.4, "seed": 3}
    return span_classifier(loaded.encoder, **sizes, dropout_samples=samples)


def inputs():
    ids = np.arange(14, dtype=np.int32).reshape(2, 7)
    spans = np.array([[[1, 2], [3, 4]], [[2, 3], [5, 6]]], np.int32)
    mask = np.ones_like(ids)
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": ids * 0, "spans": spans}


def test_each_mask_is_a_row_of_its_own_and_scales_what_it_keeps():
    x = np.ones((50, 40), np.float32)
    found = ops.convert_to_numpy(SampledDropout(0.25, 3, seed=1)(x, training=True))
    assert found.shape == (50, 3, 40)
    assert np.unique(found) == pytest.approx([0, 1 / 0.75])
    assert (found == 0).mean(axis=(0, 2)) == pytest.approx([0.25] * 3, abs=0.04)
    assert all((found[:, i] != found[:, j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))


def test_the_loss_is_the_mean_of_losses_and_not_that_of_mean_logits():
    true, logits, _ = classes(rows=4)
    several = np.stack([logits, 2 * logits[::-1], -logits], axis=1)
    weights = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    loss = MeanOverSamples(CrossEntropy(0.1))
    truth = 0.9 * np.eye(5)[true] + 0.1 / 5
    costs = -(truth[:, None] * np.log(shares(several))).sum(axis=-1).mean(axis=1)
    ours = float(loss(true, several, weights))
    assert ours == pytest.approx((weights * costs).sum(), rel=1e-5)
    of_mean = float(CrossEntropy(0.1)(true, several.mean(axis=1), weights))
    assert of_mean < ours - 0.1


def test_logits_without_samples_have_the_loss_that_they_had():
    true, logits, weights = classes()
    loss = make_loss("focal", 0.1, {"gamma": 2.0, "dropout_samples": 4})
    plain = make_loss("focal", 0.1, {"gamma": 2.0})
    assert float(loss(true, logits, weights)) == float(plain(true, logits, weights))
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()


def test_prediction_and_weights_are_those_of_one_mask(loaded):
    one, several = classifier(loaded, 1), classifier(loaded, 4)
    ours, theirs = head_weights(several), head_weights(one)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assign_head(one, ours)
    assert (several.predict(inputs(), verbose=0) == one.predict(inputs(), verbose=0)).all()


def test_in_training_every_mask_has_logits_of_its_own(loaded):
    model = classifier(loaded, 4)
    trained = ops.convert_to_numpy(model(inputs(), training=True))
    assert trained.shape == (2, 4, 5)
    assert model.output.shape == (None, 5)
    assert len({row.tobytes() for row in trained[0]}) == 4
