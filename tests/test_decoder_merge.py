"""A base and its adapters merged: what transformers then computes, and what is in the folder."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from relx.faults import InputError
from relx.models.decoder.files import merge
from relx.models.decoder.files.adapter_config import adapters_for
from relx.models.decoder.files.adapters import ADAPTERS_FILE, write_adapters
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.files.merge import merge_adapters
from relx.models.decoder.layers.linear import Lora
from relx.models.stored.folder import WEIGHTS
from relx.tensors import open_tensors
from tests.decoder_models import (
    batch_of_ids,
    configuration_of,
    draw_adapters,
    logits_of,
    write_reference,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

LORA = Lora(4, 6.0, rank_stabilized=True)


def adapted(name, base, targets="all-linear", **options):
    """Loads a base with adapters that change the logits."""
    adapters = adapters_for(configuration_of(name), targets, LORA)
    loaded = load_decoder(base, adapters=adapters, **options)
    draw_adapters(loaded.decoder)
    return loaded


def logits_in(model):
    ids, mask = (torch.tensor(array.astype(np.int64)) for array in batch_of_ids())
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask).logits.numpy()


def distance(one, other):
    return np.abs(one - other)[batch_of_ids()[1] == 1].max()


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("gpt_neox", "all-linear"),
        ("llama-biases", ["q_proj", "down_proj"]),
        ("gpt2", ["c_attn", "c_fc"]),
        ("gemma2", "all-linear"),
    ],
)
def test_a_merged_folder_gives_the_adapters_logits_in_transformers(name, targets, tmp_path):
    before = logits_in(write_reference(name, tmp_path / "base"))
    loaded = adapted(name, tmp_path / "base", targets)
    ours = logits_of(loaded, loaded.decoder(batch_of_ids()[0]))
    merge_adapters(loaded, tmp_path / "merged")
    load = transformers.AutoModelForCausalLM.from_pretrained
    model, report = load(tmp_path / "merged", attn_implementation="eager", output_loading_info=True)
    assert not any(report.values())
    assert distance(ours, logits_in(model.eval())) <= 2e-5
    assert distance(ours, before) > 0.1
    again = load_decoder(tmp_path / "merged")
    assert distance(ours, logits_of(again, again.decoder(batch_of_ids()[0]))) <= 2e-5


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", ["gpt_neox", "gpt2"])
def test_each_tensor_is_rounded_once_to_the_bases_own_type(name, kind, tmp_path):
    """The sum is made here of the adapters' file, in double precision."""
    write_reference(name, tmp_path / "base")
    dtype = np.dtype(ml_dtypes.bfloat16 if kind == "bfloat16" else kind)
    file = tmp_path / "base" / WEIGHTS
    base = {key: value.astype(dtype) for key, value in load_file(file).items()}
    save_file(base, file)
    loaded = adapted(name, tmp_path / "base", format_="nf4")
    write_adapters(loaded.decoder, tmp_path, "base")
    merge_adapters(loaded, tmp_path / "merged")
    adapters, merged = load_file(tmp_path / ADAPTERS_FILE), load_file(tmp_path / "merged" / WEIGHTS)
    assert merged.keys() == base.keys()
    changed = 0
    for key, value in merged.items():
        assert value.dtype == dtype
        place = f"base_model.model.{key.removesuffix('.weight')}"
        if f"{place}.lora_A.weight" not in adapters:
            assert value.tobytes() == base[key].tobytes()
            continue
        a, b = (adapters[f"{place}.lora_{one}.weight"].astype("float64") for one in "AB")
        product = b @ a * LORA.scaling
        exact = base[key].astype("float64") + (product.T if name == "gpt2" else product)
        step = 2e-7 + np.abs(exact) * float(ml_dtypes.finfo(dtype).eps) / 2
        assert (np.abs(value.astype("float64") - exact) <= step * 1.01 + 2e-7).all()
        changed += 1
    assert changed == 12


