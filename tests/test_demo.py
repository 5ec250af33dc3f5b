"""`relx demo`: the chain on the sample that is installed, from any folder."""

import csv
from pathlib import Path

import pytest
import yaml

from relx.look import extra
from relx.recipe_file import load_recipe
from relx.shipped import chosen_recipe, shipped
from relx_cli import demo as module
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
TINY = {"layers": 1, "hidden": 16, "heads": 2, "intermediate": 32, "vocabulary": 400}


def ids_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [row["id"] for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The demo's recipe with a smaller encoder and an epoch of each stage, where it ships."""
    tree = yaml.safe_load(shipped()["demo"].read_text(encoding="utf-8"))
    tree["encoder"]["from"]["fresh"] |= TINY
    tree["tapt"]["epochs"] = tree["train"]["epochs"] = 1
    tree["predict"] = {"engine": "keras"}  # tests/test_engine.py has the other
    path = tmp_path_factory.mktemp("recipes") / "demo.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relx.shipped.shipped", lambda: {"demo": path})
        yield path


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    """A folder that has nothing to do with relx, where a demo without what draws has run."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
        assert run(["demo", "--quiet"]) == 0
    return folder


def test_it_leaves_a_run_and_a_submission_in_the_folder_it_was_called_from(folder):
    assert [path.name for path in folder.iterdir()] == ["runs"]
    submission = folder / "runs" / "demo" / "submission.csv"
    assert ids_of(submission) == ids_of(ROOT / "sample" / "test.csv")
    assert (folder / "runs/demo/tapt/encoder/model.safetensors").exists()
    assert (folder / "runs/demo/train/fold-0/model/model.safetensors").exists()


def test_without_what_draws_it_scores_and_says_in_a_line_how_to_get_the_report(
    folder, monkeypatch, capsys
):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
    assert run(["demo", "--quiet"]) == 0
    said = capsys.readouterr()
    assert "micro-F1" in said.out and "122 rows; " in said.out
    (line,) = [line for line in said.err.splitlines() if "report" in line]
    assert "(missing: No-Such): pip install 'relx[look]', then relx demo again" in line
    assert not (folder / "runs/demo/report.html").exists()


def test_again_it_keeps_what_is_finished_and_writes_the_report(folder, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(folder)
    submission = folder / "runs/demo/submission.csv"
    before = submission.read_bytes()
    assert run(["demo"]) == 0
    said = capsys.readouterr()
    assert said.err.count("finished already") == 2
    assert "micro-F1" in said.out
    assert "report.html is written" in said.out
    assert submission.read_bytes() == before
    page = (folder / "runs/demo/report.html").read_text(encoding="utf-8")
    assert "<html" in page and "micro-F1" in page


def test_runs_dir_takes_all_that_it_writes(tiny, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--runs-dir", str(folder / "runs")]) == 0
    assert capsys.readouterr().err.count("finished already") == 2
    assert list(tmp_path.iterdir()) == []


def test_where_another_run_has_its_name_it_says_what_the_demo_can_do(folder, monkeypatch, capsys):
    """The recipe that ships is another than that of the run in the folder."""
    whole = {"demo": ROOT / "recipes" / "demo.yaml"}
    monkeypatch.setattr("relx.shipped.shipped", lambda: whole)
    assert run(["demo", "--runs-dir", str(folder / "runs")]) == 2
    said = capsys.readouterr().err
    assert "relx demo --runs-dir FOLDER" in said
    assert "--set" not in said and "--fresh" not in said


def test_in_the_clone_it_is_the_recipe_as_it_ships(monkeypatch):
    monkeypatch.chdir(ROOT)
    path = shipped()["demo"]
    assert chosen_recipe(str(path), module.DEMOS["relation"].settings()) == load_recipe(path)


def test_elsewhere_the_sample_is_named_by_its_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = chosen_recipe(str(shipped()["demo"]), module.DEMOS["relation"].settings()).data
    for part in ("train", "dev", "test"):
        assert Path(getattr(data, part)) == ROOT / "sample" / f"{part}.csv"
