"""A checkpoint holds everything, is a safetensors file, and says what is wrong with it."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import ops
from safetensors import safe_open
from safetensors.numpy import load_file

from relx.faults import InputError
from relx.runs.resume import read_state
from relx.training import checkpoint
from relx.training.checkpoint import frozen_sum, load_checkpoint, save_checkpoint

STATE = {"epoch": 1, "step": 3, "history": [{"loss": 0.1, "이름": 2.0}], "best": None}


def toy(width=4, steps=0):
    """A compiled model with dropout that was trained for some steps."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(3)
    layers = [keras.Input((6,)), keras.layers.Dense(width), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(3)])
    model.compile(keras.optimizers.AdamW(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    rows = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    for _ in range(steps):
        model.fit(rows, rows[:, :3], batch_size=8, verbose=0)
    return model


def in_half(steps=0, seed=0):
    """A compiled model of bfloat16 variables: an embedding that is frozen, and what trains."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed)
    embedding = keras.layers.Embedding(20, 6, dtype="bfloat16", name="frozen")
    adapter = keras.layers.Dense(6, dtype="bfloat16", name="adapter")
    layers = [embedding, keras.layers.GlobalAveragePooling1D(), adapter]
    layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((4,), dtype="int32"), *layers, keras.layers.Dense(3)])
    embedding.trainable = False
    model.compile(keras.optimizers.AdamW(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    ids, targets = rng.integers(0, 20, (8, 4)), rng.normal(size=(8, 3)).astype(np.float32)
    for _ in range(steps):
        model.fit(ids, targets, batch_size=8, verbose=0)
    return model


def values(model):
    variables = (*model.variables, *model.optimizer.variables, *model.metrics_variables)
    return [ops.convert_to_numpy(variable) for variable in variables]


def test_it_holds_weights_seeds_optimizer_loss_and_state(tmp_path):
    model = toy(steps=3)
    save_checkpoint(tmp_path / "c", model, STATE)
    other = toy()
    assert load_checkpoint(tmp_path / "c", other) == STATE == read_state(tmp_path / "c")
    pairs = list(zip(values(model), values(other), strict=True))
    assert all((a == b).all() and a.dtype == b.dtype for a, b in pairs)
    assert any("seed" in variable.path for variable in model.variables)


def test_it_is_a_safetensors_file(tmp_path):
    model = toy(steps=1)
    save_checkpoint(tmp_path / "c", model, STATE)
    tensors = load_file(tmp_path / "c")
    assert [tensor.shape for name, tensor in tensors.items() if name == "model.0"] == [(6, 4)]
    assert (tensors["model.0"] == ops.convert_to_numpy(model.variables[0])).all()
    assert tensors["optimizer.0"].shape == () and tensors["optimizer.0"] == 1


def test_bfloat16_comes_back_to_the_bit_and_what_is_frozen_is_not_there(tmp_path):
    model = in_half(steps=3)
    save_checkpoint(tmp_path / "c", model, STATE)
    other = in_half(seed=0)
    assert load_checkpoint(tmp_path / "c", other) == STATE
    for one, two in zip(values(model), values(other), strict=True):
        assert one.dtype == two.dtype and one.tobytes() == two.tobytes()
    kinds = [str(variable.dtype) for variable in model.trainable_variables]
    assert kinds.count("bfloat16") == 2 and "float32" in kinds
    with safe_open(tmp_path / "c", framework="pt") as file:  # any reader of such files
        kept = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        shapes = [tuple(tensor.get_shape()) for tensor in kept.values()]
        assert {"BF16", "F32"} <= {tensor.get_dtype() for tensor in kept.values()}
    assert (20, 6) not in shapes  # neither the embedding nor a moment of it
    moving = [v for v in model.variables if "moving" in v.path]
    assert len(moving) == 2 and np.abs(ops.convert_to_numpy(moving[0])).max() > 0


def test_what_is_frozen_has_a_sum_and_what_trains_has_none():
    trained, other = in_half(steps=2), in_half()
    assert frozen_sum(trained) == frozen_sum(other) != ""
    other.get_layer("frozen").embeddings.assign(np.ones((20, 6)))
    assert frozen_sum(trained) != frozen_sum(other)
    assert frozen_sum(toy()) == ""


def test_a_checkpoint_of_before_is_a_message_that_says_the_way_out(tmp_path):
    model = toy(steps=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", "2")
        save_checkpoint(tmp_path / "c", model, STATE)
    with pytest.raises(InputError, match="another version of relx") as caught:
        load_checkpoint(tmp_path / "c", model)
    assert "--fresh" in caught.value.faults[0].next_step


def test_what_passes_within_a_batch_is_left_out(tmp_path):
    model = toy(steps=1)
    model.optimizer.passing = model.optimizer.variables[-2:]
    save_checkpoint(tmp_path / "passing", model, STATE)
    model.optimizer.passing = []
    save_checkpoint(tmp_path / "all", model, STATE)
    without, with_ = (set(load_file(tmp_path / name)) for name in ("passing", "all"))
    assert with_ - without == {f"optimizer.{len(model.optimizer.variables) - i}" for i in (1, 2)}
    other = toy()
    other.optimizer.passing = other.optimizer.variables[-2:]
    assert load_checkpoint(tmp_path / "passing", other) == STATE


def test_the_running_loss_may_be_left_out(tmp_path):
    model = toy(steps=2)
    save_checkpoint(tmp_path / "c", model, STATE, False)
    other = toy(steps=1)
    before = [ops.convert_to_numpy(metric) for metric in other.metrics_variables]
    load_checkpoint(tmp_path / "c", other)
    after = [ops.convert_to_numpy(metric) for metric in other.metrics_variables]
    assert before == after


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_one_that_was_cut_short_is_a_message_and_sets_nothing(tmp_path, share):
    save_checkpoint(tmp_path / "c", toy(steps=1), STATE)
    content = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(content[: int(share * len(content))])
    other = toy()
    before = values(other)
    with pytest.raises(InputError, match="this checkpoint is broken") as caught:
        load_checkpoint(tmp_path / "c", other)
    assert "--fresh" in caught.value.faults[0].next_step
    assert all((a == b).all() for a, b in zip(before, values(other), strict=True))


@pytest.mark.parametrize("content", [b"\0" * 999, b"garbage" * 99, b"\x02\0\0\0\0\0\0\0{}"])
def test_garbage_is_a_message(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(InputError, match=r"broken|another version"):
        load_checkpoint(tmp_path / "c", toy())


def test_one_of_another_model_is_a_message_and_sets_nothing(tmp_path):
    save_checkpoint(tmp_path / "c", toy(width=5), STATE)
    other = toy()
    before = values(other)
    with pytest.raises(InputError, match="another model"):
        load_checkpoint(tmp_path / "c", other)
    assert all((a == b).all() for a, b in zip(before, values(other), strict=True))


def test_no_second_copy_of_the_model_is_made(tmp_path):
    layers = [keras.layers.Dense(300) for _ in range(12)]  # 13 MB with the optimizer's
    model = keras.Sequential([keras.Input((300,)), *layers])
    model.compile(keras.optimizers.AdamW(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    tracemalloc.start()
    save_checkpoint(tmp_path / "c", model, STATE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "c").stat().st_size > 12_000_000
    assert peak < 2_000_000
