"""Encoders of fine-tuned and wrapped checkpoints: the head is left out aloud, the rest the same."""

import re

import numpy as np
import pytest
import torch
import transformers
from encoder_models import FAMILIES, configured, shaken, write
from safetensors.torch import load_file, save_file

from relx.faults import InputError
from relx.models.encoder.describe import describe
from relx.models.encoder.load import FRESH_HEAD, load_encoder
from relx.models.encoder.names import TASK_HEADS

WEIGHTS = "model.safetensors"
TASKS = {
    "sequence": transformers.AutoModelForSequenceClassification,
    "tokens": transformers.AutoModelForTokenClassification,
    "question": transformers.AutoModelForQuestionAnswering,
}


def finetuned(case, task, folder):
    """Writes a fine-tuned model, and the encoder in it by itself."""
    torch.manual_seed(0)
    model = shaken(TASKS[task].from_config(configured(case)))
    write(model, folder / "whole")
    write(model.base_model, folder / "encoder")
    return folder / "whole", folder / "encoder"


def weights_of(folder, **options):
    loaded = load_encoder(str(folder), seed=0, **options)
    return [np.asarray(weight) for weight in loaded.encoder.get_weights()], loaded


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("case", FAMILIES)
def test_the_head_of_a_classifier_is_left_out_and_said(case, tmp_path):
    whole, alone = finetuned(case, "sequence", tmp_path)
    weights, loaded = weights_of(whole)
    assert same(weights, weights_of(alone)[0])
    (note,) = [note for note in loaded.notes if "left out" in note]
    heads = [name for name in load_file(whole / WEIGHTS) if name.startswith(TASK_HEADS)]
    assert heads and all(name in note for name in heads)


@pytest.mark.parametrize("case", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("task", ["tokens", "question"])
def test_so_are_those_of_other_tasks(case, task, tmp_path):
    whole, alone = finetuned(case, task, tmp_path)
    weights, loaded = weights_of(whole)
    assert same(weights, weights_of(alone)[0]) and "left out" in " ".join(loaded.notes)


@pytest.mark.parametrize("case", ["bert", "electra", "modernbert"])
def test_tapt_of_one_starts_with_a_fresh_masked_lm_head(case, tmp_path):
    whole, _ = finetuned(case, "sequence", tmp_path)
    _, loaded = weights_of(whole, with_head=True)
    assert loaded.head is not None and FRESH_HEAD in loaded.notes
    assert describe(str(whole)).weights.head is False


def renamed(folder, rename):
    tensors = {rename(name): tensor for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


WRAPPED = {
    "DataParallel": lambda name: f"module.{name}",
    "compiled": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"module._orig_mod.{name}",
    "the other way": lambda name: f"_orig_mod.module.{name}",
    "a part compiled": lambda name: re.sub(r"encoder\.", "encoder._orig_mod.", name),
}


@pytest.mark.parametrize("how", WRAPPED)
@pytest.mark.parametrize("case", ["bert", "roberta"])
def test_names_of_a_wrapped_model_are_read_without(how, case, tmp_path):
    whole, alone = finetuned(case, "sequence", tmp_path)
    renamed(whole, WRAPPED[how])
    weights, loaded = weights_of(whole)
    assert same(weights, weights_of(alone)[0])
    (note,) = [note for note in loaded.notes if "wrapped" in note]
    assert ("_orig_mod." in note) == ("_orig_mod." in WRAPPED[how]("encoder."))


def test_a_weight_that_is_there_twice_is_refused(tmp_path):
    whole, _ = finetuned("bert", "sequence", tmp_path)
    tensors = load_file(whole / WEIGHTS)
    name = next(iter(tensors))
    save_file(tensors | {f"module.{name}": tensors[name].clone()}, whole / WEIGHTS)
    with pytest.raises(InputError, match="two tensors name the same weight"):
        load_encoder(str(whole), seed=0)


def test_what_belongs_to_no_head_is_still_refused(tmp_path):
    whole, _ = finetuned("bert", "sequence", tmp_path)
    tensors = load_file(whole / WEIGHTS)
    save_file(tensors | {"bert.encoder.layer.9.extra": torch.zeros(3)}, whole / WEIGHTS)
    with pytest.raises(InputError, match="no place in the encoder"):
        load_encoder(str(whole), seed=0)
