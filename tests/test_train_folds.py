"""Folds through the front door: trained, stopped, averaged, and scored out of fold."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fold_runs import ROOT, words

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


def fold_files(runs):
    """The files of every fold that are the same whenever it was trained."""
    folder = runs / "tiny/train"
    names = ("dev.npz", "model/model.safetensors", "model/relation_head.safetensors")
    return {f"{k}/{n}": (folder / f"fold-{k}" / n).read_bytes() for k in range(3) for n in names}


def kept(runs, fold):
    return Predictions.load(runs / f"tiny/train/fold-{fold}/dev.npz")


def test_every_row_is_predicted_by_the_one_fold_that_never_saw_it(folds_of_three, few_rows):
    opened = open_run(folds_of_three, "tiny")
    rows = run_rows(opened, None, opened.reader(AnswerOptions()))
    given = read_examples(few_rows / "train.csv", DataSection(), None)
    assert [row.id for row in rows.examples] == [row.id for row in given]
    by_id = {}
    for fold in range(3):
        one = kept(folds_of_three, fold)
        assert not by_id.keys() & set(one.ids)
        by_id |= {id_: (fold, p) for id_, p in zip(one.ids, one.probabilities, strict=True)}
    assert rows.folds.tolist() == [by_id[row.id][0] for row in rows.examples]
    expected = opened.task.as_written(np.array([by_id[r.id][1] for r in given]), range(48))
    np.testing.assert_array_equal(rows.probabilities, expected)
    folds_of = {}
    for row, fold in zip(rows.examples, rows.folds.tolist(), strict=True):
        assert folds_of.setdefault(row.sentence, fold) == fold


def test_the_out_of_fold_score_is_that_of_the_files_put_together(
    folds_of_three, few_rows, tmp_path, capsys
):
    assert run(["score", "--runs-dir", str(folds_of_three), "--run", "tiny", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept_one = [kept(folds_of_three, fold) for fold in range(3)]
    lines = ["id,pred_label,probs"]
    for one in kept_one:
        for id_, shares in zip(one.ids, one.probabilities, strict=True):
            shown = json.dumps((shares / shares.sum()).tolist())
            lines.append(f'{id_},{one.labels[int(shares.argmax())]},"{shown}"')
    pred = tmp_path / "together.csv"
    pred.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run(["score", "--pred", str(pred), "--gold", str(few_rows / "train.csv"), "--json"]) == 0
    together = json.loads(capsys.readouterr().out)
    assert found["micro_f1"] == together["micro_f1"]
    assert found["auprc"] == pytest.approx(together["auprc"])
    assert set(found["folds"]) == {"0", "1", "2"}
    noted = read_json(folds_of_three / "tiny/train/out-of-fold.json")
    assert noted["scores"]["micro_f1"] == pytest.approx(found["micro_f1"])
    assert noted["rows"] == 48


def test_a_prediction_is_the_mean_of_the_folds(folds_of_three, few_rows, tmp_path):
    examples = read_examples(few_rows / "test.csv", DataSection(), None)
    each = [open_run(folds_of_three, f"tiny/fold-{fold}").predict(examples) for fold in range(3)]
    mean = open_run(folds_of_three, "tiny").predict(examples)
    np.testing.assert_allclose(mean, sum(each) / 3, atol=1e-12)
    assert np.abs(each[0] - mean).max() > 1e-4  # the folds are not one model
    out = tmp_path / "out.csv"
    assert (
        run(["predict", "--runs-dir", str(folds_of_three), "--run", "tiny", "--out", str(out)]) == 0
    )
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


def test_folds_killed_in_the_middle_go_on_to_the_same_bytes(folds_of_three, few_rows, tmp_path):
    command = [*words(few_rows, tmp_path), "--folds", "all", "--set", "checkpoint.steps=1"]
    done = subprocess.run([sys.executable, "-c", KILLED, *command], cwd=ROOT, capture_output=True)
    assert done.returncode == 9, done.stderr.decode()
    assert not (tmp_path / "tiny/train/fold-1/model").exists()
    assert not (tmp_path / "tiny/train/fold-2").exists()
    assert run(command) == 0
    assert fold_files(tmp_path) == fold_files(folds_of_three)


def test_single_folds_make_the_same_run(folds_of_three, few_rows, tmp_path, capsys):
    assert run([*words(few_rows, tmp_path), "--folds", "2"]) == 0
    assert "out of fold" in capsys.readouterr().err
    assert run([*words(few_rows, tmp_path, **{"train.fold": "0"})]) == 0
    for fold in (0, 2):
        np.testing.assert_array_equal(
            kept(tmp_path, fold).probabilities, kept(folds_of_three, fold).probabilities
        )
    assert open_run(tmp_path, None).found.words == "folds 0 and 2 of 3"


def test_a_fold_of_other_settings_is_left_out_aloud(folds_of_three, few_rows, tmp_path, capsys):
    shutil.copytree(folds_of_three / "tiny", tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny/train/fold-2")
    assert run([*words(few_rows, tmp_path, **{"train.epochs": "1"}), "--folds", "2"]) == 0
    assert "train.epochs: 1 → 2" in " ".join(capsys.readouterr().err.split())
    found = open_run(tmp_path, "tiny").found
    assert [stage.fold for stage in found.folds] == [2]


def test_rows_that_changed_since_are_refused_for_any_fold(
    folds_of_three, few_rows, tmp_path, capsys
):
    opened = open_run(folds_of_three, "tiny")
    file = tmp_path / "train.csv"
    lines = (few_rows / "train.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    section = opened.recipe.data.model_copy(update={"train": str(file)})
    opened.recipe = opened.recipe.model_copy(update={"data": section})
    with pytest.raises(InputError, match="have changed since"):
        opened.dev_rows()


@pytest.mark.parametrize("folds", ["3", "0,0", "x", "", "-1", "0,,1", "0;1", "１"])
def test_what_is_no_list_of_folds_is_refused(folds, few_rows, tmp_path, capsys):
    assert run([*words(few_rows, tmp_path / "runs"), f"--folds={folds}"]) == 2
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


def test_pages_take_a_run_of_several_folds(folds_of_three, tmp_path):
    pytest.importorskip("matplotlib")
    runs = ["--runs-dir", str(folds_of_three)]
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
    row = read_json(folds_of_three / "tiny/train/fold-0/manifest.json")["data"]["dev"]
    assert row["fold"] == 0
    given = ["--id", kept(folds_of_three, 1).ids[0]]
    assert run(["attention", *runs, *given, "--out", str(page)]) == 0
