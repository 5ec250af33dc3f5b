"""Adapters in PEFT's files: settings by part, the round trip, and every refusal."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from safetensors.numpy import load_file, save_file

from relx.faults import InputError
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.files.adapter_config import CONFIG_FILE, adapters_for, read_lora
from relx.models.decoder.files.adapters import ADAPTERS_FILE, read_adapters, write_adapters
from relx.models.decoder.layers.linear import Lora
from tests.decoder_models import configuration_of, draw_adapters

LORA = Lora(4, 8.0)
LLAMA = ["q_proj", "v_proj", "down_proj"]


def decoder_of(name, targets, lora=LORA):
    c = configuration_of(name)
    return Decoder(c, adapters=adapters_for(c, targets, lora))


def values_of(decoder):
    return {
        f"{name}.{kind}": ops.convert_to_numpy(getattr(part, f"lora_{kind}"))
        for name, part in decoder.adapted_parts().items()
        for kind in "ab"
    }


def assert_equal(values, others):
    assert values.keys() == others.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(value, others[name])


@pytest.mark.parametrize(
    ("name", "targets", "parts"),
    [
        ("llama", LLAMA, ["q", "v", "down"]),
        ("llama", ["down_proj", "q_proj"], ["q", "down"]),
        ("gpt_neox", ["query_key_value", "dense_4h_to_h"], ["qkv", "down"]),
        ("gpt_neox", ["dense"], ["o"]),
        ("gpt2", ["c_attn"], ["qkv"]),
        ("gpt2", ["c_proj"], ["o", "down"]),  # two modules of this name, as in PEFT
        ("gpt2", "c_fc", ["up"]),
        ("gpt2", "all-linear", ["qkv", "o", "up", "down"]),
        ("gemma2", "all-linear", ["q", "k", "v", "o", "gate", "up", "down"]),
    ],
)
def test_targets_are_named_as_in_the_familys_files(name, targets, parts):
    assert list(adapters_for(configuration_of(name), targets, LORA).items()) == [
        (part, LORA) for part in parts
    ]


@pytest.mark.parametrize(
    ("name", "targets", "guess"),
    [
        ("llama", ["q_porj"], "did you mean q_proj?"),
        ("llama", ["query_key_value"], "all-linear"),
        ("llama", ["q"], "all-linear"),  # our own name of it
        ("gpt_neox", ["qkv"], "all-linear"),
        ("gpt2", ["attn.c_proj"], "did you mean c_proj?"),
        ("llama", ["lm_head"], "all-linear"),
        ("llama", "all_linear", "did you mean all-linear?"),
    ],
)
def test_a_target_that_the_family_does_not_have_is_a_message(name, targets, guess):
    with pytest.raises(InputError) as caught:
        adapters_for(configuration_of(name), targets, LORA)
    (fault,) = caught.value.faults
    assert fault.where == "decoder.lora.targets" and guess in fault.next_step
    assert fault.allowed.endswith("all-linear") and len(fault.allowed.split(", ")) > 3


def test_all_unknown_targets_are_said_at_once_and_none_is_no_target():
    with pytest.raises(InputError) as caught:
        adapters_for(configuration_of("llama"), ["q_proj", "one", "two"], LORA)
    assert [fault.received for fault in caught.value.faults] == ["'one'", "'two'"]
    with pytest.raises(InputError, match="no linear module is named"):
        adapters_for(configuration_of("llama"), [], LORA)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_what_is_written_is_read_again_and_written_alike(tmp_path_factory, data):
    name = data.draw(st.sampled_from(["llama-biases", "gpt_neox", "gpt2", "gemma2"]))
    c = dataclasses.replace(configuration_of(name), num_layers=2)
    c = dataclasses.replace(c, layer_types=c.layer_types[:2])
    parts = list(c.linear_shapes())
    chosen = data.draw(st.sets(st.sampled_from(parts), min_size=1))
    shared = data.draw(st.tuples(st.sampled_from([0.0, 0.05]), st.booleans()))
    numbers = st.tuples(st.integers(1, 5), st.sampled_from([1.0, 2.5, 16.0]))
    adapters = {part: Lora(*data.draw(numbers), *shared) for part in parts if part in chosen}
    decoder, other = (Decoder(c, adapters=adapters) for _ in range(2))
    draw_adapters(decoder, data.draw(st.integers(0, 9)))
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    write_adapters(decoder, one, "base")
    assert read_lora(one, c) == adapters
    read_adapters(other, one)
    assert_equal(values_of(decoder), values_of(other))
    write_adapters(other, two, "base")
    for file in (CONFIG_FILE, ADAPTERS_FILE):
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_a_fused_projection_is_written_head_by_head(tmp_path):
    """gpt_neox: rows 0 to 15 are the first head's query, the next its key, then its value."""
    decoder = decoder_of("gpt_neox", ["query_key_value"])
    part = decoder.adapted_parts()["0.qkv"]
    part.lora_b.assign(np.broadcast_to(np.arange(192.0), (4, 192)))
    write_adapters(decoder, tmp_path, "base")
    module = "base_model.model.gpt_neox.layers.0.attention.query_key_value"
    rows = load_file(tmp_path / ADAPTERS_FILE)[f"{module}.lora_B.weight"][:, 0]
    assert rows[:48:16].tolist() == [0, 64, 128] and rows[48:96:16].tolist() == [16, 80, 144]


