"""Predictions of any number of labels compared: by row, and by label."""

import json
from dataclasses import replace

import numpy as np
import pytest

from relx.compare import compare
from relx.data.labels import LabelList
from relx.score import ScoredRows
from relx.scoring.comparison import mcnemar
from relx.scoring.decisions.any_of import AnyOf
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx_cli.compare import _print

LABELS = LabelList(("joy", "trust", "fear"), None)
ENTITY = Entity("가", Span(0, 1), "PER")


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    gold = rng.random((80, 3)) < 0.3
    examples = tuple(Example(str(row), "가", ENTITY, ENTITY, None) for row in range(80))
    better, worse = (gold ^ (rng.random(gold.shape) < share) for share in (0.05, 0.3))
    first = ScoredRows("a", "gold", examples, LABELS, gold, worse, None, decision=AnyOf())
    return first, replace(first, name="b", predicted=better)


def test_rows_are_right_in_all_labels_and_labels_cell_by_cell(sides):
    first, second = sides
    (other,) = compare(sides, 50).others
    right = [(side.predicted == side.gold) for side in sides]
    assert other.mcnemar == mcnemar(right[0].all(axis=1), right[1].all(axis=1))
    assert tuple(other.labels) == LABELS.names
    assert other.labels["fear"] == mcnemar(right[0][:, 2], right[1][:, 2])
    assert other.scores["micro_f1"].value == pytest.approx(
        second.scores().micro_f1 - first.scores().micro_f1
    )
    counts = other.changed()
    assert counts["fixed"] == (~right[0].all(axis=1) & right[1].all(axis=1)).sum()
    assert sum(counts.values()) == (first.predicted != second.predicted).any(axis=1).sum()


def test_json_has_a_test_a_label(sides):
    tree = compare(sides, 50).to_json()
    assert json.loads(json.dumps(tree)) == tree
    found = tree["differences"]["b"]
    assert set(found["labels"]) == set(LABELS.names)
    assert found["labels"]["joy"]["second"] > found["labels"]["joy"]["first"]
    assert "auprc" not in found["scores"]


def test_of_one_label_in_a_row_the_rows_say_it_all(sides):
    first, _ = sides
    classes = np.arange(80) % 3
    one = ScoredRows("a", "gold", first.examples, LABELS, classes, classes, np.eye(3)[classes])
    other = replace(one, name="b", predicted=(classes + 1) % 3)
    result = compare([one, other], 20)
    assert result.others[0].labels == {}
    names = ["scores", "classes", "mcnemar", "changed"]
    assert list(result.to_json()["differences"]["b"]) == names


def test_what_is_printed(sides, capsys):
    _print(compare(sides, 50))
    said = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in said.splitlines()}
    assert "exact match" in lines
    assert "AUPRC" not in lines
    assert len(lines["trust"].split()) == len(lines["fear"].split())
    assert "rows right with a alone" in said
