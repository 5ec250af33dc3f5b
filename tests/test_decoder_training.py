"""Gradients of adapters beside transformers' and PyTorch's, on every backend, and what trains."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from keras import ops

from relx.devices.device import BACKENDS
from relx.models.decoder.configurations.families import FAMILIES, read_configuration
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.files.weights import head_order
from relx.models.decoder.layers.dropout import dropped
from relx.models.decoder.layers.formats import FORMATS, dequantized, quantize
from relx.models.decoder.layers.linear import Lora
from tests.decoder_gradients import ALPHA, RANK, REST, Case, adapter_values, batch
from tests.decoder_models import batch_of_ids, reference_model
from tests.processes_by_backend import on_backend

torch = pytest.importorskip("torch")
KINDS = ("float32", "int8", "nf4")
# Query, key and value by themselves and all; what the other family shares with it only once.
CASES = {
    "llama-biases": {
        **{f"whole-{kind}": Case(kind) for kind in KINDS},
        "shared": Case(shared=True),
        "shared-remat": Case(shared=True, remat=True),
        **{f"dropped-{kind}": Case(kind, shared=True, dropout=0.3) for kind in KINDS},
        **{f"dropped-remat-{kind}": Case(kind, True, True, 0.3) for kind in KINDS},
    },
    "gpt_neox": {
        "whole-float32": Case(),
        "whole-nf4": Case("nf4"),
        "shared-remat": Case(shared=True, remat=True),
    },
}
WHOLE = [
    (name, case.removeprefix("whole-"))
    for name, cases in CASES.items()
    for case in cases
    if case.startswith("whole-")
]


def two_layers(name):
    """A reference cut to what a gradient through keys and values of a beginning needs."""
    model = reference_model(name)
    model.base_model.layers = model.base_model.layers[:2]
    model.config.num_hidden_layers = 2
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name in CASES:
        made[name] = tmp_path_factory.mktemp(name)
        two_layers(name).save_pretrained(made[name])
    return made


@pytest.fixture(scope="module", params=BACKENDS)
def found(request, folders, tmp_path_factory):
    """The gradients of every case, by family, in one process for each family."""
    by_family = {}
    for name, folder in folders.items():
        out = tmp_path_factory.mktemp("gradients") / "found.npz"
        cases = json.dumps({case: asdict(settings) for case, settings in CASES[name].items()})
        quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # most of the time is compiling
        on_backend(request.param, "decoder_gradients", folder, cases, out, **quick)
        by_family[name] = {case: {} for case in CASES[name]}
        for key, values in np.load(out).items():
            case, _, variable = key.partition(".")
            by_family[name][case][variable] = values
    return by_family


def reference(name, folder, kind):
    """Computes the gradients with transformers: its kernels are those stored, plus A B."""
    configuration, model = read_configuration(folder), two_layers(name)
    keys, state, adapters = FAMILIES[configuration.model_type].keys, {}, {}
    shapes = configuration.linear_shapes()
    order = head_order(configuration) if configuration.fused_qkv else None
    places = [(layer, part) for layer in range(configuration.num_layers) for part in shapes]
    for i, (layer, part) in enumerate(places):
        inputs, outputs = shapes[part]
        tensor = f"{keys.layer.format(layer)}{keys.parts[part]}.weight"
        kernel = model.get_parameter(tensor).detach().numpy()
        stored = quantize(lambda a, b, k=kernel: k[a:b], inputs, outputs, kind)
        a = torch.tensor(adapter_values(i, (inputs, RANK), "a"), requires_grad=True)
        b = torch.tensor(adapter_values(i, (RANK, outputs), "b"), requires_grad=True)
        change = (a @ b).T * (ALPHA / RANK)
        change = change[np.argsort(order)] if part == "qkv" else change
        state[tensor] = torch.tensor(dequantized(stored, kind).T) + change
        adapters |= {f"{layer}.{part}.a": a, f"{layer}.{part}.b": b}
    if kind != "float32":  # a token table of half the bits goes with it
        table = model.get_input_embeddings().weight
        table.data = table.data.half().float()
    ids, weights = batch()
    words = {"input_ids": torch.tensor(ids.astype(np.int64)), "output_hidden_states": True}
    states = torch.func.functional_call(model, state, (), words).hidden_states[-1]
    (states[:, -REST:] * torch.tensor(weights)).sum().backward()
    return {name: value.grad.numpy() for name, value in adapters.items()}


def require_equal(ours, theirs, tolerance):
    """Compares each gradient; the tolerance is a share of its own largest element."""
    assert set(ours) == set(theirs)
    assert ours
    for name in theirs:
        largest = np.abs(theirs[name]).max()
        assert largest > 1e-4, f"{name} has no gradient to speak of"
        assert np.abs(ours[name] - theirs[name]).max() <= tolerance * largest, name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), WHOLE)
def test_gradients_are_those_of_transformers(name, kind, found, folders):
    require_equal(found[name][f"whole-{kind}"], reference(name, folders[name], kind), 3e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_shared_beginning_changes_no_gradient(name, found):
    for case in CASES[name]:
        if case.startswith("shared"):
            require_equal(found[name][case], found[name]["whole-float32"], 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_computed_again_drops_the_same(kind, found):
    own = found["llama-biases"]
    plain, whole = own[f"dropped-{kind}"], own[f"whole-{kind}"]
    require_equal(own[f"dropped-remat-{kind}"], plain, 1e-5)
    assert all(np.abs(plain[n] - whole[n]).max() > 1e-2 * np.abs(whole[n]).max() for n in whole)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_adapter_changes_nothing_before_the_first_step(kind, folders):
    folder, ids = folders["llama-biases"], batch_of_ids()[0]
    adapters = {"q": Lora(RANK, ALPHA, 0.3), "down": Lora(RANK, ALPHA)}
    adapted = load_decoder(folder, kind, adapters).decoder
    plain = load_decoder(folder, kind).decoder
    assert (ops.convert_to_numpy(adapted(ids)) == ops.convert_to_numpy(plain(ids))).all()
    parts = adapted.adapted_parts()
    assert set(parts) == {f"{i}.{part}" for i in range(2) for part in ("q", "down")}
    assert {v.name for v in adapted.trainable_variables} == {"lora_a", "lora_b"}
    assert len(adapted.trainable_variables) == 2 * len(parts)
    assert plain.trainable_variables == []
    for part in parts.values():
        assert np.abs(ops.convert_to_numpy(part.lora_a)).max() > 0


def test_dropout_is_a_function_of_seed_and_name():
    x, seed = np.ones((40, 50, 60), np.float32), np.array([1, 2**32 - 1], np.uint32)

    def mask(rate=0.3, seed=seed, name="layer_0_q"):
        return ops.convert_to_numpy(dropped(ops.convert_to_tensor(x), rate, seed, name))

    first = mask()
    kept = first > 0
    assert np.allclose(first[kept], 1 / 0.7)
    assert abs(kept.mean() - 0.7) < 0.01
    # by row, column and neighbour too: no pattern that the numbers of elements would leave
    assert all(abs(kept.mean(axis=axis) - 0.7).max() < 0.15 for axis in ((0, 1), (0, 2), (1, 2)))
    flat = kept.reshape(-1)
    assert abs((flat[1:] & flat[:-1]).mean() - 0.49) < 0.01
    assert (mask() == first).all()
    for other in (mask(seed=seed - 1), mask(name="layer_1_q")):
        assert abs(((other > 0) & kept).mean() - 0.49) < 0.01
