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


def test_r_drop_is_not_negative():
    assert "train.r_drop" in refused(ENCODER, r_drop=-1.0)