def test_shards_become_one_file_with_the_tokenizer_beside_it(tmp_path):
    base, merged = tmp_path / "base", tmp_path / "merged"
    write_reference("llama", base, max_shard_size="50KB")
    (base / "tokenizer.json").write_text("{}")
    (base / "chat_template.jinja").write_text("{{ messages }}")
    (base / "LICENSE").write_text("terms")
    (base / "pytorch_model.bin").write_bytes(b"a pickle")
    (base / "adapter_config.json").write_text("{}")
    assert len(list(base.glob("*.safetensors"))) > 1
    loaded = adapted("llama", base)
    merge_adapters(loaded, merged)
    copied = ["LICENSE", "chat_template.jinja", "config.json", "generation_config.json"]
    assert sorted(file.name for file in merged.iterdir()) == [*copied, WEIGHTS, "tokenizer.json"]
    for name in (*copied, "tokenizer.json"):
        assert (merged / name).read_bytes() == (base / name).read_bytes()
    again = load_decoder(merged)
    ids = batch_of_ids()[0]
    assert (
        distance(logits_of(loaded, loaded.decoder(ids)), logits_of(again, again.decoder(ids)))
        < 2e-5
    )
    with safe_open(merged / WEIGHTS, "np") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_pickle_is_merged_into_a_safe_file_of_its_type(tmp_path):
    model = write_reference("gpt2", tmp_path / "base")
    (tmp_path / "base" / WEIGHTS).unlink()
    half = {key: value.half() for key, value in model.state_dict().items() if "lm_head" not in key}
    torch.save(half, tmp_path / "base/pytorch_model.bin")
    loaded = adapted("gpt2", tmp_path / "base", allow_pickle=True)
    merge_adapters(loaded, tmp_path / "merged")
    assert {entry.dtype for entry in open_tensors(tmp_path / "merged" / WEIGHTS)[1].values()} == {
        "F16"
    }
    assert not (tmp_path / "merged/pytorch_model.bin").exists()


def test_names_without_prefix_and_masks_stay_a_bases_own_affair(tmp_path):
    """As the first gpt2 has them: no `transformer.`, and a buffer in each layer."""
    write_reference("gpt2", tmp_path / "base")
    file = tmp_path / "base" / WEIGHTS
    bare = {key.removeprefix("transformer."): value for key, value in load_file(file).items()}
    mask = {f"h.{i}.attn.bias": np.ones((1, 1, 8, 8), bool) for i in range(3)}
    save_file(bare | mask, file, metadata={"format": "pt"})
    loaded = adapted("gpt2", tmp_path / "base")
    merge_adapters(loaded, tmp_path / "merged")
    assert load_file(tmp_path / "merged" / WEIGHTS).keys() == bare.keys()
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    ours = logits_of(loaded, loaded.decoder(batch_of_ids()[0]))
    assert distance(ours, logits_in(model)) <= 2e-5


def test_equal_adapters_give_equal_bytes(tmp_path):
    write_reference("llama", tmp_path / "base")
    for name in ("one", "two"):
        merge_adapters(adapted("llama", tmp_path / "base"), tmp_path / name)
    one, two = (tmp_path / name / WEIGHTS for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_weight_beyond_the_bases_type_leaves_no_folder(tmp_path):
    write_reference("llama", tmp_path / "base")
    file = tmp_path / "base" / WEIGHTS
    save_file({key: value.astype("float16") for key, value in load_file(file).items()}, file)
    loaded = adapted("llama", tmp_path / "base")
    part = loaded.decoder.adapted_parts()["1.down"]
    part.lora_b.assign(part.lora_b * 1e6)
    with pytest.raises(InputError, match=r"layers\.1\.mlp\.down_proj\.weight is not finite"):
        merge_adapters(loaded, tmp_path / "merged")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_place_that_is_taken_is_left_as_it_is(tmp_path):
    write_reference("llama", tmp_path / "base")
    loaded = adapted("llama", tmp_path / "base")
    before = json.loads((tmp_path / "base/config.json").read_text())
    (tmp_path / "file").write_text("")
    for place in ("base", "file"):
        with pytest.raises(InputError, match="never replaced"):
            merge_adapters(loaded, tmp_path / place)
    assert json.loads((tmp_path / "base/config.json").read_text()) == before
    (tmp_path / "empty").mkdir()
    merge_adapters(loaded, tmp_path / "empty")
    assert (tmp_path / "empty" / WEIGHTS).is_file()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_how_many_rows_are_there_at_a_time_changes_nothing(name, tmp_path, monkeypatch):
    write_reference(name, tmp_path / "base")
    loaded = adapted(name, tmp_path / "base")
    merge_adapters(loaded, tmp_path / "whole")
    monkeypatch.setattr(merge, "_ELEMENTS", 7 * 64)  # 7 divides none of the matrices
    merge_adapters(loaded, tmp_path / "parts")
    whole, parts = (load_file(tmp_path / one / WEIGHTS) for one in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for key, value in whole.items():
        np.testing.assert_allclose(parts[key], value, rtol=0, atol=1e-6)