def test_adapters_of_half_precision_are_widened(tmp_path):
    decoder = decoder_of("llama", LLAMA)
    draw_adapters(decoder)
    write_adapters(decoder, tmp_path, "base")
    half = {k: v.astype("float16") for k, v in load_file(tmp_path / ADAPTERS_FILE).items()}
    save_file(half, tmp_path / ADAPTERS_FILE)
    rounded = {k: v.astype("float16").astype("float32") for k, v in values_of(decoder).items()}
    read_adapters(decoder, tmp_path)
    assert_equal(values_of(decoder), rounded)


@pytest.mark.parametrize(
    ("name", "changes", "parts"),
    [
        ("llama", {"target_modules": "all-linear", "exclude_modules": ["mlp.up_proj"]}, "qkvogd"),
        ("llama", {"target_modules": r".*\.(q|k)_proj"}, "qk"),
        ("llama", {"target_modules": ["self_attn.q_proj"], "exclude_modules": ".*9.*"}, "q"),
        ("gpt2", {"target_modules": ["attn.c_proj"]}, "o"),
        ("gpt2", {"target_modules": [f"transformer.h.{i}.mlp.c_proj" for i in range(3)]}, "d"),
    ],
)
def test_every_way_of_pefts_to_name_modules_is_understood(name, changes, parts, tmp_path):
    write_config(tmp_path, **changes)
    c = configuration_of(name)
    expected = [part for part in c.linear_shapes() if part[0] in parts]
    assert read_lora(tmp_path, c) == dict.fromkeys(expected, LORA)


def test_patterns_give_parts_their_own_settings(tmp_path):
    patterns = {"rank_pattern": {"self_attn.q_proj": 2}, "alpha_pattern": {"v_proj|down_proj": 3}}
    write_config(tmp_path, use_rslora=True, lora_dropout=0.1, **patterns)
    one = Lora(4, 3.0, 0.1, True)
    read = read_lora(tmp_path, configuration_of("llama"))
    assert read == {"q": Lora(2, 8.0, 0.1, True), "v": one, "down": one}


def write_config(folder, **changes):
    values = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": LLAMA} | changes
    (folder / CONFIG_FILE).write_text(json.dumps(values))


