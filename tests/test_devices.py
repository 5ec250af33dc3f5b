"""Devices: two replicas compute what one does, in every precision; the rest is refused."""

import keras
import numpy as np
import pytest
from keras import ops

from relx.data.batches import Feeder
from relx.devices.backends.machine import cpu_has
from relx.devices.device import open_device
from relx.faults import InputError
from relx.recipe import DeviceSection, TrainSection
from relx.training.checkpoint import load_checkpoint, save_checkpoint
from relx.training.fit import compile_for
from relx.training.optimizer import LossScaler, make_optimizer

ROWS, CLASSES, WORDS = 22, 3, 40
RNG = np.random.default_rng(0)
TOKENS = [RNG.integers(1, WORDS, RNG.integers(3, 9)) for _ in range(ROWS)]
TARGETS = RNG.integers(0, CLASSES, ROWS).astype(np.int32)


def assemble(batch, rng):
    tokens = np.zeros((len(batch.rows), batch.length), np.int32)
    for i, row in enumerate(batch.rows):
        tokens[i, : len(TOKENS[row])] = TOKENS[row]
    weights = batch.weights() / batch.real
    return {"token_ids": tokens}, TARGETS[batch.rows], weights


def toy_model():
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    states = keras.layers.Embedding(
        WORDS, 8, embeddings_initializer=keras.initializers.RandomNormal(seed=1)
    )(tokens)
    pooled = keras.layers.GlobalAveragePooling1D()(states)
    start = keras.initializers.GlorotUniform(seed=2)
    hidden = keras.layers.Dense(8, activation="tanh", kernel_initializer=start)(pooled)
    logits = keras.layers.Dense(CLASSES, kernel_initializer=start, dtype="float32")(hidden)
    return keras.Model({"token_ids": tokens}, logits)


def trained(strategy, precision, epochs=3, spoil=None):
    devices = 2 if strategy == "mirrored" else 1
    section = DeviceSection(precision=precision, strategy=strategy, virtual_devices=devices)
    device = open_device(section, 0)
    assert device.replicas == devices
    feeder = Feeder(
        np.array([len(t) for t in TOKENS]), 8, 0, spoil or assemble, multiple=device.replicas
    )
    with device.scope():
        model = toy_model()
    section = TrainSection(
        learning_rate=0.02, weight_decay=0.05, warmup=0.2, clip_norm=0.05, epochs=epochs
    )
    compile_for(device, model, section, feeder.steps, label_smoothing=0.1)
    losses = []
    for epoch in range(epochs):
        data = device.dataset(feeder, epoch)
        history = model.fit(data, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
        losses.append(history.history["loss"][-1])
    return model, np.array(losses)


def weights_of(model):
    return np.concatenate([np.ravel(w) for w in model.get_weights()])


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-6), ("mixed_bfloat16", 2e-3), ("mixed_float16", 2e-3)],
)
def test_two_replicas_learn_what_one_does(precision, tolerance):
    # 22 rows in batches of 8: the last batch is uneven, and clipping is at work in every step
    one, losses_of_one = trained("one", precision)
    two, losses_of_two = trained("mirrored", precision)
    assert np.abs(weights_of(one) - weights_of(two)).max() < tolerance
    assert np.abs(losses_of_one - losses_of_two).max() < tolerance
    assert losses_of_one[-1] < losses_of_one[0]


def test_float16_is_trained_with_loss_scaling():
    model, _ = trained("one", "mixed_float16", epochs=1)
    assert isinstance(model.optimizer, LossScaler)
    assert float(model.optimizer.dynamic_scale) > 1


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_gradient_that_overflows_on_one_replica_skips_the_step_on_all(strategy):
    def spoil(batch, rng):
        inputs, targets, weights = assemble(batch, rng)
        weights[-1] = np.inf  # the last row: on the second replica alone
        return inputs, targets, weights

    model, _ = trained(strategy, "mixed_float16", epochs=1, spoil=spoil)
    untouched = toy_model()
    assert np.isfinite(weights_of(model)).all()
    assert (weights_of(model) == weights_of(untouched)).all()
    scale = ops.convert_to_numpy(model.optimizer.dynamic_scale)
    assert scale < model.optimizer.initial_scale


