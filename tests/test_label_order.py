"""A file whose probabilities are in another order of labels than they are read in."""

import csv
import json

import numpy as np
import pytest

from relx.data.labels import KLUE, KLUE_RELATION_LIST, known_orders, read_labels
from relx.recipe import DataSection
from relx.scoring.label_order import agreement, best_columns, known_order, warn_of_order
from relx.tasks.relation.answers import write_submission
from relx_cli.main import run

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet(np.full(30, 0.1), 400)
PREDICTED = PROBABILITIES.argmax(axis=1)


def in_order(names):
    """The same probabilities with their columns in another order."""
    return PROBABILITIES[:, [KLUE.index(name) for name in names]]


ORDERS = {
    "klue-relation-list": KLUE_RELATION_LIST.names,
    "alphabetical": tuple(sorted(KLUE.names)),
}


def test_klues_lists_hold_the_same_labels():
    assert set(KLUE.names) == set(KLUE_RELATION_LIST.names) and KLUE != KLUE_RELATION_LIST
    assert read_labels(DataSection(labels="klue-relation-list")) == KLUE_RELATION_LIST


def test_the_right_order_is_never_spoken_of(capsys):
    assert agreement(PROBABILITIES, PREDICTED) == 1
    few = PREDICTED.copy()
    few[:4] = (few[:4] + 1) % 30  # 1 %
    assert not warn_of_order("a.csv", PROBABILITIES, few, KLUE.names, known_orders(KLUE.names))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ORDERS)
def test_a_known_order_is_named_with_the_option_that_reads_it(name, capsys):
    moved = in_order(ORDERS[name])
    assert warn_of_order("a.csv", moved, PREDICTED, KLUE.names, known_orders(KLUE.names))
    said = " ".join(capsys.readouterr().err.split())
    assert "another order of the labels only 0.0% would differ" in said and name in said


def test_an_unknown_order_is_spoken_of_and_found(capsys):
    columns = RNG.permutation(30)
    moved = PROBABILITIES[:, columns]
    assert warn_of_order("a.csv", moved, PREDICTED, KLUE.names, known_orders(KLUE.names))
    said = " ".join(capsys.readouterr().err.split())
    assert "name the file of labels" in said and "relation_list" not in said
    found = best_columns(moved, PREDICTED)
    assert agreement(moved, PREDICTED, list(found)) == 1
    used = np.unique(PREDICTED)
    assert (columns[found][used] == used).all()


def test_labels_chosen_by_other_means_are_counted_and_no_order_is_guessed(capsys):
    other = PREDICTED.copy()
    other[::10] = RNG.integers(0, 30, 40)
    assert warn_of_order("a.csv", PROBABILITIES, other, KLUE.names, known_orders(KLUE.names))
    said = capsys.readouterr().err
    assert "pred_label is not the most probable" in " ".join(said.split()) and "order" not in said


def test_orders_of_other_labels_are_left_out():
    names = ("a", "b", "c")
    rows = np.eye(3)
    assert known_order(rows, np.arange(3), names, {"x": ("a", "b", "d")}) is None
    assert known_order(rows, np.arange(3), names, {"x": ("a", "b", "c")}) == ("x", 1.0)


@pytest.fixture
def files(tmp_path):
    """Gold rows, and a submission with KLUE's own order in its probabilities."""
    gold, pred = tmp_path / "gold.csv", tmp_path / "pred.csv"
    ids = [str(i) for i in range(len(PREDICTED))]
    one = json.dumps({"word": "가람", "start_idx": 0, "end_idx": 1, "type": "PER"})
    two = json.dumps({"word": "나루", "start_idx": 4, "end_idx": 5, "type": "LOC"})
    with gold.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label", "source"])
        for i, label in zip(ids, PREDICTED, strict=True):
            writer.writerow([i, "가람은 나루에 산다", one, two, KLUE.names[label], "x"])
    write_submission(pred, ids, in_order(KLUE_RELATION_LIST.names), KLUE_RELATION_LIST)
    return gold, pred


def auprc(words, capsys):
    capsys.readouterr()
    assert run([*words, "--json", "-q"]) == 0
    found = capsys.readouterr()
    return json.loads(found.out)["auprc"], " ".join(found.err.split())


def test_the_score_warns_quiet_or_not_and_its_advice_mends_it(files, capsys):
    gold, pred = files
    words = ["score", "--gold", str(gold), "--pred", str(pred)]
    wrong, said = auprc(words, capsys)
    assert "--labels klue-relation-list" in said
    right, said = auprc([*words, "--labels", "klue-relation-list"], capsys)
    assert said == "" and right > 90 > 50 > wrong
