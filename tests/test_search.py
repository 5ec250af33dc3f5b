"""Searches: what their file may say, and trials that are shared, pruned, killed and carried on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import relx.study.search
from relx.faults import InputError
from relx.recipe_file import load_recipe
from relx.study.space import read_search
from relx_cli.study import study as command

optuna = pytest.importorskip("optuna")

from relx.study.search import open_search, search, trial_rows  # noqa: E402

ROOT = Path(__file__).parents[1]
FILE = """\
name: tuned
recipe: demo
trials: 5
seed: 7
set: {data.test: null}
space:
  train.learning_rate: {from: 1e-5, to: 1e-3, log: true}
  train.batch_size: [16, 32]
  train.epochs: {from: 2, to: 6}
"""
# Stands for a training: an epoch each tenth of a second; the score goes by the learning rate.
FAKE = """\
import json, pathlib, sys, time
from relx.files import write_json
from relx.runs.lock import locked
from relx.shipped import chosen_recipe
sets = [word for before, word in zip(sys.argv, sys.argv[1:]) if before == "--set"]
recipe = chosen_recipe(sys.argv[sys.argv.index("--recipe") + 1], sets)
runs = pathlib.Path(sys.argv[sys.argv.index("--runs-dir") + 1])
folder = runs / recipe.name / "train/fold-0"
PAUSE = float(__import__("os").environ.get("PAUSE", "0.05"))
with locked(runs / recipe.name):
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "metrics.json").exists():
        sys.exit(0)  # as relx does
    curve = folder / "metrics.jsonl"
    done = curve.read_text().count("\\n") if curve.exists() else 0
    score = 1e5 * recipe.train.learning_rate + done - 1
    with curve.open("a") as log:
        for epoch in range(done, recipe.train.epochs):
            time.sleep(PAUSE)
            score = 1e5 * recipe.train.learning_rate + epoch
            log.write(json.dumps({"epoch": epoch, "micro_f1": score}) + "\\n")
            log.flush()
    if recipe.train.batch_size == 64:
        sys.exit("no memory")
    write_json(folder / "metrics.json", {"micro_f1": score})
"""
WORKER = """\
import pathlib, sys
import relx.study.search as search
from relx.study.space import read_search
fake, file, runs = sys.argv[1:]
search.relx_command = lambda words: [sys.executable, fake, *words]
plan = read_search(pathlib.Path(file))
runs = pathlib.Path(runs)
search.search(plan, runs, search.open_search(plan, runs))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Trials that only pretend to train."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = [sys.executable, str(script)]
    monkeypatch.setattr(relx.study.search, "relx_command", lambda own: [*words, *own])
    return script


def searched(file, runs):
    plan = read_search(file)
    study = open_search(plan, runs)
    search(plan, runs, study)
    return study


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{from: 1e-5, to: 1e-3, log: true}", "{from: 1e-3, to: 1e-5}", "has to be below"),
        ("{from: 1e-5, to: 1e-3, log: true}", "{from: 0, to: 1e-3, log: true}", "above 0"),
        (
            "{from: 1e-5, to: 1e-3, log: true}",
            "{from: 1e-5, till: 1}",
            "learning_rate.till: unknown key",
        ),
        ("from: 2, to: 6", "from: 0, to: 6", "space"),
        ("[16, 32]", "[16]", "at least 2 items"),
        ("[16, 32]", "[16, many]", "train.batch_size"),
        ("train.batch_size", "train.batch_sizes", "unknown key"),
        ("trials: 5", "trials: 0", "greater than or equal to 1"),
        ("data.test: null", "train.epochs: 3", "in space and in set"),
        ("data.test: null", "name: x", "a search names its runs"),
        ("space:", "spaces:", "did you mean space"),
    ],
)
def test_what_makes_no_search_is_refused(old, new, says, tmp_path):
    path = tmp_path / "search.yaml"
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_search(path)


def test_trials_are_of_the_space_and_the_best_one_is_a_recipe(file, fake, tmp_path):
    study = searched(file, tmp_path / "runs")
    rows = trial_rows(study)
    assert len(rows) == 5 and {row.state for row in rows} <= {"complete", "pruned"}
    for row in rows:
        assert 1e-5 <= row.values["train.learning_rate"] <= 1e-3
        assert row.values["train.batch_size"] in (16, 32)
        assert row.values["train.epochs"] in range(2, 7)
    best = rows[0]
    expected = 1e5 * best.values["train.learning_rate"] + best.values["train.epochs"] - 1
    assert best.value == pytest.approx(expected)
    assert best.value == max(row.value for row in rows if row.value is not None)


def test_the_same_file_and_seed_try_the_same_values(file, fake, tmp_path):
    first, again = (searched(file, tmp_path / name) for name in ("one", "two"))
    assert [t.params for t in first.trials] == [t.params for t in again.trials]


def test_a_hopeless_curve_is_ended_early(file, fake, tmp_path):
    text = FILE.replace("trials: 5", "trials: 9").replace("from: 2, to: 6", "from: 6, to: 7")
    file.write_text(text, encoding="utf-8")
    study = searched(file, tmp_path / "runs")
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert pruned  # after five trials, one below the median is certain to come
    finished = [trial.value for trial in study.trials if trial.value is not None]
    assert max(pruned[0].intermediate_values.values()) < max(finished)
    ended = tmp_path / f"runs/tuned.trial.{pruned[0].number}"
    assert not (ended / "train/fold-0/metrics.json").exists()


