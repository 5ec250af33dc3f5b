"""Fresh last layers: of every architecture, of the last layers alone, and by the seed alone."""

import dataclasses

import keras
import numpy as np
import pytest

from relx.devices.device import open_device
from relx.faults import InputError
from relx.models.encoder.build import build_encoder
from relx.models.encoder.families.registry import CONFIGURATIONS
from relx.models.encoder.redraw import redraw_last_layers
from relx.recipe import DeviceSection

LAYERS = 3
OWN = {  # what turns on every weight that a layer of the family can have
    "deberta-v2": {"pos_att_type": ("p2c", "c2p"), "share_att_key": False},
    "modernbert": {"attention_bias": True, "mlp_bias": True, "norm_bias": True},
}


def shaken(kind):
    """An encoder none of whose weights is where a fresh one's would be."""
    open_device(DeviceSection(precision="float32"), 0)
    sizes = (90, 48, LAYERS, 4, 64, 40)
    configuration = CONFIGURATIONS[kind](*sizes, **OWN.get(kind, {}))
    encoder = build_encoder(configuration, "zeros")
    for index, variable in enumerate(encoder.weights):
        noise = np.random.default_rng(index).normal(3, 1, variable.shape)
        variable.assign(noise.astype(np.float32))
    return encoder


def values(layer):
    return {variable.path: np.array(variable) for variable in layer.weights}


def kernel(layer):
    return next(np.array(variable) for variable in layer.weights if variable.name == "kernel")


@pytest.mark.parametrize("kind", [kind for kind in CONFIGURATIONS if kind != "albert"])
def test_the_last_layers_are_fresh_and_nothing_else_is(kind):
    encoder = shaken(kind)
    before = values(encoder)
    said = redraw_last_layers(encoder, 2, 7)
    assert said == "the last 2 of 3 layers start from fresh weights (train.reinit_layers)"
    last = {path for layer in encoder.transformer_layers[1:] for path in values(layer)}
    after = values(encoder)
    assert {path for path in after if (after[path] != before[path]).any()} == last
    for path in last:
        name = path.rpartition("/")[2]
        if name == "kernel":
            assert np.abs(after[path]).max() <= 0.04  # truncated at two deviations of 0.02
            assert after[path].std() == pytest.approx(0.0176, rel=0.1)
            assert after[path].mean() == pytest.approx(0, abs=2e-3)
        else:
            assert (after[path] == {"bias": 0, "beta": 0, "gamma": 1}[name]).all()
    one, other = (kernel(layer) for layer in encoder.transformer_layers[1:])
    assert (one != other).any()


def test_the_numbers_are_the_seeds_alone():
    found = []
    for seed, count in ((7, 1), (7, 3), (8, 1)):
        encoder = shaken("bert")
        redraw_last_layers(encoder, count, seed)
        found.append(np.array(encoder.transformer_layers[-1].query_dense.kernel))
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_all_layers_can_be_redrawn_and_no_more(kind):
    encoder = shaken(kind)
    redraw_last_layers(encoder, LAYERS, 0)
    with pytest.raises(InputError) as caught:
        redraw_last_layers(encoder, LAYERS + 1, 0)
    (fault,) = caught.value.faults
    assert (fault.where, fault.received, fault.allowed) == ("train.reinit_layers", "4", "0 to 3")


def test_layers_that_share_weights_are_refused():
    encoder = shaken("albert")
    before = values(encoder)
    with pytest.raises(InputError, match="its last ones are its first ones"):
        redraw_last_layers(encoder, 1, 0)
    assert all((value == before[path]).all() for path, value in values(encoder).items())


def test_an_albert_whose_layers_share_nothing_is_not():
    configuration = CONFIGURATIONS["albert"](90, 48, LAYERS, 4, 64, 40)
    apart = dataclasses.replace(configuration, num_hidden_groups=LAYERS)
    assert redraw_last_layers(build_encoder(apart), 1, 0)


def test_a_redrawn_encoder_computes():
    encoder = shaken("electra")
    redraw_last_layers(encoder, 1, 0)
    ids = np.ones((1, 4), np.int32)
    states = encoder({"token_ids": ids, "padding_mask": ids, "segment_ids": ids * 0})
    assert np.isfinite(keras.ops.convert_to_numpy(states)).all()
