"""`relx demo`: the chain on the samples that are installed, from any folder."""

import csv
import json
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


each_demo = pytest.mark.parametrize("demo", module.DEMOS.values(), ids=module.DEMOS)


def tiny_recipe(name: str, folder: Path) -> Path:
    """Writes a demo's recipe with a smaller encoder and an epoch of each stage."""
    tree = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    tree["encoder"]["from"]["fresh"] |= TINY
    tree["tapt"]["epochs"] = tree["train"]["epochs"] = 1
    tree["predict"] = {"engine": "keras"}  # tests/test_engine.py has the other
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def ids_of(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [row["id"] for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The demo's recipe with a smaller encoder and an epoch of each stage, where it ships."""
    path = tiny_recipe("demo", tmp_path_factory.mktemp("recipes"))
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


@each_demo
def test_in_the_clone_it_is_the_recipe_as_it_ships(demo, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = shipped()[demo.name]
    assert chosen_recipe(str(path), demo.settings()) == load_recipe(path)


@each_demo
def test_elsewhere_the_sample_is_named_by_its_whole_path(demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = chosen_recipe(str(shipped()[demo.name]), demo.settings()).data
    for part in ("train", "dev", "test"):
        assert Path(getattr(data, part)) == ROOT / "sample" / demo.files.format(part)


# ---- relx demo emotion


@pytest.fixture(scope="module")
def emotion(tmp_path_factory):
    """A folder where the second demo has run, without what draws."""
    folder = tmp_path_factory.mktemp("emotion")
    with pytest.MonkeyPatch.context() as patch:
        path = tiny_recipe("emotion-demo", tmp_path_factory.mktemp("recipes"))
        patch.setattr("relx.shipped.shipped", lambda: {"emotion-demo": path})
        patch.chdir(folder)
        patch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
        assert run(["demo", "emotion", "--quiet"]) == 0
    return folder / "runs" / "emotion-demo"


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_emotion_leaves_the_test_rows_with_their_answers_filled_in(emotion):
    answers, test = (
        lines_of(path) for path in (emotion / "answers.jsonl", ROOT / "sample/emotion/test.jsonl")
    )
    assert [{**row, "output": ""} for row in answers] == test
    assert {value for row in answers for value in row["output"].values()} <= {"True", "False"}


def test_emotion_leaves_probabilities_that_its_answers_follow_from(emotion):
    (kept,) = emotion.glob("train/*/model/thresholds.json")
    cutoffs = json.loads(kept.read_text(encoding="utf-8"))["cutoffs"]
    answers = lines_of(emotion / "answers.jsonl")
    for answer, shares in zip(answers, lines_of(emotion / "probs.jsonl"), strict=True):
        assert answer["id"] == shares["id"]
        chosen = {name: str(share >= cutoffs[name]) for name, share in shares["output"].items()}
        assert answer["output"] == chosen


def test_emotion_says_how_to_get_its_report(emotion, monkeypatch, capsys):
    path = tiny_recipe("emotion-demo", emotion.parent)
    monkeypatch.setattr("relx.shipped.shipped", lambda: {"emotion-demo": path})
    monkeypatch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
    monkeypatch.chdir(emotion.parents[1])
    assert run(["demo", "emotion", "--quiet"]) == 0
    said = capsys.readouterr()
    assert "micro-F1" in said.out and "cross-fitted" in said.out
    assert "then relx demo emotion again" in said.err
    assert not (emotion / "report.html").exists()


def test_emotion_again_keeps_what_is_finished_and_writes_the_report(emotion, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    path = tiny_recipe("emotion-demo", emotion.parent)
    monkeypatch.setattr("relx.shipped.shipped", lambda: {"emotion-demo": path})
    monkeypatch.chdir(emotion.parents[1])
    before = (emotion / "answers.jsonl").read_bytes()
    assert run(["demo", "emotion"]) == 0
    assert capsys.readouterr().err.count("finished already") == 2
    assert (emotion / "answers.jsonl").read_bytes() == before
    assert "anticipation" in (emotion / "report.html").read_text(encoding="utf-8")


def test_a_sample_that_is_not_there_is_a_message(capsys):
    assert run(["demo", "emotions"]) == 2
    assert "'relation', 'emotion'" in capsys.readouterr().err


# ---- relx demo decoder


def test_the_third_demo_asks_a_decoder_and_has_no_first_stage(tmp_path, monkeypatch, capsys):
    path = tmp_path / "decoder-demo.yaml"
    tree = yaml.safe_load((ROOT / "recipes/decoder-demo.yaml").read_text(encoding="utf-8"))
    tree["decoder"]["from"]["fresh"] |= {"layers": 1, "hidden": 32, "intermediate": 32}
    tree["train"]["epochs"] = 1
    tree["predict"] = {"engine": "keras"}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    monkeypatch.setattr("relx.shipped.shipped", lambda: {"decoder-demo": path})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
    assert run(["demo", "decoder", "--quiet"]) == 0
    folder = tmp_path / "runs/decoder-demo"
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {"answers.jsonl", "probs.jsonl", "train"}
    ids = [json.loads(line)["id"] for line in (folder / "answers.jsonl").open(encoding="utf-8")]
    assert len(ids) == 120 and "micro-F1" in capsys.readouterr().out
