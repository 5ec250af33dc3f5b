"""A finished run of relx 0.1 predicts, is scored and is reported on as it was then.

tests/data/run_0_1 was made by that version: the run, of the first rows of the sample, and what its
commands wrote (predicted.csv, scores.json, the report's numbers).
"""

import csv
import json
import shutil
from pathlib import Path

import pytest

from relx_cli.main import run

MADE = Path(__file__).parent / "data" / "run_0_1"
KERAS = ("--run", "old", "--engine", "keras")
CLOSE = {"abs": 1e-4}  # other kernels of a machine round elsewhere


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy of the run, in whose folder the commands are given."""
    folder = shutil.copytree(MADE, tmp_path / "old")
    monkeypatch.chdir(folder)
    return folder


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def assert_same_rows(path, expected):
    """Compares texts exactly and numbers closely, also lists of them."""
    found, expected = rows_of(path), rows_of(expected)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in other:
            try:
                numbers = [json.loads(each[name]) for each in (one, other)]
            except ValueError:
                assert one[name] == other[name]
            else:
                assert numbers[0] == pytest.approx(numbers[1], **CLOSE), name


def test_it_predicts_as_it_did(old):
    assert run(["predict", *KERAS, "--test", "test.csv", "--out", "again.csv"]) == 0
    assert_same_rows(old / "again.csv", MADE / "predicted.csv")


def test_it_is_scored_as_it_was(old, capsys):
    capsys.readouterr()
    assert run(["score", *KERAS, "--gold", "gold.csv", "--json"]) == 0
    found, expected = (
        json.loads(capsys.readouterr().out),
        json.loads((MADE / "scores.json").read_text()),
    )
    for name in ("micro_f1", "auprc", "accuracy", "precision", "recall", "rows"):
        assert found[name] == pytest.approx(expected[name], **CLOSE)
    assert found["classes"].keys() == expected["classes"].keys()
    for label, figures in expected["classes"].items():
        assert found["classes"][label] == pytest.approx(figures, **CLOSE), label


def test_it_is_reported_on_by_its_own_dev_rows(old):
    pytest.importorskip("matplotlib")
    assert run(["report", *KERAS, "--quiet", "--out", "page.html"]) == 0
    kept = sorted((MADE / "numbers").glob("*.csv"))
    assert len(kept) == 6
    for numbers in kept:
        assert_same_rows(old / "page_plots" / numbers.name, numbers)


def test_dev_rows_that_changed_since_are_refused(old, capsys):
    """As many rows, of the same ids: the digest that relx 0.1 noted tells them apart."""
    manifest = json.loads((old / "runs/old/train/fold-0/manifest.json").read_text())
    file = old / (manifest["recipe"]["data"]["dev"] or manifest["recipe"]["data"]["train"])
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    assert run(["report", *KERAS, "--quiet", "--out", "page.html"]) == 2
    assert "have changed since" in capsys.readouterr().err
    assert not (old / "page.html").exists()


def test_it_is_listed_with_its_figures(old, capsys):
    capsys.readouterr()
    assert run(["runs", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["stage"], row["state"]) for row in rows] == [
        ("tapt", "finished"),
        ("train/fold-0", "finished"),
    ]
    assert rows[1]["manifest"]["results"]["micro_f1"] == pytest.approx(42.857, abs=1e-3)


def test_work_that_it_began_is_not_gone_on_with(old, capsys):
    """Whether its data are the same cannot be told: their digests were made in another way."""
    recipe = "runs/old/tapt/recipe.yaml"
    assert run(["tapt", "--recipe", recipe]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "earlier version of relx" in said and "--fresh" in said
    assert (old / "runs/old/tapt/encoder/model.safetensors").exists()
