"""What has to hold on TensorFlow, JAX and PyTorch alike; tests/test_backends.py runs it on each."""

import csv
import gc
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from relx.devices.device import BACKENDS, open_device
from relx.faults import InputError
from relx.recipe import DeviceSection
from relx_cli.main import run

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ["RELX_TEST_FOLDER"])
TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 900}}"


def words(runs, name):
    settings = {
        "name": name,
        "encoder.from": TINY,
        "tokens.max_length": 128,
        "tapt.batch_size": 32,
        "train.batch_size": 32,
        "device.precision": "float32",
        "predict.engine": "keras",
        "tapt.epochs": 1,
        "train.epochs": 1,
    }
    for part, count in (("train", 24), ("dev", 8), ("test", 8)):
        rows = (ROOT / f"sample/{part}.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        settings[f"data.{part}"] = runs / f"{part}.csv"
        (runs / f"{part}.csv").write_text("".join(rows[: 1 + count]), encoding="utf-8")
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return ["--recipe", "demo", "--runs-dir", str(runs), *sets]


def probabilities(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return np.array([json.loads(row["probs"]) for row in csv.DictReader(stream)])


def test_the_chain(backend):
    runs = SHARED / backend
    runs.mkdir()
    options = words(runs, "tiny")
    assert run(["tapt", *options, "--backend", backend]) == 0
    assert run(["train", *options, "--backend", backend]) == 0
    out = runs / "submission.csv"
    assert run(["predict", "--runs-dir", str(runs), "--out", str(out)]) == 0
    assert probabilities(out).shape == (8, 30)
    manifest = json.loads((runs / "tiny/train/fold-0/manifest.json").read_text(encoding="utf-8"))
    assert manifest["device"]["backend"] == backend


def test_a_run_of_another_backend_predicts_the_same_here(backend, tmp_path):
    others = [SHARED / name for name in BACKENDS if name != backend and (SHARED / name).exists()]
    if not others:
        pytest.skip("this is the first backend that is tried")
    for runs in others:
        out = tmp_path / f"{runs.name}.csv"
        words_ = ["--runs-dir", str(runs), "--out", str(out), "--backend", backend]
        assert run(["predict", *words_]) == 0
        there = probabilities(runs / "submission.csv")
        assert np.abs(probabilities(out) - there).max() < 1e-3


def test_devices(backend, capsys):
    assert run(["devices", "--backend", backend, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["opened"] == backend
    assert found["devices"] and found["backends"][backend]
    assert set(found["auto"]) == {"precision", "strategy", "compile"}
    assert all(choice["why"].strip() for choice in found["auto"].values())
    assert set(found["matrix_product"]["gflops"]) == {"float32", "bfloat16"}
    assert all(speed > 0 for speed in found["matrix_product"]["gflops"].values())


def test_it_learns_what_the_other_backends_learn(backend, open_, trainer, tmp_path):
    trained = trainer(open_(), epochs=3)
    state = trained.fit(tmp_path / "fit")
    losses = [figures["loss"] for figures in state.history]
    assert losses[-1] < losses[0]
    weights = np.concatenate([np.ravel(value) for value in trained.weights()])
    figures = np.concatenate([losses, weights])
    np.save(SHARED / f"learnt-{backend}.npy", figures)
    for path in SHARED.glob("learnt-*.npy"):
        assert np.abs(np.load(path) - figures).max() < 1e-3, path.name


@pytest.mark.parametrize(
    ("precision", "dropout"),
    [("mixed_bfloat16", 0.1), ("mixed_float16", 0.0), ("mixed_float16", 0.1)],
)
def test_a_mixed_precision_trains_with_loss_and_logits_in_float32(
    backend, open_, trainer, tmp_path, precision, dropout
):
    import keras

    from relx.training.losses import CrossEntropy

    if precision == "mixed_float16" and backend == "jax":
        with pytest.raises(InputError, match="float16"):
            open_device(DeviceSection(backend=backend, precision=precision), 0)
        return
    trained = trainer(open_(precision), dropout=dropout, epochs=1)
    before = trained.weights()
    trained.fit(tmp_path / "fit")
    after = trained.weights()
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
    assert all(np.isfinite(value).all() for value in after)
    assert trained.model.output.dtype == "float32"
    loss = CrossEntropy(0.1)(np.zeros(2, np.int32), np.ones((2, 3), np.float16))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    pooled = trained.model.get_layer("relation_dense")
    assert pooled.compute_dtype == precision.removeprefix("mixed_")
    assert pooled.variable_dtype == "float32"
    is_scaled = isinstance(trained.model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (precision == "mixed_float16")


@pytest.mark.parametrize("amx", [True, False])
def test_auto_takes_bfloat16_where_a_step_is_faster_in_it(backend, open_, monkeypatch, amx):
    module = sys.modules[f"relx.devices.backends.{backend}"]
    monkeypatch.setattr(module, "cpu_has", lambda flag: amx, raising=False)
    device = open_("auto")
    if device.machine.accelerated:
        pytest.skip("this is about CPUs")
    expected = "mixed_bfloat16" if backend == "torch" and amx else "float32"
    assert device.precision == expected


def batches_of(data):
    """Takes the batches from what a device feeds Keras with."""
    if hasattr(data, "as_numpy_iterator"):
        return data.as_numpy_iterator()
    return (data[i] for i in range(data.num_batches))


def test_a_batch_comes_whole_and_in_order(open_, toy_feeder):
    feeder = toy_feeder()
    plain = list(feeder.arrays(1))
    fed = list(batches_of(open_().dataset(feeder, 1, first_step=1)))
    assert len(fed) == len(plain) - 1
    for batch, expected in zip(fed, plain[1:], strict=True):
        assert all((batch[0][name] == expected[0][name]).all() for name in expected[0])
        assert (batch[1] == expected[1]).all() and (batch[2] == expected[2]).all()


def test_what_goes_wrong_while_a_batch_is_assembled_reaches_the_caller(open_, toy_feeder):
    feeder = toy_feeder()

    def broken():
        yield from list(feeder.arrays(0))[:2]
        raise ZeroDivisionError("a batch that cannot be made")

    batches = batches_of(open_().stream(broken, feeder.signature(), 3))
    next(batches), next(batches)
    with pytest.raises(Exception, match="a batch that cannot be made"):
        next(batches)


def test_an_interrupted_fit_leaves_no_thread(backend, open_, trainer):
    import keras

    if backend == "tensorflow":
        pytest.skip("tf.data has threads of its own")

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    trained = trainer(open_())
    data = trained.device.stream(
        lambda: (trained.batch() for _ in range(50)), trained.feeder.signature(), 50
    )
    with pytest.raises(KeyboardInterrupt):
        trained.model.fit(data, shuffle=False, verbose=0, callbacks=[Interrupt()])
    del data
    gc.collect()
    ours = [thread for thread in threading.enumerate() if thread.name == "relx-batches"]
    for thread in ours:
        thread.join(5)
    assert not any(thread.is_alive() for thread in ours)


def test_running_out_of_memory_is_recognised(open_, backend):
    device = open_()
    from keras import ops

    with pytest.raises(Exception) as raised:
        if backend == "tensorflow":  # it would look for the memory for ten seconds
            tensorflow = sys.modules["tensorflow"]
            raise tensorflow.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        ops.convert_to_numpy(ops.zeros((1 << 46,), "float32"))
    assert device.is_out_of_memory(raised.value), repr(raised.value)
    assert device.is_out_of_memory(MemoryError())
    assert not device.is_out_of_memory(ValueError("allocate memory RESOURCE_EXHAUSTED"))


def test_what_the_backend_cannot_spread_is_refused(backend):
    if backend != "torch":
        pytest.skip("it spreads batches: see its own tests")
    for keys in ({"strategy": "mirrored"}, {"strategy": "multi_worker"}, {"virtual_devices": 2}):
        with pytest.raises(InputError, match="tensorflow or jax"):
            open_device(DeviceSection(backend=backend, **keys), 0)


def test_another_backend_in_the_same_process_is_refused(backend, open_):
    open_()
    other = "jax" if backend == "tensorflow" else "tensorflow"
    with pytest.raises(InputError, match="new process"):
        open_device(DeviceSection(backend=other), 0)


def test_the_recipe_is_stronger_than_the_environment(backend, open_):
    """The environment named another backend to this process."""
    import keras

    open_()
    assert keras.config.backend() == backend


def test_compiled_steps_are_kept(backend):
    if backend != "jax":
        pytest.skip("JAX alone keeps compiled steps")
    assert any(Path(os.environ["XDG_CACHE_HOME"]).glob("relx/jax/*"))


def test_tensorflow_was_not_imported(backend):
    """The last of this file: it looks back on all of them."""
    assert (sys.modules.get("tensorflow") is not None) == (backend == "tensorflow")
