"""Folds through the front door: trained, stopped, averaged, and scored out of fold."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relx.answers import AnswerOptions
from relx.faults import InputError
from relx.files import read_json
from relx.predict import open_run
from relx.recipe import DataSection
from relx.recipe_file import load_recipe
from relx.score import run_rows
from relx.scoring.predictions import Predictions
from relx.shipped import shipped
from relx.tasks.relation.rows import read_examples
from relx.train_folds import chosen_folds
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 500}}"
SETTINGS = {
    "name": "tiny",
    "encoder.from": TINY,
    "tokens.max_length": "128",
    "data.dev": "null",
    "data.folds": "3",
    "train.epochs": "2",
    "predict.engine": "keras",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """48 rows to train on, some of them of one sentence, and 12 to predict."""
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("train", 48), ("test", 12)):
        with (ROOT / "sample" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))[:count]
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return folder


def words(data, runs, **more):
    settings = SETTINGS | {f"data.{part}": data / f"{part}.csv" for part in ("train", "test")}
    sets = [w for key, value in (settings | more).items() for w in ("--set", f"{key}={value}")]
    return ["train", "--recipe", "demo", "--runs-dir", str(runs), *sets]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """All three folds of a run, trained by one command."""
    runs = tmp_path_factory.mktemp("runs")
    assert run([*words(data, runs), "--folds", "all"]) == 0
    return runs


def fold_files(runs):
    """The files of every fold that are the same whenever it was trained."""
    folder = runs / "tiny/train"
    names = ("dev.npz", "model/model.safetensors", "model/relation_head.safetensors")
    return {f"{k}/{n}": (folder / f"fold-{k}" / n).read_bytes() for k in range(3) for n in names}


def kept(runs, fold):
    return Predictions.load(runs / f"tiny/train/fold-{fold}/dev.npz")


def test_every_row_is_predicted_by_the_one_fold_that_never_saw_it(finished, data):
    opened = open_run(finished, "tiny")
    rows = run_rows(opened, None, opened.reader(AnswerOptions()))
    given = read_examples(data / "train.csv", DataSection(), None)
    assert [row.id for row in rows.examples] == [row.id for row in given]
    by_id = {}
    for fold in range(3):
        one = kept(finished, fold)
        assert not by_id.keys() & set(one.ids)
        by_id |= {id_: (fold, p) for id_, p in zip(one.ids, one.probabilities, strict=True)}
    assert rows.folds.tolist() == [by_id[row.id][0] for row in rows.examples]
    expected = opened.task.as_written(np.array([by_id[r.id][1] for r in given]), range(48))
    np.testing.assert_array_equal(rows.probabilities, expected)
    folds_of = {}
    for row, fold in zip(rows.examples, rows.folds.tolist(), strict=True):
        assert folds_of.setdefault(row.sentence, fold) == fold


def test_the_out_of_fold_score_is_that_of_the_files_put_together(finished, data, tmp_path, capsys):
    assert run(["score", "--runs-dir", str(finished), "--run", "tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept_one = [kept(finished, fold) for fold in range(3)]
    lines = ["id,pred_label,probs"]
    for one in kept_one:
        for id_, shares in zip(one.ids, one.probabilities, strict=True):
            shown = json.dumps((shares / shares.sum()).tolist())
            lines.append(f'{id_},{one.labels[int(shares.argmax())]},"{shown}"')
    pred = tmp_path / "together.csv"
    pred.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run(["score", "--pred", str(pred), "--gold", str(data / "train.csv"), "--json"]) == 0
    together = json.loads(capsys.readouterr().out)
    assert found["micro_f1"] == together["micro_f1"]
    assert found["auprc"] == pytest.approx(together["auprc"])
    assert set(found["folds"]) == {"0", "1", "2"}
    noted = read_json(finished / "tiny/train/out-of-fold.json")
    assert noted["scores"]["micro_f1"] == pytest.approx(found["micro_f1"])
    assert noted["rows"] == 48


def test_a_prediction_is_the_mean_of_the_folds(finished, data, tmp_path):
    examples = read_examples(data / "test.csv", DataSection(), None)
    each = [open_run(finished, f"tiny/fold-{fold}").predict(examples) for fold in range(3)]
    mean = open_run(finished, "tiny").predict(examples)
    np.testing.assert_allclose(mean, sum(each) / 3, atol=1e-12)
    assert np.abs(each[0] - mean).max() > 1e-4  # the folds are not one model
    out = tmp_path / "out.csv"
    assert run(["predict", "--runs-dir", str(finished), "--run", "tiny", "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        written = np.array([json.loads(row["probs"]) for row in csv.DictReader(stream)])
    np.testing.assert_allclose(written, mean, atol=1e-7)


KILLED = """
import os, sys
from relx.runs.stage import Stage

