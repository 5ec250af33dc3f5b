"""A checkpoint brings back every type to the bit, and leaves what is frozen alone."""

import keras
import numpy as np
from keras import ops
from safetensors import safe_open

from relx.training.checkpoint import load_checkpoint, save_checkpoint


def half_frozen(fill):
    """A compiled model of a frozen layer and one that trains, both in bfloat16."""
    base = keras.layers.Dense(6, dtype="bfloat16", name="base")
    layers = [keras.Input((5,)), base, keras.layers.Dense(2, dtype="bfloat16")]
    model = keras.Sequential(layers)
    base.trainable = False
    model.compile(keras.optimizers.AdamW(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    for i, variable in enumerate((*model.variables, *model.optimizer.variables[2:])):
        noise = np.random.default_rng((fill, i)).normal(size=variable.shape)
        variable.assign(noise.astype(np.float32))
    return model


def found(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def test_bfloat16_goes_and_comes_back(tmp_path):
    model, other = half_frozen(1), half_frozen(2)
    before = found(other.get_layer("base").variables)
    save_checkpoint(tmp_path / "c", model, {"epoch": 1})
    assert load_checkpoint(tmp_path / "c", other) == {"epoch": 1}
    pairs = zip(model.trainable_variables, other.trainable_variables, strict=True)
    pairs = [*pairs, *zip(model.optimizer.variables, other.optimizer.variables, strict=True)]
    for one, two in pairs:
        assert ops.convert_to_numpy(one).tobytes() == ops.convert_to_numpy(two).tobytes()
    assert {str(v.dtype) for v in model.trainable_variables} == {"bfloat16"}
    with safe_open(tmp_path / "c", framework="np") as file:
        kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert sorted(name for name in kinds if name.startswith("model.")) == ["model.2", "model.3"]
    assert kinds["model.2"] == "BF16"
    after = found(other.get_layer("base").variables)
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