def test_biases_are_not_decayed_and_kernels_are():
    open_device(DeviceSection(precision="float32"), 0)
    model = toy_model()
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    optimizer = make_optimizer(
        model, learning_rate=0.1, weight_decay=0.5, warmup=0, clip_norm=None, steps=10
    )
    optimizer.apply([np.zeros(v.shape, np.float32) for v in model.trainable_variables])
    for variable in model.trainable_variables:
        expected = 1.0 if variable.name == "bias" else 1 - 0.1 * 0.5
        assert np.allclose(variable, expected), variable.path


def test_adamw_equals_pytorch():
    torch = pytest.importorskip("torch")
    open_device(DeviceSection(precision="float32"), 0)
    model = toy_model()
    steps, rate = 6, 0.02
    optimizer = make_optimizer(
        model, learning_rate=rate, weight_decay=0.1, warmup=0.5, clip_norm=1.0, steps=steps
    )
    theirs = [torch.nn.Parameter(torch.tensor(np.array(v))) for v in model.trainable_variables]
    biases = [v.name == "bias" for v in model.trainable_variables]
    groups = [
        {"params": [p for p, b in zip(theirs, biases, strict=True) if not b], "weight_decay": 0.1},
        {"params": [p for p, b in zip(theirs, biases, strict=True) if b], "weight_decay": 0.0},
    ]
    torch_adamw = torch.optim.AdamW(groups, lr=rate, eps=1e-8)
    rng = np.random.default_rng(0)
    for step in range(steps):
        grads = [rng.normal(size=v.shape).astype(np.float32) for v in model.trainable_variables]
        optimizer.apply(grads)
        for group in torch_adamw.param_groups:
            group["lr"] = rate * min((step + 1) / 3, (steps - step) / 3, 1.0)
        for parameter, grad in zip(theirs, grads, strict=True):
            parameter.grad = torch.tensor(grad)
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        torch_adamw.step()
    # a wrong decay, clip or rate is off by 1e-3 here
    for variable, parameter in zip(model.trainable_variables, theirs, strict=True):
        assert np.abs(np.array(variable) - parameter.detach().numpy()).max() < 1e-6


def state_of(model):
    variables = (*model.variables, *model.optimizer.variables)
    return [ops.convert_to_numpy(variable) for variable in variables]


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_checkpoint_holds_everything_that_training_needs(tmp_path, strategy):
    model, _ = trained(strategy, "mixed_float16", epochs=2)
    save_checkpoint(tmp_path / "c.safetensors", model, {"epoch": 2})
    before = state_of(model)
    other, _ = trained(strategy, "mixed_float16", epochs=1)
    assert load_checkpoint(tmp_path / "c.safetensors", other) == {"epoch": 2}
    after = state_of(other)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_mirrored_on_one_device_is_refused():
    with pytest.raises(InputError, match="two devices"):
        open_device(DeviceSection(strategy="mirrored"), 0)


def test_auto_is_float32_on_a_cpu_and_says_what_is_faster(monkeypatch):
    for amx in (True, False):
        monkeypatch.setattr("relx.devices.backends.tensorflow.cpu_has", lambda flag, amx=amx: amx)
        device = open_device(DeviceSection(), 0)
        assert (device.precision, device.replicas, device.compiles) == ("float32", 1, False)
        assert ("mixed_bfloat16" in device.precise.reason) == amx
        assert device.machine.process.index == 0


def test_a_backend_that_is_not_installed_is_refused_with_the_words_that_install_it(monkeypatch):
    monkeypatch.setattr("relx.devices.device.installed_backends", lambda: ("tensorflow",))
    for backend in ("jax", "torch"):
        with pytest.raises(InputError, match=rf"pip install 'relx\[{backend}\]'"):
            open_device(DeviceSection(backend=backend), 0)


def test_what_the_cpu_can_do_is_read_from_its_flags():
    assert cpu_has()
    assert not cpu_has("no_such_flag")
