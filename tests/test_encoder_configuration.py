import json

import pytest

from relx.faults import InputError
from relx.models.encoder.configuration import configuration_from_dict, read_configuration
from relx.models.encoder.families.bert import BertConfig
from relx.models.encoder.families.registry import configuration_of
from relx.models.encoder.families.roberta import RobertaConfig

ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 100,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 34,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-05,
    "hidden_act": "gelu",
    "pad_token_id": 1,
}


def test_roberta_positions_start_after_the_padding_id():
    configuration = configuration_from_dict(ROBERTA, "config.json")
    assert (configuration.position_offset, configuration.max_sequence_length) == (2, 32)
    bert = configuration_from_dict(ROBERTA | {"model_type": "bert"}, "config.json")
    assert (bert.position_offset, bert.max_sequence_length) == (0, 34)


def test_a_configuration_comes_back_from_its_dictionary():
    configuration = configuration_from_dict(ROBERTA, "config.json")
    again = configuration_from_dict(json.loads(json.dumps(configuration.to_dict())), "config.json")
    assert again == configuration == configuration_of(configuration.to_dict(), RobertaConfig)
    assert configuration_of(configuration, RobertaConfig) is configuration
    with pytest.raises(TypeError, match="RobertaConfig is not a BertConfig"):
        configuration_of(configuration.to_dict(), BertConfig)


def test_keys_that_change_nothing_are_passed_over():
    more = {"use_cache": True, "transformers_version": "4.1", "position_embedding_type": "absolute"}
    more |= {"is_decoder": False, "pruned_heads": {}, "embedding_size": 12, "bos_token_id": None}
    assert configuration_from_dict(ROBERTA | more, "c") == configuration_from_dict(ROBERTA, "c")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("embedding_size", 6),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 4}),
        ("hidden_act", "gelu_10"),
        ("vocab_size", "100"),
        ("num_hidden_layers", True),
        ("hidden_dropout_prob", 1.0),
        ("layer_norm_eps", "1e-5"),
        ("num_attention_heads", 5),
        ("max_position_embeddings", 2),
        ("pad_token_id", -1),
    ],
)
def test_what_the_encoder_cannot_do_is_an_error_and_never_ignored(key, value):
    with pytest.raises(InputError, match=key) as caught:
        configuration_from_dict(ROBERTA | {key: value}, "config.json")
    assert len(caught.value.faults) == 1


def test_all_faults_are_told_at_once():
    wrong = ROBERTA | {"hidden_act": "x", "is_decoder": True}
    del wrong["hidden_size"]
    with pytest.raises(InputError) as caught:
        configuration_from_dict(wrong, "config.json")
    where = {fault.where for fault in caught.value.faults}
    assert where == {f"config.json: {k}" for k in ("hidden_act", "is_decoder", "hidden_size")}


def test_an_unknown_architecture_is_an_error_with_the_nearest_known():
    with pytest.raises(InputError, match="did you mean roberta"):
        configuration_from_dict(ROBERTA | {"model_type": "robertta"}, "config.json")


def test_a_folder_without_configuration_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        read_configuration(tmp_path)
