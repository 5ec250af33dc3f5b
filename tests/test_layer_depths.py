"""Each weight of every architecture lies as deep below the head as its layer does."""

import re

import keras
import pytest
from encoder_models import FAMILIES, configured

from relx.data.tokenizing.pooling import Pooling
from relx.faults import InputError
from relx.models.classifier import span_classifier
from relx.models.encoder.build import build_encoder, encoder_weights
from relx.models.encoder.configuration import read_configuration
from relx.models.encoder.depths import layer_depths

OTHERS = ("deberta-v2, own positions, two token types", "modernbert, every bias, tanh gelu")


def built(case, folder):
    keras.config.set_dtype_policy("float32")
    configured(case).save_pretrained(folder)
    encoder = build_encoder(read_configuration(folder))
    sizes = {"classes": 3, "pooling": Pooling(2, "start"), "dropout": 0.1, "seed": 0}
    return encoder, span_classifier(encoder, **sizes)


def expected_depths(encoder):
    """The depths by the names that the weights have on disk."""
    weights = encoder_weights(encoder, 97, 0)
    number = re.compile(r"(?:layer|layers|albert_layer_groups)\.(\d+)\.")
    found = {weight.keys: number.search(weight.keys[0]) for weight in weights}
    count = 1 + max(int(match[1]) for match in found.values() if match)
    depths = {}
    for weight in weights:
        match = found[weight.keys]
        deep = 1 if "final_norm" in weight.keys[0] else count + 1
        depths[id(weight.variable)] = count - int(match[1]) if match else deep
    return depths, count


@pytest.mark.parametrize("case", [*FAMILIES, *OTHERS])
def test_depths_are_those_of_the_layers_on_disk(case, tmp_path):
    encoder, model = built(case, tmp_path)
    expected, count = expected_depths(encoder)
    found = layer_depths(encoder, model)
    variables = model.trainable_variables
    assert len(found) == len(variables)
    for variable, depth in zip(variables, found, strict=True):
        assert depth == expected.get(id(variable), 0), variable.path
    heads = [v.path for v, depth in zip(variables, found, strict=True) if depth == 0]
    assert sorted({path.split("/")[0] for path in heads}) == ["relation_dense", "relation_logits"]
    # of ALBERT's five layers there are two, whose weights the others share
    assert set(found) == set(range(count + 2)) and count == (2 if case == "albert" else 3)


def test_a_weight_whose_layer_is_not_known_is_refused(tmp_path):
    encoder, model = built("bert", tmp_path)
    del encoder.embeddings_layer_norm
    with pytest.raises(InputError, match="cannot be told") as caught:
        layer_depths(encoder, model)
    assert caught.value.faults[0].where == "train.layer_decay"
    assert "embeddings_layer_norm" in caught.value.faults[0].received
