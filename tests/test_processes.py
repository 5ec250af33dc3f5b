"""Several processes compute one run: the same figures and weights, and one of them writes."""

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from relx.devices.processes import (
    ADDRESSES,
    COUNT,
    INDEX,
    TF_CONFIG,
    Processes,
    is_chief,
    read_processes,
)
from relx.faults import InputError
from relx.files import read_json
from relx.models.encoder.load import load_encoder, save_encoder
from relx.predict import open_run
from relx.recipe import DeviceSection, FreshSizes, FreshSource
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TESTS = Path(__file__).parent
SECONDS = 240

WORKERS = DeviceSection(strategy="multi_worker")
JAX_WORKERS = DeviceSection(backend="jax", strategy="multi_worker")


def environment(addresses, index):
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return os.environ | {
        TF_CONFIG: json.dumps(cluster),
        ADDRESSES: ",".join(addresses),
        COUNT: str(len(addresses)),
        INDEX: str(index),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def free_addresses(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]


def run_together(commands, environments):
    """Runs commands at once and returns what each printed; none outlives this."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [
        subprocess.Popen([sys.executable, *words], env=own, cwd=ROOT, **pipes)
        for words, own in zip(commands, environments, strict=True)
    ]
    end = time.monotonic() + SECONDS
    try:
        said = [each.communicate(timeout=end - time.monotonic())[0] for each in started]
    finally:
        for each in started:
            each.kill()
    assert [each.returncode for each in started] == [0] * len(started), "\n".join(said)
    return said


@pytest.mark.slow
def test_on_jax_devices_and_processes_learn_what_one_device_does(tmp_path):
    pytest.importorskip("jax")
    toy = str(TESTS / "toy_fit.py")
    one = "backend=jax,virtual_devices=2,strategy=one"
    two = "backend=jax,virtual_devices=2,strategy=mirrored"
    divided = "backend=jax,virtual_devices=2,strategy=model_parallel"
    several = "backend=jax,strategy=multi_worker"
    own = os.environ | {"KERAS_BACKEND": "jax"}
    run_together([[toy, str(tmp_path / "one.npz"), one, two, divided]], [own])
    addresses = free_addresses(2)
    run_together(
        [[toy, str(tmp_path / f"{index}.npz"), several] for index in range(2)],
        [environment(addresses, index) | {"KERAS_BACKEND": "jax"} for index in range(2)],
    )
    expected = np.load(tmp_path / "one.npz")
    found = dict(expected)
    for index in range(2):
        found |= {f"{index}.{name}": v for name, v in np.load(tmp_path / f"{index}.npz").items()}
    devices = [f"{name}.{parts}" for name in ("mirrored", "model_parallel") for parts in (1, 2)]
    for place in (*devices, "0.multi_worker.1", "0.multi_worker.2"):
        for figure in ("losses", "weights", "logits", "measured"):
            np.testing.assert_allclose(
                found[f"{place}.{figure}"], expected[f"one.1.{figure}"], atol=2e-6, rtol=0
            )
    for name in np.load(tmp_path / "1.npz").files:
        assert (found[f"1.{name}"] == found[f"0.{name}"]).all(), name


@pytest.fixture(scope="module")
def still_encoder(tmp_path_factory):
    """A tiny encoder without dropout, whose masks replicas would draw each for its own rows."""
    folder = tmp_path_factory.mktemp("encoder")
    sizes = {"layers": 1, "hidden": 16, "heads": 2, "intermediate": 32, "vocabulary": 400}
    with (ROOT / "sample" / "train.csv").open(encoding="utf-8", newline="") as stream:
        sentences = [row["sentence"] for row in csv.DictReader(stream)]
    source = FreshSource(fresh=FreshSizes(**sizes))
    loaded = load_encoder(source, sentences=lambda: sentences, with_head=True, seed=0)
    save_encoder(loaded, folder / "encoder", "")
    configuration = folder / "encoder" / "config.json"
    tree = read_json(configuration)
    tree |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    configuration.write_text(json.dumps(tree), encoding="utf-8")
    return folder / "encoder"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """45 rows to train on, of which batches of 16 leave an uneven last one, and 13 to choose by."""
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("train", 45), ("dev", 13)):
        lines = (ROOT / "sample" / f"{name}.csv").read_text(encoding="utf-8").splitlines(True)
        (folder / f"{name}.csv").write_text("".join(lines[: count + 1]), encoding="utf-8")
    return folder


def words(stage, data, encoder, runs):
    settings = {
        "name": "shared",
        "encoder.from": encoder,
        "data.train": data / "train.csv",
        "data.dev": data / "dev.csv",
        "data.test": "null",
        "tokens.max_length": 128,
        "train.epochs": 2,
        "train.dropout": 0,
        "train.clip_norm": 0.5,
    }
    pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return [stage, "--recipe", "recipes/demo.yaml", "--runs-dir", runs, *pairs]


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_the_first_writes(tmp_path, data, still_encoder):
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert run(words("train", data, still_encoder, one)) == 0
    addresses = free_addresses(2)
    command = ["-m", "relx_cli", *words("train", data, still_encoder, two)]
    command += ["--set", "train.accumulate=2", "--set", "device.strategy=multi_worker"]
    said = run_together([command, command], [environment(addresses, i) for i in range(2)])
    assert "2 replicas" in said[0] and "epoch 2" in said[0]
    assert "epoch" not in said[1]
    folders = [Path(runs) / "shared" / "train" / "fold-0" for runs in (one, two)]
    left = [
        sorted(p.relative_to(f) for p in f.rglob("*.*") if "tfevents" not in p.name)
        for f in folders
    ]
    assert left[0] == left[1]
    metrics = [read_json(folder / "metrics.json") for folder in folders]
    for mine, theirs in zip(*(each["history"] for each in metrics), strict=True):
        for figure in ("loss", "micro_f1", "auprc", "accuracy"):
            assert mine[figure] == pytest.approx(theirs[figure], abs=2e-5), figure
    for file in ("model.safetensors", "relation_head.safetensors"):
        mine, theirs = (load_file(folder / "model" / file) for folder in folders)
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_allclose(mine[name], theirs[name], atol=2e-5, rtol=0)
    section = open_run(Path(two), None).folds[0]._section
    assert section.strategy == "auto"  # one process predicts


def test_one_process_is_the_rule(monkeypatch):
    monkeypatch.setenv(TF_CONFIG, "{}")
    assert read_processes(DeviceSection(strategy="auto")) == Processes(0, 1)
    assert is_chief(DeviceSection(strategy="mirrored"))


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), Processes(0, 2)),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), Processes(1, 2)),
        ({"worker": ["a:1", "b:1"], "chief": ["c:1"]}, ("worker", 0), Processes(1, 3)),
        ({"worker": ["a:1", "b:1"], "chief": ["c:1"]}, ("chief", 0), Processes(0, 3)),
    ],
)
def test_tf_config_says_which_process_this_is(monkeypatch, cluster, task, expected):
    config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv(TF_CONFIG, json.dumps(config))
    assert read_processes(WORKERS) == expected
    assert is_chief(WORKERS) == (expected.index == 0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "3",
        "{}",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_tf_config_that_makes_no_sense_is_refused(monkeypatch, text):
    monkeypatch.setenv(TF_CONFIG, text)
    with pytest.raises(
        InputError, match="TF_CONFIG: this does not describe the processes of a run"
    ):
        read_processes(WORKERS)


def test_multi_worker_without_its_variables_is_refused(monkeypatch):
    for name in (TF_CONFIG, ADDRESSES, COUNT, INDEX):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="TF_CONFIG is not set"):
        read_processes(WORKERS)
    with pytest.raises(InputError, match=f"{ADDRESSES}, {COUNT}, {INDEX} is not set"):
        read_processes(JAX_WORKERS)
    with pytest.raises(InputError, match="computes on one device"):
        read_processes(DeviceSection(backend="torch", strategy="multi_worker"))


@pytest.mark.parametrize(
    ("addresses", "count", "index", "allowed"),
    [
        ("a:1", "2", "1", True),
        ("a:1,b:1", "2", "1", True),
        ("a:1", "2", "2", False),
        ("a:1,b:1,c:1", "2", "0", False),
        ("a:1", "two", "0", False),
    ],
)
def test_the_variables_of_keras_have_to_fit_together(monkeypatch, addresses, count, index, allowed):
    for name, value in ((ADDRESSES, addresses), (COUNT, count), (INDEX, index)):
        monkeypatch.setenv(name, value)
    if allowed:
        assert read_processes(JAX_WORKERS) == Processes(int(index), int(count))
    else:
        with pytest.raises(InputError):
            read_processes(JAX_WORKERS)
