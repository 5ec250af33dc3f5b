"""Adapters beside PEFT: each side reads the other's files, and a step of training is the same."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from relx.models.decoder.files.adapter_config import adapters_for, part_paths, read_lora
from relx.models.decoder.files.adapters import adapters_on_disk, read_adapters, write_adapters
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.layers.linear import Lora
from relx.training.optimizer import make_optimizer
from tests.decoder_models import (
    MODELS,
    batch_of_ids,
    configuration_of,
    draw_adapters,
    logits_of,
    reference_model,
    write_reference,
)

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

# A family, the targets, and whether adapters are rank-stabilised.
CASES = [
    ("gpt_neox", "all-linear", False),
    ("gpt_neox", ["query_key_value"], True),
    ("llama-biases", ["q_proj", "v_proj", "down_proj"], False),
    ("llama-biases", "all-linear", True),
    ("gpt2", "all-linear", False),
    ("gpt2", ["c_attn", "c_proj"], True),
    ("gemma2", "all-linear", False),
    ("gemma2", ["o_proj", "gate_proj"], True),
]
RANK, ALPHA = 4, 6
TOLERANCE = 1e-5
LOGITS = 2e-5  # up to which test_decoder finds bases without adapters the same


def peft_model(name, targets, rslora=False):
    """Makes PEFT's model with adapters that change the logits."""
    c = configuration_of(name)
    settings = peft.LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        use_rslora=rslora,
        target_modules=targets,
        task_type="CAUSAL_LM",
        fan_in_fan_out=c.model_type == "gpt2",
    )
    model = peft.get_peft_model(reference_model(name), settings).eval()
    torch.manual_seed(1)
    for parameter in adapters_in(model).values():
        torch.nn.init.normal_(parameter, 0, 0.1)
    return model


def adapters_in(model):
    named = model.named_parameters()
    return {n.replace(".default", ""): p for n, p in named if p.requires_grad}


def logits_in(model):
    ids, mask = (torch.tensor(array.astype(np.int64)) for array in batch_of_ids())
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=mask).logits.numpy()


def logits_here(loaded):
    return logits_of(loaded, loaded.decoder(batch_of_ids()[0]))


def distance(one, other):
    real = batch_of_ids()[1] == 1
    return np.abs(one - other)[real].max()


@pytest.mark.parametrize(("name", "targets", "rslora"), CASES)
def test_pefts_adapters_give_pefts_logits(name, targets, rslora, tmp_path):
    base = write_reference(name, tmp_path / "base")
    model = peft_model(name, targets, rslora)
    model.save_pretrained(tmp_path / "adapters")
    adapters = read_lora(tmp_path / "adapters", configuration_of(name))
    own = adapters_for(configuration_of(name), targets, Lora(RANK, ALPHA, 0.0, rslora))
    assert adapters == own
    loaded = load_decoder(tmp_path / "base", adapters=adapters)
    theirs = logits_in(model)
    assert distance(logits_here(loaded), logits_in(base)) <= LOGITS  # before they are read
    read_adapters(loaded.decoder, tmp_path / "adapters")
    assert distance(logits_here(loaded), theirs) <= LOGITS
    assert distance(logits_in(base), theirs) > 0.1


