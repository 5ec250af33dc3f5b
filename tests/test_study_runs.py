"""Cells of a study as processes: run, stopped, failed, and as tasks of a job array."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relx.files import read_json
from relx.study.plan import read_study
from relx.study.results import kept_result
from relx.study.slurm import write_job_array
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
FILE = f"""\
name: tiny
recipe: demo
set:
  encoder.from: {{fresh: {{layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 500}}}}
  train.epochs: 1
  tokens.max_length: 128
  data.train: {ROOT}/sample/dev.csv
  data.dev: null
  data.test: null
  data.folds: 3
  predict.engine: keras
gold: {ROOT}/sample/test_gold.csv
seeds: [1, 2]
options:
  smooth: {{set: {{train.label_smoothing: 0.3}}}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def command(*words):
    return [sys.executable, "-m", "relx_cli", "study", *map(str, words)]


def test_a_study_is_computed_and_not_again(file, tmp_path, capsys):
    runs = tmp_path / "runs"
    assert run(["study", "run", str(file), "--runs-dir", str(runs), "--jobs", "2"]) == 0
    study = read_study(file)
    found = {cell.name: kept_result(study.folder(runs), cell) for cell in study.cells}
    assert all(found.values())
    rows = found["base.1"].rows
    assert len(rows.gold) == 122 and rows.gold_file.endswith("test_gold.csv")
    manifest = read_json(runs / "tiny.smooth.2/train/fold-0/manifest.json")
    assert manifest["recipe"]["train"]["label_smoothing"] == 0.3
    assert found["smooth.2"].seconds["train"] == pytest.approx(manifest["seconds"])
    assert (
        found["base.1"].rows.probabilities.tolist() != found["base.2"].rows.probabilities.tolist()
    )
    before = (runs / "tiny.study/base.1.json").stat().st_mtime_ns
    capsys.readouterr()
    assert run(["study", "run", str(file), "--runs-dir", str(runs)]) == 0
    assert "4 of 4 cells are done already" in capsys.readouterr().err
    assert (runs / "tiny.study/base.1.json").stat().st_mtime_ns == before


def test_a_cell_that_fails_leaves_the_others_alone(file, tmp_path, capsys):
    runs = tmp_path / "runs"
    text = FILE.replace("train.label_smoothing: 0.3", "encoder.from: nowhere/at-all")
    file.write_text(text.replace("seeds: [1, 2]", "seeds: [1]"), encoding="utf-8")
    assert run(["study", "run", str(file), "--runs-dir", str(runs)]) == 2
    said = capsys.readouterr().err
    assert "smooth.1 failed with status 2" in said and "logs/smooth.1.log" in said
    study = read_study(file)
    assert kept_result(study.folder(runs), study.cells[0]) is not None


def test_a_stop_is_handed_to_the_cells_and_carried_on(file, tmp_path):
    runs, words = tmp_path / "runs", ("run", file, "--runs-dir", tmp_path / "runs")
    file.write_text(FILE.replace("train.epochs: 1", "train.epochs: 400"), encoding="utf-8")
    study = subprocess.Popen(command(*words), cwd=ROOT, stderr=subprocess.PIPE)
    log = runs / "tiny.study/logs/base.1.log"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.is_file() and b"epoch 1:" in log.read_bytes()):
        time.sleep(0.1)
    study.send_signal(signal.SIGTERM)
    _, said = study.communicate(timeout=60)
    assert study.returncode == 143, said
    assert (runs / "tiny.base.1/train/fold-0/checkpoint.safetensors").is_file()
    assert b"stopped" in log.read_bytes()
    assert not (runs / "tiny.study/base.1.json").exists()


def test_a_job_array_computes_cells_and_queues_what_is_cut_again(file, tmp_path):
    study, script = read_study(file), tmp_path / "job.sh"
    write_job_array(study, tmp_path / "runs", script, ["--gres=gpu:1"], at_once=2)
    text = script.read_text(encoding="utf-8")
    assert "#SBATCH --array=0-3%2\n" in text and "#SBATCH --gres=gpu:1\n" in text
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    place = {"PYTHONPATH": str(ROOT), "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_JOB_ID": "7"}
    done = subprocess.run(["bash", script], env=os.environ | place, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert kept_result(study.folder(tmp_path / "runs"), study.cells[1]) is not None
    # A task that is cut: the cell is replaced by one that ends as relx does.
    queue = tmp_path / "bin/scontrol"
    queue.parent.mkdir()
    queue.write_text(f'#!/bin/bash\necho "$@" > {tmp_path}/queued\n', encoding="utf-8")
    queue.chmod(0o755)
    slow = "trap 'sleep .3; exit 143' TERM; touch begun; while :; do sleep .1; done"
    lines = [
        line if "-m relx_cli" not in line else f'bash -c "{slow}" &' for line in text.split("\n")
    ]
    script.write_text("\n".join(lines).replace(f"cd {Path.cwd()}", f"cd {tmp_path}"))
    path = {"PATH": f"{queue.parent}:{os.environ['PATH']}"}
    task = subprocess.Popen(["bash", script], env=os.environ | place | path)
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    task.send_signal(signal.SIGTERM)
    assert task.wait(timeout=20) == 143
    assert (tmp_path / "queued").read_text() == "requeue 7_1\n"