def test_without_pruning_every_trial_ends(file, fake, tmp_path):
    file.write_text(FILE.replace("seed: 7", "prune: false\nseed: 7"), encoding="utf-8")
    assert {trial.state.name for trial in searched(file, tmp_path / "runs").trials} == {"COMPLETE"}


def test_two_processes_share_a_search_and_one_is_killed(file, fake, tmp_path):
    runs = tmp_path / "runs"
    text = FILE.replace("trials: 5", "trials: 6").replace("seed: 7", "prune: false\nseed: 7")
    file.write_text(text.replace("from: 2, to: 6", "from: 4, to: 5"), encoding="utf-8")
    place = os.environ | {"PAUSE": "0.4"}
    words = [sys.executable, "-c", WORKER, str(fake), str(file), str(runs)]
    one, other = (subprocess.Popen(words, env=place, cwd=ROOT) for _ in range(2))
    begun = runs / "tuned.trial.1/train/fold-0/metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not begun.exists():
        time.sleep(0.02)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert one.wait(timeout=120) == 0
    study = open_search(read_search(file), runs)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
    for trial in study.trials:  # each once, and whole
        curve = runs / f"tuned.trial.{trial.number}/train/fold-0/metrics.jsonl"
        epochs = [json.loads(line)["epoch"] for line in curve.read_text().splitlines()]
        assert epochs == list(range(trial.params["train.epochs"]))
    assert len({json.dumps(trial.params) for trial in study.trials}) == 6


def test_a_stopped_search_carries_on(file, fake, tmp_path):
    runs, place = tmp_path / "runs", os.environ | {"PAUSE": "0.5"}
    words = [sys.executable, "-c", WORKER, str(fake), str(file), str(runs)]
    first = subprocess.Popen(words, env=place, cwd=ROOT, stderr=subprocess.PIPE)
    begun = runs / "tuned.trial.0/train/fold-0/metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not begun.exists():
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    assert first.returncode == 143
    study = open_search(read_search(file), runs)
    assert [trial.state.name for trial in study.trials] == ["RUNNING"]
    values = study.trials[0].params
    assert [t.state.name for t in searched(file, runs).trials].count("RUNNING") == 0
    assert open_search(read_search(file), runs).trials[0].params == values


def test_trials_that_fail_do_not_count_and_three_in_a_row_end_it(file, fake, tmp_path, capsys):
    file.write_text(FILE.replace("[16, 32]", "[64, 64]"), encoding="utf-8")
    with pytest.raises(InputError, match="3 trials in a row failed") as caught:
        searched(file, tmp_path / "runs")
    assert "logs/trial-2.log" in caught.value.faults[0].received
    study = open_search(read_search(file), tmp_path / "runs")
    assert [trial.state.name for trial in study.trials] == ["FAIL"] * 3


def test_another_file_under_the_same_name_is_refused(file, fake, tmp_path):
    runs = tmp_path / "runs"
    searched(file, runs)
    file.write_text(FILE.replace("trials: 5", "trials: 6"), encoding="utf-8")
    assert len(searched(file, runs).trials) == 6  # more trials are the same search
    file.write_text(FILE.replace("[16, 32]", "[16, 48]"), encoding="utf-8")
    with pytest.raises(InputError, match="begun with another search file"):
        open_search(read_search(file), runs)


def test_without_optuna_one_message_says_what_to_install(file, tmp_path, monkeypatch):
    monkeypatch.setattr(relx.study.search.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'relx\[search\]'"):
        open_search(read_search(file), tmp_path)


def test_the_front_door_searches_lists_and_writes_the_best(tmp_path):
    file, out, runs = tmp_path / "s.yaml", tmp_path / "best.yaml", tmp_path / "runs"
    small = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 500}}"
    file.write_text(
        "name: tiny\nrecipe: demo\ntrials: 1\n"
        f"set: {{data.train: {ROOT}/sample/dev.csv, data.dev: {ROOT}/sample/test_gold.csv, "
        f"data.test: null, tokens.max_length: 128, encoder.from: {small}}}\n"
        "space: {train.learning_rate: {from: 1e-4, to: 1e-2}, train.epochs: {from: 1, to: 2}}\n",
        encoding="utf-8",
    )
    where = ["--runs-dir", str(runs)]
    before = CliRunner().invoke(command, ["trials", str(file), *where, "--out", str(out)])
    assert isinstance(before.exception, InputError) and not out.exists()
    done = CliRunner().invoke(command, ["search", str(file), *where])
    assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(command, ["trials", str(file), *where, "--out", str(out)])
    assert listed.exit_code == 0 and "complete" in listed.output
    recipe = load_recipe(out)
    assert recipe.name == "tiny.trial.0"
    shown = CliRunner().invoke(command, ["trials", str(file), *where, "--json"])
    (row,) = json.loads(shown.stdout)
    assert row["values"]["train.learning_rate"] == pytest.approx(recipe.train.learning_rate)