count = Stage.count
def counted(self):
    count(self)
    if self.folder.name == "fold-1":
        Stage.count = count
        os._exit(9)  # after the first checkpoint of the second fold: nothing is tidied up
Stage.count = counted
from relx_cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_folds_killed_in_the_middle_go_on_to_the_same_bytes(finished, data, tmp_path):
    command = [*words(data, tmp_path), "--folds", "all", "--set", "checkpoint.steps=1"]
    done = subprocess.run([sys.executable, "-c", KILLED, *command], cwd=ROOT, capture_output=True)
    assert done.returncode == 9, done.stderr.decode()
    assert not (tmp_path / "tiny/train/fold-1/model").exists()
    assert not (tmp_path / "tiny/train/fold-2").exists()
    assert run(command) == 0
    assert fold_files(tmp_path) == fold_files(finished)


def test_single_folds_make_the_same_run(finished, data, tmp_path, capsys):
    assert run([*words(data, tmp_path), "--folds", "2"]) == 0
    assert "out of fold" in capsys.readouterr().err
    assert run([*words(data, tmp_path, **{"train.fold": "0"})]) == 0
    for fold in (0, 2):
        np.testing.assert_array_equal(
            kept(tmp_path, fold).probabilities, kept(finished, fold).probabilities
        )
    assert open_run(tmp_path, None).found.words == "folds 0 and 2 of 3"


def test_a_fold_of_other_settings_is_left_out_aloud(finished, data, tmp_path, capsys):
    shutil.copytree(finished / "tiny", tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny/train/fold-2")
    assert run([*words(data, tmp_path, **{"train.epochs": "1"}), "--folds", "2"]) == 0
    assert "train.epochs: 1 → 2" in " ".join(capsys.readouterr().err.split())
    found = open_run(tmp_path, "tiny").found
    assert [stage.fold for stage in found.folds] == [2]


def test_rows_that_changed_since_are_refused_for_any_fold(finished, data, tmp_path, capsys):
    opened = open_run(finished, "tiny")
    file = tmp_path / "train.csv"
    lines = (data / "train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    section = opened.recipe.data.model_copy(update={"train": str(file)})
    opened.recipe = opened.recipe.model_copy(update={"data": section})
    with pytest.raises(InputError, match="have changed since"):
        opened.dev_rows()


@pytest.mark.parametrize("folds", ["3", "0,0", "x", "", "-1", "0,,1", "0;1", "１"])
def test_what_is_no_list_of_folds_is_refused(folds, data, tmp_path, capsys):
    assert run([*words(data, tmp_path / "runs"), f"--folds={folds}"]) == 2
    assert "these are no folds" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_folds_beside_a_dev_file_are_refused():
    recipe = load_recipe(shipped()["demo"], ["data.dev=sample/dev.csv"])
    with pytest.raises(InputError, match="there are no folds"):
        chosen_folds("all", recipe)


def test_folds_are_read():
    recipe = load_recipe(shipped()["demo"], ["data.dev=null", "data.folds=5"])
    assert chosen_folds("all", recipe) == (0, 1, 2, 3, 4)
    assert chosen_folds("4, 0,2", recipe) == (0, 2, 4)


def test_pages_take_a_run_of_several_folds(finished, tmp_path):
    pytest.importorskip("matplotlib")
    runs = ["--runs-dir", str(finished)]
    page = tmp_path / "report.html"
    assert run(["report", *runs, "--draws", "40", "--out", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    assert "0, 1 and 2 of 3" in html and "standard deviation" in html
    for fold in range(3):
        assert f"figure-learning-train-{fold}" in html
    assert set(read_json(tmp_path / "report_plots/plots.json")["facts"]["folds"]) == {"0", "1", "2"}
    page = tmp_path / "compare.html"
    assert run(["compare", *runs, "tiny", "tiny", "--draws", "40", "--out", str(page)]) == 0
    page = tmp_path / "attention.html"
    row = read_json(finished / "tiny/train/fold-0/manifest.json")["data"]["dev"]
    assert row["fold"] == 0
    given = ["--id", kept(finished, 1).ids[0]]
    assert run(["attention", *runs, *given, "--out", str(page)]) == 0
