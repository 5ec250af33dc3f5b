"""Runs that are killed, stopped, changed or broken, through the front door."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relx.files import read_json
from relx.runs.resume import read_state
from relx.training import fit
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 400}}"


@pytest.fixture
def data(tmp_path):
    """A small part of the sample: 40 rows to train on, 10 to choose by, 10 to predict."""
    for name, count in (("train", 40), ("dev", 10), ("test", 10)):
        with (ROOT / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            write_rows(tmp_path / f"{name}.csv", list(csv.reader(stream))[: count + 1])
    return tmp_path


def write_rows(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def words(stage, data, *settings):
    tiny = {"name": "tiny", "encoder.from": TINY, "tokens.max_length": 128}
    tiny |= {"tapt.epochs": 2, "train.epochs": 2, "checkpoint.steps": 1}
    tiny |= {f"data.{part}": data / f"{part}.csv" for part in ("train", "dev", "test")}
    tiny |= dict(setting.split("=", 1) for setting in settings)
    sets = [word for key, value in tiny.items() for word in ("--set", f"{key}={value}")]
    return [stage, "--recipe", "demo", "--runs-dir", str(data / "runs"), *sets]


def stopped_in_an_epoch(stage, data, monkeypatch):
    """Runs a stage up to its second checkpoint, and returns its folder."""
    save, saves = fit.save_checkpoint, []

    def save_and_stop(*arguments):
        save(*arguments)
        saves.append(arguments)
        if len(saves) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_checkpoint", save_and_stop)
        assert run(words(stage, data)) == 130
    return data / "runs/tiny" / {"tapt": "tapt", "train": "train/fold-0"}[stage]


def said(capsys):
    return " ".join(capsys.readouterr().err.split())


def test_killed_runs_end_as_the_one_that_was_never_killed(tmp_path):
    """SIGKILL within a step, a checkpoint's bytes, and between any two files that must agree."""
    command = [sys.executable, "bench/kills.py", "--series", "--out", str(tmp_path / "kills.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = read_json(tmp_path / "kills.json")
    assert result["faults"] == []
    assert result["tried"] == result["survived"] == 9


def test_sigterm_saves_the_running_step_and_says_how_to_go_on(data):
    options = words("tapt", data, "tapt.epochs=999", "checkpoint.steps=null")
    process = subprocess.Popen(
        [sys.executable, "-m", "relx_cli", *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = data / "runs/tiny/tapt/checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run(options) == 2  # the other process is at work
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert "the same command carries on" in process.stderr.read()
    assert process.wait() == 143
    state = read_state(checkpoint)
    lines = (data / "runs/tiny/tapt/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(state["epoch"]))
    assert state["epoch"] >= 1


def test_what_decides_no_result_may_change_in_the_middle(data, monkeypatch, capsys):
    folder = stopped_in_an_epoch("train", data, monkeypatch)
    assert read_state(folder / "checkpoint.safetensors")["step"] == 2
    other = ["checkpoint.steps=2", "checkpoint.minutes=null", "predict.batch_size=5"]
    other += ["predict.engine=keras", "train.accumulate=2", "device.strategy=one"]
    assert run(words("train", data, *other)) == 0
    assert "continuing with step 3 of epoch 1 of 2" in said(capsys)
    history = read_json(folder / "metrics.json")["history"]
    assert len(history) == 2 and all(row["sentences_per_second"] > 0 for row in history)


def test_changed_data_are_refused_with_what_changed(data, monkeypatch, capsys):
    stopped_in_an_epoch("train", data, monkeypatch)
    stopped_in_an_epoch("tapt", data, monkeypatch)
    with (data / "train.csv").open(encoding="utf-8", newline="") as stream:
        write_rows(data / "train.csv", list(csv.reader(stream))[:-1])
    said(capsys)
    assert run(words("train", data)) == 2
    text = said(capsys)
    assert f"data.train: {data / 'train.csv'}, 40 → 39 rows, SHA-256 " in text
    assert "data.dev" not in text and "--fresh" in text
    assert run(words("tapt", data)) == 2
    text = said(capsys)
    assert f"data.train: {data / 'train.csv'}, 40 → 39 rows, SHA-256 " in text
    assert "sentences: " in text
    assert "data.test" not in text


def test_a_broken_checkpoint_is_one_message_and_fresh_says_what_it_leaves(
    data, monkeypatch, capsys
):
    folder = stopped_in_an_epoch("train", data, monkeypatch)
    said(capsys)
    assert run([*words("train", data, "train.epochs=1"), "--fresh"]) == 0
    text = said(capsys)
    aside = folder.with_name("fold-0.old-1")
    assert (
        f"is kept as {aside}: stopped after 0 of 2 epochs and 2 steps, 0." in text
        and " minutes of work, 0." in text
    )
    folder.rename(folder.with_name("done"))
    aside.rename(folder)
    path = folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    assert run(words("train", data)) == 2
    text = said(capsys)
    assert text.count("error:") == 1 and "this checkpoint is broken" in text and "--fresh" in text
    assert path.exists()
