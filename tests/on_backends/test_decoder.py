"""Decoders on each backend: states, kernels in few bits, and the gradients of adapters."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from decoder_models import VOCABULARY, batch_of_ids, write_reference
from keras import ops

from relx.models.decoder.adapters import adapters_for
from relx.models.decoder.classifier import prompt_classifier
from relx.models.decoder.families import read_configuration
from relx.models.decoder.formats import dequantized, quantize
from relx.models.decoder.heads import WordHead
from relx.models.decoder.linear import Lora
from relx.models.decoder.load import load_decoder
from relx.models.decoder.products import unpacked
from relx.training.losses import SoftCrossEntropy

torch = pytest.importorskip("torch")
LABELS, SHARED, ROWS = [11, 12, 13, 14], 6, 4
RNG = np.random.default_rng(0)
PREFIX = RNG.integers(3, VOCABULARY, SHARED).tolist()
TAILS = [RNG.integers(3, VOCABULARY, 3 + 2 * row).tolist() for row in range(ROWS)]
TRUE = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0]], np.float32)


@pytest.fixture(scope="module", params=["llama-biases", "gpt_neox"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    write_reference(request.param, folder)
    return folder


def test_states_are_those_of_transformers(folder, open_):
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).float().eval()
    ids, mask = batch_of_ids()
    with torch.no_grad():
        theirs = model(torch.tensor(ids.astype(np.int64)), output_hidden_states=True)
    with open_().scope():
        states = ops.convert_to_numpy(load_decoder(folder).decoder(ids))
    difference = np.abs(states - theirs.hidden_states[-1].numpy())[mask == 1]
    assert difference.max() <= 2e-5


@pytest.mark.parametrize("format_", ["int8", "nf4", "bfloat16"])
def test_a_kernel_is_read_as_it_was_stored(format_):
    matrix = RNG.normal(size=(24, 128)).astype(np.float32)
    stored = quantize(lambda start, end: matrix[start:end], 128, 24, format_)
    variables = {name: ops.convert_to_tensor(values) for name, values in stored.items()}
    kernel = variables["kernel"]
    if format_ == "bfloat16":
        kernel = ops.cast(kernel, "bfloat16")
    floats = ops.convert_to_numpy(unpacked(kernel, variables.get("scale"), format_, "float32"))
    if format_ == "bfloat16":
        assert np.abs(floats - matrix.T).max() <= np.abs(matrix).max() / 256
    else:
        assert np.array_equal(floats, dequantized(stored, format_))


def gradients(folder, *, shared=False, dropout=0.0, **options):
    """Returns the loss and the gradient of every adapter, for fixed adapters and seeds."""
    adapters = adapters_for(read_configuration(folder), "all-linear", Lora(3, 6.0, dropout))
    loaded = load_decoder(folder, adapters=adapters, seed=3, **options)
    for i, part in enumerate(loaded.decoder.adapted_parts().values()):
        rng = np.random.default_rng(i)
        for variable in (part.lora_a, part.lora_b):
            variable.assign(rng.normal(0, 0.05, variable.shape))
    head = WordHead(len(LABELS), loaded.decoder.configuration.hidden_size)
    head.rows.assign(loaded.output_rows(LABELS))
    model = prompt_classifier(loaded.decoder, head, PREFIX if shared else ())
    inputs = inputs_of(shared)
    return model, value_and_gradients(model, inputs)


def inputs_of(shared):
    rows = TAILS if shared else [PREFIX + tail for tail in TAILS]
    ids = np.zeros((ROWS, max(map(len, rows))), np.int32)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return {"token_ids": ids, "last": np.array([len(row) - 1 for row in rows], np.int32)}


def loss_of(logits):
    return ops.mean(SoftCrossEntropy().call(ops.convert_to_tensor(TRUE), logits))


def value_and_gradients(model, inputs):
    values = {
        "tensorflow": _on_tensorflow,
        "jax": _on_jax,
        "torch": _on_torch,
    }[keras.backend.backend()](model, inputs)
    loss, found = values
    return float(ops.convert_to_numpy(loss)), [ops.convert_to_numpy(g) for g in found]


def _on_tensorflow(model, inputs):
    import tensorflow as tf

    @tf.function
    def computed():
        with tf.GradientTape() as tape:
            loss = loss_of(model(inputs, training=True))
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    return computed()


def _on_jax(model, inputs):
    import jax

    frozen = [v.value for v in model.non_trainable_variables]

    def loss(trained):
        return loss_of(model.stateless_call(trained, frozen, inputs, training=True)[0])

    return jax.jit(jax.value_and_grad(loss))([v.value for v in model.trainable_variables])


def _on_torch(model, inputs):
    loss = loss_of(model(inputs, training=True))
    variables = [v.value for v in model.trainable_variables]
    return loss.detach(), torch.autograd.grad(loss, variables)


def largest_difference(one, other):
    largest = max(np.abs(gradient).max() for gradient in one)
    assert largest > 1e-3  # a gradient that is 0 everywhere would agree with itself
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True)) / largest


def test_gradients_are_those_of_finite_differences(folder, open_):
    with open_().scope():
        model, (_, found) = gradients(folder)
        inputs = inputs_of(shared=False)
        for index in (0, len(found) // 2, len(found) - 1):
            variable = model.trainable_variables[index]
            place = np.unravel_index(np.abs(found[index]).argmax(), found[index].shape)
            before, step, losses = ops.convert_to_numpy(variable).copy(), 1e-2, []
            for sign in (1, -1):
                moved = before.copy()
                moved[place] += sign * step
                variable.assign(moved)
                logits = model(inputs, training=False)
                losses.append(float(ops.convert_to_numpy(loss_of(logits))))
            variable.assign(before)
            slope = (losses[0] - losses[1]) / (2 * step)
            assert found[index][place] == pytest.approx(slope, rel=0.03, abs=1e-3), variable.path


def test_a_shared_beginning_changes_no_gradient(folder, open_):
    with open_().scope():
        _, (loss, plain) = gradients(folder)
        _, (other, shared) = gradients(folder, shared=True)
    assert other == pytest.approx(loss, rel=1e-5)
    assert largest_difference(plain, shared) <= 2e-5


@pytest.mark.parametrize("format_", ["float32", "int8", "nf4"])
def test_layers_that_are_computed_again_draw_the_same_masks(format_, folder, open_):
    with open_().scope():
        _, (loss, kept) = gradients(folder, dropout=0.3, format_=format_, shared=True)
        _, (other, again) = gradients(folder, dropout=0.3, format_=format_, shared=True, remat=True)
        _, (without, _) = gradients(folder, format_=format_, shared=True)
    assert loss == pytest.approx(other, rel=1e-5) and loss != pytest.approx(without, rel=1e-5)
    assert largest_difference(kept, again) <= 2e-5
