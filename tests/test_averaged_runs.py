"""A run that averages its weights trains as one that does not, and keeps what it measured."""

import csv
import json

import numpy as np
import pytest
from test_resume import data, words  # noqa: F401

from relx.files import read_json
from relx_cli.main import run


def probabilities(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return np.array([json.loads(row["probs"]) for row in csv.DictReader(stream)])


@pytest.fixture
def folder(data):  # noqa: F811
    return data


def trained(folder, name, *options):
    """Trains; the history, and what the kept model predicts of the dev rows."""
    chosen = ["tapt.epochs=1", "train.start_from=encoder", "device.precision=float32", *options]
    assert run(words("train", folder, f"name={name}", *chosen)) == 0
    out = folder / f"{name}.csv"
    settings = ["--runs-dir", str(folder / "runs"), "--run", name, "--engine", "keras"]
    assert run(["predict", *settings, "--test", str(folder / "dev.csv"), "--out", str(out)]) == 0
    place = folder / f"runs/{name}/train/fold-0"
    with np.load(place / "dev.npz", allow_pickle=False) as kept:
        measured = kept["probabilities"]
    return read_json(place / "metrics.json")["history"], probabilities(out), measured


def test_what_is_measured_is_what_is_kept_and_training_goes_on_from_the_weights(folder):
    plain, _, raw = trained(folder, "plain")
    for name, option in (("ema", "train.ema=0.9"), ("swa", "train.swa=2")):
        history, predicted, measured = trained(folder, name, option)
        assert [row["loss"] for row in history] == [row["loss"] for row in plain]
        assert np.abs(predicted - measured).max() < 1e-5
        assert np.abs(measured - raw).max() > 1e-5