# What is changed in adapter_config.json; where the fault is; a part of what is said.
REFUSED = [
    ({"peft_type": "IA3"}, "peft_type", "not LoRA"),
    ({"peft_type": None}, "peft_type", "not LoRA"),
    ({"use_dora": True}, "use_dora", "not built"),
    ({"lora_bias": True}, "lora_bias", "not built"),
    ({"bias": "all"}, "bias", "train biases"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save", "merge_and_unload"),
    ({"layers_to_transform": 0}, "layers_to_transform", "not built"),
    ({"layer_replication": [[0, 2]]}, "layer_replication", "not built"),
    ({"something_new": 7}, "something_new", "not built"),
    ({"init_lora_weights": "pissa"}, "init_lora_weights", "changes the base"),
    ({"rank_pattern": {"layers.0.self_attn.q_proj": 2}}, "", "layers differ"),
    ({"rank_pattern": {"q_proj": 0}}, "rank_pattern: q_proj", "whole number"),
    ({"alpha_pattern": {"(": 3}}, "alpha_pattern", "mapping"),
    ({"target_modules": ["layers.0.self_attn.q_proj"]}, "", "layers differ"),
    ({"target_modules": ["q_proj", "lm_haed"]}, "target_modules", "no linear module"),
    ({"target_modules": "nothing.*"}, "target_modules", "no linear module"),
    ({"target_modules": "("}, "target_modules", "regular expression"),
    ({"target_modules": None}, "target_modules", "where adapters are"),
    ({"target_modules": LLAMA[:2]}, "target_modules", "build the decoder with the targets"),
    ({"r": 0}, "r", "whole number"),
    ({"r": 2}, "", "rank 2, alpha 8"),
    ({"lora_alpha": "8"}, "lora_alpha", "number above 0"),
    ({"lora_alpha": 16}, "", "rank 4, alpha 16"),
    ({"use_rslora": True}, "", "over the rank's root"),
    ({"lora_dropout": 1.0}, "lora_dropout", "below 1"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A decoder with adapters, and a folder that holds them."""
    decoder = decoder_of("llama", LLAMA)
    draw_adapters(decoder)
    folder = tmp_path_factory.mktemp("adapters")
    write_adapters(decoder, folder, "a/base")
    return decoder, folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy of that folder, to be spoilt."""
    return shutil.copytree(written[1], tmp_path / "copy")


def refusal(decoder, folder):
    """Reads adapters that cannot be read, and makes sure that nothing has changed."""
    before = values_of(decoder)
    with pytest.raises(InputError) as caught:
        read_adapters(decoder, folder)
    assert_equal(before, values_of(decoder))
    return caught.value


@pytest.mark.parametrize(("changes", "where", "words"), REFUSED)
def test_settings_that_cannot_be_honoured_are_refused(changes, where, words, written, folder):
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    error = refusal(written[0], folder)
    assert words in str(error)
    assert all(fault.where.startswith(str(path)) for fault in error.faults)
    assert any(
        fault.where.endswith(f": {where}" if where else CONFIG_FILE) for fault in error.faults
    )


def test_all_settings_at_fault_are_said_at_once(folder, written):
    values = json.loads((folder / CONFIG_FILE).read_text())
    values |= {"use_dora": True, "bias": "all", "r": "4"}
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    assert len(refusal(written[0], folder).faults) == 3


def _drop(tensors):
    del tensors[next(name for name in tensors if "layers.1.self_attn.v_proj.lora_B" in name)]


def _add(tensors):
    tensors["base_model.model.lm_head.lora_A.weight"] = np.zeros((4, 64), "float32")


def _other_base(tensors):
    name = next(name for name in tensors if "q_proj.lora_A" in name)
    tensors[name] = np.zeros((4, 32), "float32")


def _numbers(tensors):
    name = next(iter(tensors))
    tensors[name] = tensors[name].astype("int32")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_drop, "1 tensors of the decoder's adapters are missing"),
        (_add, "1 tensors have no place"),
        (_other_base, "adapters of another base"),
        (_numbers, "floating-point"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, words, written, folder):
    tensors = load_file(folder / ADAPTERS_FILE)
    change(tensors)
    save_file(tensors, folder / ADAPTERS_FILE)
    error = refusal(written[0], folder)
    assert words in str(error)
    if change is not _numbers:
        assert "a/base" in error.faults[0].next_step


def test_files_that_are_missing_or_broken_are_refused(written, folder):
    decoder, path = written[0], folder / ADAPTERS_FILE
    path.write_bytes(path.read_bytes()[:-8])
    assert "not a complete safetensors file" in str(refusal(decoder, folder))
    path.unlink()
    assert f"no {ADAPTERS_FILE}" in str(refusal(decoder, folder))
    (folder / "adapter_model.bin").write_bytes(b"")
    assert "pickle" in str(refusal(decoder, folder))
    config = folder / CONFIG_FILE
    config.write_text("[]")
    assert "another kind of JSON" in str(refusal(decoder, folder))
    config.write_text("{")
    assert "not JSON" in str(refusal(decoder, folder))
    config.unlink()
    assert f"no {CONFIG_FILE}" in str(refusal(decoder, folder))


def test_dropout_may_differ(written, folder):
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lora_dropout": 0.3}))
    read_adapters(written[0], folder)


def test_adapters_that_pefts_one_file_cannot_describe_are_a_fault_of_ours(tmp_path):
    c = configuration_of("llama")
    decoder = Decoder(c, adapters={"q": Lora(4, 8.0), "k": Lora(4, 8.0, 0.1)})
    with pytest.raises(ValueError, match="one dropout"):
        write_adapters(decoder, tmp_path, "base")
