"""Labels about a target, from files to answers, with every command that there is on the way."""

import json
import shutil

import numpy as np
import pytest
from target_data import record, write_csv, write_lines

from relx.files import read_json
from relx.recipe_file import load_recipe
from relx.scoring.predictions import Predictions
from relx.shipped import shipped
from relx_cli.main import run

LABELS = ("joy", "fear", "anger", "trust")
WORDS = {"joy": "기뻤다", "fear": "무서웠다", "anger": "화났다", "trust": "믿었다"}
THINGS = ["국밥", "시험", "바다", "친구", "영화"]
TINY = "{fresh: {layers: 1, hidden: 32, heads: 2, intermediate: 64, vocabulary: 150}}"


def rows(part, count, one=False, labelled=True):
    """Rows whose labels a word each tells; every seventh is about the whole sentence."""
    rng = np.random.default_rng(len(part))
    for i in range(count):
        thing = THINGS[rng.integers(5)]
        true = [LABELS[j] for j in rng.permutation(4)[: 1 if one else rng.integers(0, 3)]]
        form = f"{part} {i}번째 {thing} 앞에서 {' '.join(WORDS[name] for name in true)}."
        at = form.index(thing)
        target = None if i % 7 == 0 else (thing, at, at + len(thing))
        yield record(f"{part}{i}", form, target, true if labelled else None, LABELS)


def write_files(folder, one=False):
    for part, count in (("train", 60), ("dev", 30), ("gold", 20)):
        write_lines(folder / f"{part}.jsonl", rows(part, count, one))
    write_lines(folder / "test.jsonl", rows("gold", 20, one, labelled=False))
    return folder


