"""Folds of rows with any number of labels: their cut-offs are searched on all rows together."""

import json
import shutil

import numpy as np
import pytest
from test_target_chain import LABELS, options, write_files

from relx.files import read_json
from relx.predict import open_run
from relx.scoring.predictions import Predictions
from relx_cli.main import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_files(tmp_path_factory.mktemp("target"))
    changes = {"data.dev": "null", "data.folds": 3, "train.start_from": "encoder"}
    assert run(["train", *options(folder, **changes), *runs(folder), "--folds", "all"]) == 0
    return folder


def runs(folder):
    return ["--runs-dir", str(folder / "runs")]


def test_cut_offs_are_those_of_all_rows_together(folder):
    opened = open_run(folder / "runs", "feel")
    rows = opened.dev_rows()
    kept = [Predictions.load(folder / f"runs/feel/train/fold-{k}/dev.npz") for k in range(3)]
    by_id = {i: p for one in kept for i, p in zip(one.ids, one.probabilities, strict=True)}
    shares = np.array([by_id[row.id] for row in rows])
    np.testing.assert_array_equal(opened.dev_probabilities(rows), shares)
    task, sentences = opened.task, [row.sentence for row in rows]
    gold = task.decision.right(rows, opened.labels)
    expected = task.decision.fitted(gold, shares, sentences, opened.labels).cutoffs
    assert opened.decision.cutoffs == expected
    tree = read_json(folder / "runs/feel/train/thresholds.json")
    assert list(tree["cutoffs"]) == list(LABELS)
    singles = {open_run(folder / "runs", f"feel/fold-{k}").decision.cutoffs for k in range(3)}
    assert expected not in singles


def test_they_are_kept_beside_the_folds_and_searched_again_for_others(folder, tmp_path, capsys):
    shutil.copytree(folder / "runs", tmp_path / "runs")
    out = tmp_path / "out.jsonl"
    command = ["predict", "--runs-dir", str(tmp_path / "runs"), "--out", str(out)]
    assert run([*command, "--test", str(folder / "test.jsonl")]) == 0
    first = out.read_bytes()
    (tmp_path / "runs/feel/train/thresholds.json").unlink()
    assert run([*command, "--test", str(folder / "test.jsonl")]) == 0  # from the training rows
    assert out.read_bytes() == first
    shutil.rmtree(tmp_path / "runs/feel/train/fold-2")
    opened = open_run(tmp_path / "runs", None)
    assert len(opened.dev_rows()) < 60
    cutoffs = opened.decision.cutoffs
    assert cutoffs != open_run(folder / "runs", None).decision.cutoffs


def test_a_cut_off_file_needs_no_training_rows(folder, tmp_path, capsys):
    shutil.copytree(folder / "runs", tmp_path / "runs")
    (tmp_path / "runs/feel/train/out-of-fold.json").unlink()
    train = folder / "train.jsonl"
    hidden = train.rename(train.with_suffix(".hidden"))
    try:
        out = ["--out", str(tmp_path / "out.jsonl"), "--test", str(folder / "test.jsonl")]
        command = ["predict", "--runs-dir", str(tmp_path / "runs"), *out]
        assert run(command) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "the path is of the run's recipe" in said
        assert "name cut-offs: --thresholds FILE" in said
        cuts = tmp_path / "cuts.json"
        cuts.write_text(json.dumps({"cutoffs": dict.fromkeys(LABELS, 0.5)}), encoding="utf-8")
        assert run([*command, "--thresholds", str(cuts)]) == 0
    finally:
        hidden.rename(train)


def test_out_of_fold_scores_of_any_number_of_labels(folder, capsys):
    capsys.readouterr()
    assert run(["score", *runs(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 60 and set(found["folds"]) == {"0", "1", "2"}
    assert run(["score", *runs(folder)]) == 0
    assert "fold" in capsys.readouterr().out
