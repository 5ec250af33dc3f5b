"""Training that has diverged ends with a message, and writes nothing that looks finished."""

import json

import keras
import numpy as np
import pytest
from test_chain import data, words  # noqa: F401 - a fixture

from relx.faults import InputError
from relx.training.finite import require_finite, require_finite_outputs
from relx_cli.main import run


def model_with(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    kernel = np.ones((2, 3), np.float32)
    kernel[1, 2] = value
    model.layers[0].kernel.assign(kernel)
    return model


def test_numbers_pass():
    require_finite(0.5, model_with(-2.0), 0, 1)
    require_finite_outputs([[1.0, -1e30]], "logits", 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_named_with_its_step(value):
    with pytest.raises(InputError, match="kernel is not made of numbers") as error:
        require_finite(0.5, model_with(value), 2, 7)
    fault = error.value.faults[0]
    assert fault.where == "epoch 3, by step 7" and fault.kind == "diverged"


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_a_fault(loss):
    with pytest.raises(InputError, match="the loss is not a number"):
        require_finite(loss, model_with(1.0), 0, 1)


def test_outputs_that_are_no_numbers_are_named():
    with pytest.raises(InputError, match="the dev rows' logits are not numbers") as error:
        require_finite_outputs(np.array([1.0, np.nan]), "the dev rows' logits", 1)
    assert error.value.faults[0].where == "after epoch 2"


CASES = {
    "tapt": ["tapt.learning_rate=1e9", "tapt.clip_norm=null", "tapt.epochs=1"],
    "train": [
        *("train.learning_rate=1e38", "train.warmup=0", "train.clip_norm=null"),
        "train.epochs=1",
    ],
}


@pytest.mark.parametrize("stage", CASES)
def test_a_stage_that_diverged_is_not_finished(stage, data, tmp_path, capsys):  # noqa: F811
    assert run([stage, *words(data, tmp_path, *CASES[stage])]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "training has diverged" in said and "Traceback" not in said
    left = [json.loads(p.read_text("utf-8")) for p in tmp_path.glob("tiny/**/manifest.json")]
    assert not [manifest for manifest in left if manifest["status"] == "finished"]
    assert not list(tmp_path.glob("tiny/**/model.safetensors"))
    assert not list(tmp_path.glob("tiny/**/metrics.json"))