def options(folder, **changes):
    values = {"name": "feel", "task": "target", "encoder.from": TINY, "tokens.max_length": 48}
    values |= {"train.epochs": 2, "train.learning_rate": 0.003, "tapt.epochs": 1}
    values |= {"predict.engine": "keras", "tapt.markers": "true"}
    values |= {f"data.{part}": folder / f"{part}.jsonl" for part in ("train", "dev", "test")}
    values |= changes
    recipe = folder / "recipe.yaml"
    recipe.write_text("name: feel\n")
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    return ["--recipe", str(recipe), *sets]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the task and a finished run of both stages."""
    folder = write_files(tmp_path_factory.mktemp("target"))
    runs = ["--runs-dir", str(folder / "runs")]
    assert run(["tapt", *options(folder), *runs]) == 0
    assert run(["train", *options(folder), *runs]) == 0
    return folder


def said(arguments, capsys, status=0):
    capsys.readouterr()
    assert run(arguments) == status
    return capsys.readouterr()


def scores(arguments, capsys):
    return json.loads(said(["score", *arguments, "--json"], capsys).out)


def test_training_keeps_the_cut_offs_and_the_figures_of_unseen_ones(folder):
    stage = folder / "runs/feel/train/fold-0"
    kept = Predictions.load(stage / "dev.npz")
    assert (kept.labels, kept.gold.shape) == (LABELS, (30, 4))
    tree = read_json(stage / "model/thresholds.json")
    assert list(tree["cutoffs"]) == list(LABELS)
    results = read_json(stage / "manifest.json")["results"]
    assert {"micro_f1", "macro_f1", "auprc", "accuracy"} <= set(results)
    unseen = tree["search"]["methods"][tree["source"]]["cross_fitted"]["value"]
    assert results["micro_f1"] == pytest.approx(unseen)


def test_what_is_predicted_written_and_read_back_scores_the_same(folder, tmp_path, capsys):
    runs, gold = ["--runs-dir", str(folder / "runs")], ["--gold", str(folder / "gold.jsonl")]
    answers, probs = str(tmp_path / "answers.jsonl"), str(tmp_path / "probs.jsonl")
    found = said(["predict", *runs, "--out", answers, "--probs", probs], capsys)
    assert "labels are cut at" in found.err
    by_run = scores([*runs, *gold], capsys)
    assert by_run["rows"] == 20 and by_run["auprc"] > 0
    by_probs = scores([*runs, "--run", "feel", *gold, "--pred", probs], capsys)
    assert by_probs == by_run
    cuts = str(folder / "runs/feel/train/fold-0/model/thresholds.json")
    alone = ["--task", "target", *gold, "--thresholds", cuts, "--pred"]
    assert scores([*alone, probs], capsys) == by_run
    by_answers = scores([*alone, answers], capsys)
    assert by_answers["auprc"] is None
    for name in ("micro_f1", "macro_f1", "accuracy", "cell_accuracy", "sample_f1"):
        assert by_answers[name] == by_run[name]
    cells = ("tp", "fp", "fn", "tn")
    for label in LABELS:
        assert all(by_answers["classes"][label][c] == by_run["classes"][label][c] for c in cells)


def test_answers_of_another_task_than_the_usual_are_told_how_to_be_read(folder, tmp_path, capsys):
    path = write_lines(tmp_path / "a.jsonl", rows("gold", 20))
    gold = ["--gold", str(folder / "gold.jsonl")]
    found = said(["score", *gold, "--pred", str(path)], capsys, 2)
    assert "--task target" in found.err
    assert scores([*gold, "--pred", str(path), "--task", "target"], capsys)["accuracy"] == 100


def test_other_cut_offs_are_searched_written_and_taken(folder, tmp_path, capsys):
    runs, cuts = ["--runs-dir", str(folder / "runs")], str(tmp_path / "cuts.json")
    search = ["thresholds", *runs, "--method", "joint", "--out", cuts]
    found = said(search, capsys)
    assert "one a label, jointly" in found.out and "10 folds of sentences" in found.out
    tree = read_json(tmp_path / "cuts.json")
    assert tree["source"] == "joint"
    # Each cut-off is at or above some probability of the label on dev, and the joint ones are best.
    values = [tree["search"]["methods"][name]["in_sample"] for name in ("shared", "joint")]
    assert values[1] >= values[0]
    dev = ["--gold", str(folder / "dev.jsonl"), "--run", "feel", *runs, "--thresholds", cuts]
    assert scores(dev, capsys)["micro_f1"] == pytest.approx(values[1])
    answers = str(tmp_path / "answers.jsonl")
    found = said(["predict", *runs, "--out", answers, "--thresholds", cuts], capsys)
    assert "searched together" in found.err
    as_json = json.loads(said([*search, "--json"], capsys).out)
    assert as_json["methods"]["joint"]["cutoffs"] == list(tree["cutoffs"].values())


def test_the_picture_of_cut_offs_comes_with_its_numbers(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    plots = tmp_path / "plots"
    said(["thresholds", "--runs-dir", str(folder / "runs"), "--plots", str(plots)], capsys)
    assert {path.suffix for path in plots.iterdir()} == {".png", ".svg", ".csv", ".json"}
    lines = (plots / "thresholds.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("label,cut-off,f1") and lines[1].startswith("joy,1.0,0.0")


def test_a_sentence_is_shown_with_what_is_chosen(folder, capsys):
    words = [
        "predict",
        "--runs-dir",
        str(folder / "runs"),
        "--sentence",
        "오늘 국밥 앞에서 기뻤다.",
    ]
    for target in ([], ["--target", "국밥"]):
        found = said([*words, *target], capsys)
        assert found.out.splitlines()[0].split() == ["label", "percent", "chosen"]
        assert len(found.out.splitlines()) == 5
    assert "not in the sentence" in said([*words, "--target", "밥국"], capsys, 2).err
    assert "--subject" in said([*words, "--subject", "국밥"], capsys, 2).err


def test_a_run_of_one_label_answers_with_exactly_one(tmp_path, capsys):
    folder = write_files(tmp_path, one=True)
    runs = ["--runs-dir", str(folder / "runs")]
    one = {"decide.labels": "one", "train.pooling": "target_ends", "markers.style": "none"}
    found = said(["train", *options(folder, **one), *runs], capsys)
    assert "cut-offs" not in found.err
    assert not (folder / "runs/feel/train/fold-0/model/thresholds.json").exists()
    answers = folder / "answers.jsonl"
    said(["predict", *runs, "--out", str(answers)], capsys)
    for line in answers.read_text("utf-8").splitlines():
        assert list(json.loads(line)["output"].values()).count("True") == 1
    gold = ["--gold", str(folder / "gold.jsonl")]
    by_run = scores([*runs, *gold], capsys)
    by_answers = scores([*runs, "--run", "feel", *gold, "--pred", str(answers)], capsys)
    assert by_answers["micro_f1"] == by_run["micro_f1"] and by_run["auprc"] is not None
    assert "no cut-offs to search" in said(["thresholds", *runs], capsys, 2).err


@pytest.mark.parametrize(
    "changes",
    [
        {"decide.loss": "asymmetric", "train.pooling": "target_mean"},
        {"decide.positive_weights": "balanced", "markers.style": "entity_marker_punct"},
        {"decide.thresholds": "0.3", "train.pooling": "cls", "decide.at_least_one": "true"},
        {"decide.thresholds": "joint", "decide.measure": "macro_f1", "train.best_by": "macro_f1"},
        {"data.dev": "null", "data.folds": "4", "train.pooling": "cls_target_start"},
    ],
    ids=["asymmetric", "balanced", "given", "joint", "fold"],
)
def test_every_choice_of_the_task_trains(folder, tmp_path, changes, capsys):
    runs = ["--runs-dir", str(tmp_path / "runs")]
    changes = {"train.epochs": 1, **changes}
    found = said(["train", *options(folder, **changes), *runs], capsys)
    assert "best epoch 1" in found.err
    out = tmp_path / "answers.jsonl"
    said(["predict", *runs, "--out", str(out)], capsys)
    outputs = [json.loads(line)["output"] for line in out.read_text("utf-8").splitlines()]
    assert [set(output) for output in outputs] == [set(LABELS)] * 20
    if changes.get("decide.at_least_one"):
        assert all("True" in output.values() for output in outputs)


def of_targets():
    recipes = {name: load_recipe(file) for name, file in shipped().items()}
    return [name for name, r in recipes.items() if (r.task, r.family) == ("target", "encoder")]


@pytest.mark.parametrize("recipe", of_targets())
def test_every_shipped_recipe_runs_with_a_tiny_encoder(folder, tmp_path, capsys, recipe):
    changes = {"tapt.epochs": 1, "train.epochs": 1, "data.labels": "from-train"}
    arguments = ["--recipe", recipe, *options(folder, **changes)[2:]]
    runs = ["--runs-dir", str(tmp_path / "runs")]
    said(["tapt", *arguments, *runs], capsys)
    said(["train", *arguments, *runs], capsys)
    out = tmp_path / "answers.jsonl"
    said(["predict", *runs, "--out", str(out)], capsys)
    assert len(out.read_text("utf-8").splitlines()) == 20


def test_validate_says_what_is_doubtful(folder, tmp_path, capsys):
    twice = [*rows("train", 10), record("again", *again(), (), LABELS)]
    path = write_lines(tmp_path / "twice.jsonl", twice)
    found = said(["validate", "--data", str(path), "--task", "target", "--json"], capsys)
    kinds = {each["kind"] for each in json.loads(found.out)["warnings"]}
    assert {"duplicate rows", "two labels", "rows of no label"} <= kinds
    found = said(["validate", *options(folder), "--json"], capsys)
    files = json.loads(found.out)["files"]
    assert set(files[0]["labels"]) == {*LABELS, ""} and files[2]["labels"] == {}


def again():
    """The sentence and target of a row that has a label."""
    first = next(each for each in rows("train", 10) if "True" in each["output"].values())
    target = first["input"]["target"]
    return first["input"]["form"], (target["form"], target["begin"], target["end"])


BAD = {
    "a threshold of no label": ({"decide.thresholds": "{joy: 0.5, awe: 0.5}"}, "awe"),
    "too few weights": ({"decide.positive_weights": "[1.0, 2.0]"}, "not one weight"),
    "a pooling of relations": ({"train.pooling": "entity_starts"}, "no such pooling"),
    "a marker of types": ({"markers.style": "klue"}, "markers.style"),
    "a query of relations": ({"markers.query": "{object}?"}, "{object}"),
    "a negative label": ({"data.negative": "joy"}, "data.negative"),
    "cut-offs of one label": ({"decide": "{labels: one, thresholds: 0.5}"}, "only with labels"),
    "several labels of one": ({"decide.labels": "one"}, "exactly one label"),
    "a task that is none": ({"task": "targets"}, "did you mean target?"),
    "a label list of others": ({"data.labels": "[joy, awe]"}, "not in the list of labels"),
    "a test file without sentences": ({"data.test": "empty.csv"}, "column sentence is missing"),
    "ends of another kind": ({"data.ends": "inclusive"}, "data.ends: exclusive"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_message_and_leaves_nothing(folder, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "empty.csv", ("id", "words"), [("a", "b")])
    changes, words = BAD[name]
    arguments = ["train", *options(folder, **changes), "--runs-dir", str(tmp_path / "runs")]
    found = said(arguments, capsys, 2)
    assert words in found.err
    assert "Traceback" not in found.err
    assert not list((tmp_path / "runs").glob("*/train/*"))


def test_a_run_without_its_cut_offs_is_a_message(folder, tmp_path, capsys):
    runs = tmp_path / "runs"
    shutil.copytree(folder / "runs", runs)
    (runs / "feel/train/fold-0/model/thresholds.json").unlink()
    out = tmp_path / "answers.jsonl"
    found = said(["predict", "--runs-dir", str(runs), "--out", str(out)], capsys, 2)
    assert "thresholds.json" in found.err and not out.exists()


def test_answers_never_replace_the_rows_or_each_other(folder, tmp_path, capsys):
    runs, test = ["--runs-dir", str(folder / "runs")], str(folder / "test.jsonl")
    before = (folder / "test.jsonl").read_bytes()
    assert "would replace" in said(["predict", *runs, "--out", test], capsys, 2).err
    both = ["--out", str(tmp_path / "a"), "--probs", str(tmp_path / "a")]
    assert "one file" in said(["predict", *runs, *both], capsys, 2).err
    assert (folder / "test.jsonl").read_bytes() == before and not (tmp_path / "a").exists()


def test_a_recipes_cut_offs_by_label_are_taken_without_a_run(folder, tmp_path, capsys):
    cuts = "{trust: 0.1, anger: 0.2, fear: 0.3, joy: 0.4}"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"name: feel\ntask: target\nencoder: {{from: nowhere}}\ndecide: {{thresholds: {cuts}}}\n"
        f"data: {{train: {folder / 'train.jsonl'}}}\n"
    )
    shares = dict(zip(LABELS, (0.4, 0.2, 0.2, 0.1), strict=True))
    pred = write_lines(
        tmp_path / "p.jsonl", [{"id": f"gold{i}", "output": shares} for i in range(20)]
    )
    gold = ["--gold", str(folder / "gold.jsonl"), "--pred", str(pred), "--recipe", str(recipe)]
    classes = scores(gold, capsys)["classes"]
    given = {name: classes[name]["tp"] + classes[name]["fp"] for name in LABELS}
    assert given == {"joy": 20, "fear": 0, "anger": 20, "trust": 20}


def test_one_bad_cell_is_a_fault_and_not_a_label_less(tmp_path, capsys):
    columns = ("id", "sentence", "joy", "fear")
    cells = [("a", "가", "1", "0"), ("b", "나", "0", "1"), ("c", "다", "1", "x")]
    path = write_csv(tmp_path / "a.csv", columns, cells)
    found = said(["validate", "--data", str(path), "--task", "target"], capsys, 2)
    assert "neither true nor false" in found.out and f"{path}:4" in found.out


def test_figures_of_a_search_are_those_of_rows_that_are_filled(tmp_path, capsys):
    rng = np.random.default_rng(1)
    gold, pred = [], []
    for i in range(40):
        true = [LABELS[rng.integers(4)]]
        shares = {name: float(0.3 * rng.random() + 0.3 * (name in true)) for name in LABELS}
        gold.append(record(f"r{i}", f"{i}번", None, true, LABELS))
        pred.append({"id": f"r{i}", "output": shares})
    cuts = write_lines(tmp_path / "c.json", [])
    even = dict.fromkeys(LABELS, 0.9)
    cuts.write_text(json.dumps({"cutoffs": even, "at_least_one": True}))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ntask: target\nencoder: {from: x}\ndecide: {at_least_one: true}\n"
        f"data: {{train: {write_lines(tmp_path / 'g.jsonl', gold)}}}\n"
    )
    files = ["--gold", str(tmp_path / "g.jsonl"), "--recipe", str(recipe)]
    files += ["--pred", str(write_lines(tmp_path / "p.jsonl", pred))]
    out = str(tmp_path / "o.json")
    said(["thresholds", *files, "--method", "joint", "--out", out], capsys)
    figure = read_json(tmp_path / "o.json")["search"]["methods"]["joint"]["in_sample"]
    assert scores([*files, "--thresholds", out], capsys)["micro_f1"] == pytest.approx(figure)


def test_gold_rows_of_one_label_each_are_asked_about(tmp_path, capsys):
    path = write_lines(tmp_path / "g.jsonl", rows("gold", 5, one=True))
    words = ["score", "--gold", str(path), "--pred", str(path), "--task", "target"]
    assert "decide.labels: one" in said(words, capsys).err


def test_nothing_is_written_over_what_it_is_made_from_or_before_a_bad_place(
    folder, tmp_path, capsys
):
    runs, cuts = ["--runs-dir", str(folder / "runs")], tmp_path / "cuts.json"
    said(["thresholds", *runs, "--out", str(cuts)], capsys)
    kept = cuts.read_bytes()
    words = ["predict", *runs, "--thresholds", str(cuts), "--out", str(cuts)]
    assert "made from" in said(words, capsys, 2).err and cuts.read_bytes() == kept
    gold = shutil.copy(folder / "gold.jsonl", tmp_path / "g.jsonl")
    words = ["thresholds", *runs, "--gold", str(gold), "--out", str(gold)]
    assert "made from" in said(words, capsys, 2).err
    probs = tmp_path / "p.jsonl"
    words = ["predict", *runs, "--probs", str(probs), "--out", str(cuts / "x.jsonl")]
    said(words, capsys, 2)
    assert not probs.exists()
    words = ["predict", *runs, "--probs", str(probs), "--out", str(tmp_path / "a/../p.jsonl")]
    (tmp_path / "a").mkdir()
    assert "one file" in said(words, capsys, 2).err


@pytest.mark.parametrize("changes", [BAD["a threshold of no label"], BAD["too few weights"]])
def test_validate_refuses_what_training_would(folder, changes, capsys):
    said(["validate", *options(folder, **changes[0])], capsys, 2)