@pytest.mark.parametrize(("name", "targets", "rslora"), CASES)
def test_adapters_written_here_give_the_same_logits_in_peft(name, targets, rslora, tmp_path):
    base = write_reference(name, tmp_path / "base")
    before = logits_in(base)
    lora = Lora(RANK, ALPHA, 0.05, rslora)
    adapters = adapters_for(configuration_of(name), targets, lora)
    loaded = load_decoder(tmp_path / "base", adapters=adapters)
    draw_adapters(loaded.decoder)
    (tmp_path / "adapters").mkdir()
    write_adapters(loaded.decoder, tmp_path / "adapters", str(tmp_path / "base"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*missing adapter keys")
        model = peft.PeftModel.from_pretrained(base, tmp_path / "adapters").eval()
    assert model.peft_config["default"].lora_dropout == 0.05
    ours = logits_here(loaded)
    assert distance(ours, logits_in(model)) <= LOGITS
    assert distance(ours, before) > 0.1


def test_parts_that_share_a_name_and_differ_are_told_apart_in_peft(tmp_path):
    """gpt2 has two c_proj; one without adapter, and ranks that differ."""
    base = write_reference("gpt2", tmp_path / "base")
    adapters = {"qkv": Lora(2, 4.0), "down": Lora(3, 9.0)}
    loaded = load_decoder(tmp_path / "base", adapters=adapters)
    draw_adapters(loaded.decoder)
    write_adapters(loaded.decoder, tmp_path, "base")
    model = peft.PeftModel.from_pretrained(base, tmp_path).eval()
    assert distance(logits_here(loaded), logits_in(model)) <= LOGITS


@pytest.mark.parametrize("name", MODELS)
def test_all_linear_is_what_peft_takes_it_for(name):
    c = configuration_of(name)
    theirs = {n.split(".lora_")[0] for n in adapters_in(peft_model(name, "all-linear"))}
    paths = part_paths(c)
    assert len(theirs) == c.num_layers * len(paths)
    for part in adapters_for(c, "all-linear", Lora(RANK, ALPHA)):
        assert sum(n.endswith(f".{paths[part]}") for n in theirs) == c.num_layers


class LastLogits(keras.Model):
    """The logits of the tokens that classes stand for, after the last token."""

    def __init__(self, loaded, tokens):
        super().__init__()
        self.decoder, self.rows = loaded.decoder, loaded.output_rows(tokens)
        self.cap = loaded.decoder.configuration.logit_cap

    def call(self, ids, training=False):
        states = self.decoder(ids, training=training)[:, -1]
        logits = ops.matmul(states, ops.convert_to_tensor(self.rows.T))
        return self.cap * ops.tanh(logits / self.cap) if self.cap else logits


@pytest.mark.parametrize("name", ["gpt_neox", "llama-biases", "gpt2", "gemma2"])
def test_a_step_of_training_is_that_of_peft_and_pytorch(name, tmp_path):
    """The losses before and after it, and the adapters.

    Adam's first step goes by a gradient's sign, whatever its size: of elements whose gradient is
    rounding noise, it makes a step in either direction.
    """
    tokens, rate, decay, clip = [5, 9, 70, 120], 1e-3, 0.05, 1.0
    rng = np.random.default_rng(3)
    ids = rng.integers(3, 160, (6, 15)).astype(np.int32)
    targets = rng.integers(0, len(tokens), 6).astype(np.int32)
    write_reference(name, tmp_path / "base")
    model = peft_model(name, "all-linear")
    model.save_pretrained(tmp_path)
    loaded = load_decoder(tmp_path / "base", adapters=read_lora(tmp_path, configuration_of(name)))
    read_adapters(loaded.decoder, tmp_path)
    ours = LastLogits(loaded, tokens)
    ours(ids)
    trained = list(adapters_in(model).values())
    assert len(ours.trainable_variables) == len(trained)
    settings = {"learning_rate": rate, "weight_decay": decay, "clip_norm": clip}
    optimizer = make_optimizer(ours, **settings, warmup=0.0, steps=10)
    ours.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def their_loss():
        logits = model(input_ids=torch.tensor(ids).long()).logits[:, -1, tokens]
        return torch.nn.functional.cross_entropy(logits, torch.tensor(targets).long())

    loss = their_loss()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, clip)
    torch.optim.AdamW(trained, lr=rate, weight_decay=decay).step()
    assert abs(float(ours.train_on_batch(ids, targets)) - loss.item()) <= TOLERANCE
    after = their_loss().item()
    assert abs(float(ours.test_on_batch(ids, targets)) - after) <= TOLERANCE
    assert after < loss.item() - 0.01
    differences, gradients = compared(loaded.decoder, model)
    noise = gradients < 1e-6
    assert noise.mean() < 0.01
    assert differences[~noise].max() <= TOLERANCE / 10
    assert differences[noise].max() <= 2.1 * rate


def compared(decoder, model):
    """Lists how far each element is from PEFT's, and the size of PEFT's gradient of it."""
    theirs, differences, gradients = adapters_in(model), [], []
    for module, a, b in adapters_on_disk(decoder):
        for kind, ours in (("A", a), ("B", b)):
            other = theirs[f"base_model.model.{module}.lora_{kind}.weight"]
            differences.append(np.abs(ours - other.detach().numpy()).ravel())
            gradients.append(np.abs(other.grad.numpy()).ravel())
    return np.concatenate(differences), np.concatenate(gradients)
