"""The memory that training is said to take: by hand, beside built models and measured peaks."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decoder_models import MODELS
from encoder_models import CASES as ENCODERS
from encoder_models import configured
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.footprint.decoder import (
    adapter_weights,
    decoder_footprint,
    kernel_bytes,
    table_bytes,
    thin_weights,
)
from relx.footprint.encoder import encoder_footprint, encoder_weights
from relx.footprint.parts import TURN
from relx.footprint.recipes import adapted_parts, configuration_of, footprint_of
from relx.footprint.smaller import GIB, changed, fits, proposals
from relx.model_sections import LoraSection
from relx.models.decoder.configurations.families import configuration_from_dict as decoder_from
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.layers.formats import FORMATS
from relx.models.decoder.layers.linear import Lora
from relx.models.encoder.build import build_encoder
from relx.models.encoder.configuration import configuration_from_dict as encoder_from
from relx.recipe_file import recipe_from_tree

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))
SIZES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "uint8": 1}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 16,
}
# As published: https://huggingface.co/Qwen/Qwen3-4B and https://huggingface.co/klue/bert-base
QWEN3_4B = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 2560,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 9728,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}
KLUE_BASE = {
    "model_type": "bert",
    "vocab_size": 32000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
ROBERTA = {**KLUE_BASE, "model_type": "roberta", "type_vocab_size": 1}
ROBERTA |= {"max_position_embeddings": 514, "pad_token_id": 1}


def decoder(**more):
    return decoder_from(LLAMA | more, "config.json")


def adapters(configuration, rank=2, dropout=0.0):
    return dict.fromkeys(configuration.linear_shapes(), LoraSection(rank=rank, dropout=dropout))


def recipe(family="decoder", **sections):
    own = {"decoder": {"fresh": {"layers": 4, "hidden": 512, "intermediate": 2048}}}
    own["encoder"] = own["decoder"]
    tree = {"name": "a", "device": {"backend": "torch"}, family: {"from": own[family]}}
    return recipe_from_tree(tree | sections)


def test_a_tiny_decoder_is_counted_as_by_hand():
    c = decoder(num_hidden_layers=2)
    told = decoder_footprint(c, "float32", adapters(c), batch_size=1, length=4, labels=3)
    kernels = 2 * (2 * 8 * 8 + 2 * 8 * 4 + 3 * 8 * 16)
    adapter = 2 * 2 * (2 * (8 + 8) + 2 * (8 + 4) + 3 * (8 + 16))  # A and B of rank 2
    head = 3 * (8 + 1)
    norms = 2 * 8  # kept by token
    inputs = 8 + 8 + 8 + 16 + 7 * 2  # of query, output, up and down; and a product with each A
    middle = 3 * 16  # gate, their product, up
    operands = 8 + 4 + 4  # queries, keys, values
    kept = 4 * 4 * (norms + inputs + middle + operands) + 4 * 2 * 4 * 4
    last = 4 * 4 * (8 + (8 + 3 * 2) + operands)  # a norm, and what queries, keys, values keep
    assert told.when == TURN
    assert told.parts == {
        "frozen kernels in float32": 4 * kernels,
        "token table": 4 * 10 * 8,
        "norms and biases": 4 * (2 * 2 + 1) * 8,
        "adapters and head": 4 * (adapter + head),
        "AdamW's two moments": 8 * (adapter + head),
        "copies of weights": 4 * (adapter + head),
        "activations": kept + last + 2 * 4 * 8,  # and what the last norm takes and gives
        "passing tensors": 4 * 4 * 16,
    }
    assert told.total == sum(told.parts.values())


def test_sums_of_parts_of_a_batch_are_kept():
    c = decoder(num_hidden_layers=3)
    how = {"batch_size": 4, "length": 16, "backend": "torch"}
    whole = decoder_footprint(c, "int8", adapters(c), **how)
    parts = decoder_footprint(c, "int8", adapters(c), **how, accumulate=4)
    assert "accumulated gradients" not in whole.parts
    assert parts.parts["accumulated gradients"] == parts.parts["adapters and head"]
    one = decoder_footprint(c, "int8", adapters(c), **how | {"batch_size": 1})
    assert parts.parts["activations"] == one.parts["activations"]


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_the_weights_of_an_encoder_are_those_that_are_built(name):
    c = encoder_from(configured(name).to_dict(), name)
    assert encoder_weights(c) == build_encoder(c, "zeros").count_params()


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("format_", FORMATS)
def test_the_weights_of_a_decoder_are_those_that_are_built(name, format_):
    transformers = pytest.importorskip("transformers")
    kind, values = MODELS[name]
    c = decoder_from(getattr(transformers, kind)(**values).to_dict(), name)
    lora = dict.fromkeys(c.linear_shapes(), Lora(3, 6.0))
    built = Decoder(c, format_, lora)
    weights = [v for v in built.weights if v.dtype in SIZES]  # not the state of seeds
    size = sum(int(np.prod(v.shape)) * SIZES[v.dtype] for v in weights if not v.trainable)
    told = kernel_bytes(c, format_) + table_bytes(c, format_) + 4 * thin_weights(c)
    assert told == size
    assert adapter_weights(c, lora) == sum(int(np.prod(v.shape)) for v in built.trainable_weights)


def test_published_sizes_come_out():
    c = decoder_from(QWEN3_4B, "config.json")
    kernels, table = kernel_bytes(c, "bfloat16"), table_bytes(c, "bfloat16")
    assert kernels // 2 + table // 2 + thin_weights(c) == 4_022_468_096
    # transformers says 110,617,344 with the pooler, which is a dense layer
    pooler = 768 * 768 + 768
    assert encoder_weights(encoder_from(KLUE_BASE, "config.json")) == 110_617_344 - pooler


def test_what_a_gpu_took_is_what_is_told():
    """JAX on an H200, in bfloat16: the largest rung of the ladder of lengths decides."""
    speed = json.loads((BENCH / "results" / "gpu_speed.json").read_text("utf-8"))["speed"]
    (row,) = [row for row in speed if row["side"] == "relx jax" and row["task"] == "train"]
    told = encoder_footprint(
        encoder_from(ROBERTA, "config.json"),
        batch_size=row["batch"],
        length=max(row["rungs"]),
        precision=row["precision"],
        backend="jax",
        places=2,
    )
    assert told.total / 2**20 == pytest.approx(row["peak_gpu_mib"], rel=0.05)


def test_measured_peaks_are_still_told():
    """A change of the counting that no longer fits what bench/fit.py measured shows here."""
    import fit as bench

    rows = json.loads(bench.RESULT.with_name("fit.json").read_text("utf-8"))["cases"]
    known = [case for case in bench.cases() if case.name in rows]
    assert {case.name for case in known} == set(rows)
    off = {case.name: bench.told(case, rows[case.name])["off_percent"] for case in known}
    assert {name for name, percent in off.items() if abs(percent) > 15} == set()


counts = st.integers(1, 64)


@settings(max_examples=60, deadline=None)
@given(
    backend=st.sampled_from(["tensorflow", "jax", "torch"]),
    precision=st.sampled_from(["float32", "mixed_bfloat16"]),
    format_=st.sampled_from(FORMATS),
    rows=counts,
    length=counts,
    rank=counts,
    dropout=st.sampled_from([0.0, 0.1]),
    remat=st.booleans(),
)
def test_a_decoder_takes_more_with_more_and_less_with_less(
    backend, precision, format_, rows, length, rank, dropout, remat
):
    c = decoder(num_hidden_layers=6, hidden_size=64, intermediate_size=128)

    def told(rank=rank, format_=format_, layers=6, **more):
        how = {"batch_size": rows, "length": length, "remat": remat, "backend": backend}
        deep = replace(c, num_layers=layers)
        parts = adapters(deep, rank, dropout)
        return decoder_footprint(
            deep, format_, parts, **how | {"precision": precision} | more
        ).total

    usual = told()
    # Where few rows meet wide adapters, most is taken at the update, whatever the rows.
    assert told(batch_size=rows + 1) >= usual
    assert told(length=length + 1) >= usual
    assert told(batch_size=rows + 10_000) > usual
    assert told(rank=rank + 1) > usual
    assert told(layers=7) > usual
    assert told(remat=True) <= told(remat=False)
    assert told(dev_batch=10_000) > usual
    finer = FORMATS[FORMATS.index(format_) - 1]
    if format_ != "float32":
        assert kernel_bytes(c, format_) < kernel_bytes(c, finer)


@settings(max_examples=40, deadline=None)
@given(
    backend=st.sampled_from(["tensorflow", "jax", "torch"]),
    rows=counts,
    length=counts,
    accumulate=st.integers(2, 8),
)
def test_an_encoder_takes_more_with_more(backend, rows, length, accumulate):
    c = encoder_from(KLUE_BASE, "config.json")

    def told(**more):
        how = {"batch_size": rows, "length": length, "backend": backend, "places": 2}
        return encoder_footprint(c, **how | more)

    usual = told().total
    assert told(batch_size=rows + 1).total >= usual
    assert told(length=length + 1).total >= usual
    assert told(places=None).total >= usual
    in_parts = told(batch_size=rows * accumulate, accumulate=accumulate)
    assert in_parts.parts["accumulated gradients"] == in_parts.parts["weights"]


def test_targets_by_name_are_the_parts_that_the_family_calls_so():
    section = recipe(decoder={"from": "a", "lora": {"targets": ["q_proj", "up_proj"]}}).decoder
    assert list(adapted_parts(decoder(), section)) == ["q", "up"]


def test_a_proposal_that_is_followed_fits():
    for family, gpu in (("decoder", 2.0), ("encoder", 2.0)):
        large = recipe(family, train={"batch_size": 64}, predict={"batch_size": 8})
        memory = gpu * GIB
        told = footprint_of(large, on_gpu=True)
        assert not fits(told.total, memory)
        found = proposals(large, configuration_of(large), memory)
        assert found
        for proposal in found:
            again = footprint_of(changed(large, proposal.settings), on_gpu=True)
            assert again.total == proposal.total and fits(again.total, memory)
