"""Options of the training step: what cannot work is refused where the recipe is read."""

import pytest

from relx.faults import InputError
from relx.recipe_file import recipe_from_tree

ENCODER = {"name": "a", "encoder": {"from": "some/encoder"}}
DECODER = {"name": "a", "decoder": {"from": "some/decoder"}}


def refused(tree, **train):
    with pytest.raises(InputError) as caught:
        recipe_from_tree({**tree, "train": train})
    return " ".join(str(fault) for fault in caught.value.faults)


def test_r_drop_of_a_decoder_needs_its_adapters_dropout():
    assert recipe_from_tree({**DECODER, "train": {"r_drop": 1.0}}).train.r_drop == 1.0
    undropped = {"name": "a", "decoder": {"from": "some/decoder", "lora": {"dropout": 0.0}}}
    assert recipe_from_tree(undropped).train.r_drop == 0.0
    assert "decoder.lora.dropout is 0" in refused(undropped, r_drop=1.0)


OUTSIDE = {
    "r_drop": [-1.0],
    "layer_decay": [0.0, 1.01],
    "ema": [0.0, 1.0],
    "swa": [1],
    "adversarial_radius": [0.0],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in OUTSIDE.items() for value in values]
)
def test_a_value_out_of_range_is_refused(key, value):
    assert f"train.{key}" in refused(ENCODER, **{key: value})


def test_adversarial_training_is_one_step_with_one_radius():
    assert "only with adversarial: fgm" in refused(ENCODER, adversarial_radius=2.0)
    assert "leave one of both out" in refused(ENCODER, adversarial="fgm", r_drop=1.0)


def test_averages_that_cannot_be_are_refused():
    assert recipe_from_tree({**DECODER, "train": {"ema": 0.9}}).train.ema == 0.9
    assert recipe_from_tree({**ENCODER, "train": {"swa": 5, "epochs": 5}}).train.swa == 5
    assert "one average is evaluated" in refused(ENCODER, ema=0.9, swa=2)
    assert "6 epochs cannot be averaged, epochs is 5" in refused(ENCODER, swa=6, epochs=5)
    assert "patience may end before them" in refused(ENCODER, swa=2, patience=1)


def test_two_options_that_compare_masks_are_refused():
    assert "both compare masks" in refused(ENCODER, r_drop=1.0, dropout_samples=3)
    together = {"r_drop": 1.0, "focal": 2.0, "ema": 0.9, "layer_decay": 0.9}
    assert recipe_from_tree({**ENCODER, "train": together}).train.focal == 2.0


@pytest.mark.parametrize(("key", "value"), [("layer_decay", 0.9), ("adversarial", "fgm")])
def test_what_only_an_encoder_has_is_refused_of_a_decoder(key, value):
    assert getattr(recipe_from_tree({**ENCODER, "train": {key: value}}).train, key) == value
    assert f"train.{key}: only an encoder has it" in refused(DECODER, **{key: value})
