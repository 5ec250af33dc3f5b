"""The page of data about targets: its numbers, counted by hand, and the page itself."""

import json

import pytest
from target_data import record, write_lines

pytest.importorskip("matplotlib")

from relx.look.eda.corpus import read_corpus
from relx.look.target.eda.findings import WHOLE, examine, facts
from relx.look.target.eda.page import context, write_eda
from relx.look.target.eda.target_facts import PLACES, target_facts
from relx.recipe import Recipe
from relx.tasks.target.rows import TargetRow

LABELS = ("joy", "fear", "anger")
TRAIN = [
    record("a", "국밥이 국밥답다.", ("국밥", 4, 6), ("joy", "fear"), LABELS),
    record("b", "국밥이 참 좋았다.", ("국밥", 0, 2), ("joy",), LABELS),
    record("c", "&others& 너무 슬펐다.", None, (), LABELS),
    record("d", "모두 화를 냈다 주인", ("주인", 9, 11), ("joy", "anger"), LABELS),
    record("e", "모두 화를 냈다 주인", ("주인", 9, 11), ("anger",), LABELS),
]
TEST = [record("t", "&name3& 국밥이 좋다.", ("국밥", 8, 10), None, LABELS)]


@pytest.fixture
def recipe(tmp_path):
    files = {
        "train": str(write_lines(tmp_path / "train.jsonl", TRAIN)),
        "test": str(write_lines(tmp_path / "test.jsonl", TEST)),
    }
    tree = {"name": "feel", "task": "target", "data": files, "encoder": {"from": "nowhere"}}
    return Recipe.model_validate(tree)


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    return write_lines(path, [record("t", "", None, ("joy", "anger"), LABELS)])


def test_labels_are_counted_by_row_and_together(recipe, answers):
    found = examine(read_corpus(recipe, answers))
    assert found.labels_a_row == {"train": [1, 2, 2], "predicted": [0, 0, 1]}
    assert found.common.labels == ("joy", "anger", "fear")
    assert found.together.tolist() == [[3, 1, 1], [1, 2, 0], [1, 0, 1]]


def test_placeholders_of_equal_count_are_in_the_order_of_the_text(tmp_path):
    """Not in that of a set, which differs from run to run."""
    names = ["others", "name", "place", "company", "address", "account"]
    sentence = " ".join(f"&{name}{at}&" for at, name in enumerate(names))
    row = TargetRow("a", sentence, None, None)
    assert list(target_facts([row]).placeholders) == [f"&{name}…&" for name in names]


def test_targets_are_counted_by_label(recipe):
    found = examine(read_corpus(recipe, None))
    assert found.frequent == ("국밥", "주인", WHOLE)
    assert found.target_rows.tolist() == [2, 2, 1]
    assert found.by_target.tolist() == [[2, 0, 1], [1, 2, 0], [0, 0, 0]]


def test_a_file_tells_where_targets_are(recipe):
    train, test = examine(read_corpus(recipe, None)).targets.values()
    assert (train.rows, train.missing, train.repeated) == (5, 1, 1)
    assert train.places == dict(zip(PLACES, (1, 1, 2), strict=True))
    assert (train.lengths.median, train.lengths.longest) == (2, 2)
    assert train.placeholders == {"&others…&": 1}
    assert test.placeholders == {"&name…&": 1}


def test_the_page_says_what_is_doubtful(recipe, answers):
    found = examine(read_corpus(recipe, answers))
    text = "\n".join(context(found, {label: {} for label in found.common.labels})["notices"])
    assert "1 row of train has no label that is true." in text
    assert "1 row of train repeat the sentence and target of an earlier row; 1 of these" in text
    assert "1 row of train is about the whole sentence" in text
    assert facts(found)["together"]["joy"] == {"joy": 3, "anger": 1, "fear": 1}


def test_the_page_is_written_with_its_plots(recipe, answers, tmp_path):
    out = tmp_path / "eda.html"
    figures = write_eda(recipe, answers, out, tmp_path / "runs")
    assert figures["files"]["train"]["targets"]["missing"] == 1
    page = out.read_text("utf-8")
    assert '<mark class="target">주인</mark>' in page  # of the contradiction
    assert "Labels that rows have together" in page
    names = {path.stem for path in (tmp_path / "eda_plots").glob("*.csv")}
    assert {
        "labels-a-row",
        "labels-together",
        "target-labels",
        "targets",
        "lengths-targets",
    } <= names
    kept = json.loads((tmp_path / "eda_plots/plots.json").read_text("utf-8"))["facts"]
    assert kept["labels_a_row"]["train"] == [1, 2, 2]


def test_a_file_without_any_target_has_a_page_too(tmp_path):
    rows = [record(f"r{i}", f"{i}번 문장이다.", None, ("joy",), LABELS) for i in range(3)]
    train = str(write_lines(tmp_path / "train.jsonl", rows))
    tree = {"name": "feel", "task": "target", "data": {"train": train}, "encoder": {"from": "x"}}
    out = tmp_path / "eda.html"
    write_eda(Recipe.model_validate(tree), None, out, tmp_path / "runs")
    assert "lengths-targets" not in out.read_text("utf-8")
