"""Answers about targets: written, read back, and every fault of somebody else's file."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_data import LABELS, record, write_csv, write_lines

from relx.data.labels import LabelList
from relx.data.table import open_table
from relx.faults import InputError
from relx.recipe import DataSection
from relx.tasks.target.answers import answer_lines, probability_lines, read_answers
from relx.tasks.target.rows import scan_rows

KNOWN = LabelList(LABELS, None)
SHARE = st.floats(0, 1)


def wrote(path, lines):
    path.write_text("".join(lines), encoding="utf-8")


def rows_of(path):
    table = open_table(path)
    section = DataSection(ends="exclusive", labels="from-train", negative=None)
    return scan_rows(table, section, None, one=False, required=False).whole().examples


def read(path, **options):
    return read_answers(path, KNOWN, one=False, **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SHARE, SHARE, SHARE), min_size=1, max_size=5))
def test_probabilities_come_back_to_the_last_bit(tmp_path_factory, shares):
    folder = tmp_path_factory.mktemp("answers")
    path = write_lines(
        folder / "test.jsonl", [record(f"r{i}", true=None) for i in range(len(shares))]
    )
    values = np.array(shares)
    wrote(folder / "probs.jsonl", probability_lines(rows_of(path), values, KNOWN))
    found = read(folder / "probs.jsonl")
    assert tuple(found.ids) == tuple(f"r{i}" for i in range(len(shares)))
    assert (found.probabilities == values).all() and found.predicted is None


def test_answers_keep_every_field_and_the_order(tmp_path):
    records = [
        {**record("b", true=None), "note": {"by": "가람"}},
        record("a", target=None, true=None),
    ]
    path = write_lines(tmp_path / "test.jsonl", records)
    chosen = np.array([[True, False, True], [False, False, False]])
    wrote(tmp_path / "out.jsonl", answer_lines(rows_of(path), chosen, KNOWN))
    written = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    ]
    assert [{**each, "output": ""} for each in written] == records
    assert written[0]["output"] == {"joy": "True", "fear": "False", "anger": "True"}
    found = read(tmp_path / "out.jsonl")
    assert (found.predicted == chosen).all()
    assert (list(found.ids), found.probabilities) == (["b", "a"], None)


def test_answers_to_a_csv_have_its_columns(tmp_path):
    columns = ("id", "sentence", "target", "begin", "end")
    path = write_csv(tmp_path / "test.csv", columns, [("a", "국밥은 좋다.", "국밥", "0", "2")])
    wrote(
        tmp_path / "out.jsonl", answer_lines(rows_of(path), np.array([[True, False, False]]), KNOWN)
    )
    written = json.loads((tmp_path / "out.jsonl").read_text("utf-8"))
    assert list(written) == [*columns, "output"]


def test_a_bare_list_of_percentages_is_read_in_its_order(tmp_path, capsys):
    path = tmp_path / "predict.json"
    path.write_text(
        json.dumps([{"fear": 1.5, "joy": 97.25, "anger": 0.0}, dict.fromkeys(LABELS, 50)])
    )
    found = read(path)
    assert found.ids is None and len(found) == 2
    assert found.probabilities.tolist() == [[0.9725, 0.015, 0.0], [0.5, 0.5, 0.5]]
    assert "percent" in capsys.readouterr().err
    path.write_text(json.dumps([dict.fromkeys(LABELS, 0.5)]))
    assert read(path).probabilities.tolist() == [[0.5] * 3]
    assert read(path, percent=True).probabilities.tolist() == [[0.005] * 3]


def test_labels_are_no_percentages(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record()])
    with pytest.raises(InputError, match="leave out --percent"):
        read(path, percent=True)


def test_one_column_a_label_is_read_too(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("id", *LABELS), [("x", "0.25", "0.5", "1e-3")])
    assert read(path).probabilities.tolist() == [[0.25, 0.5, 0.001]]
    path = write_csv(tmp_path / "a.csv", ("id", *LABELS), [("x", "1", "0", "1")])
    assert read(path).predicted.tolist() == [[True, False, True]]


def test_of_one_label_the_answer_is_its_class(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [record(true=("anger",))])
    assert read_answers(path, KNOWN, one=True).predicted.tolist() == [2]
    path = write_lines(tmp_path / "a.jsonl", [record(true=("anger", "joy"))])
    with pytest.raises(InputError, match="exactly one label"):
        read_answers(path, KNOWN, one=True)


def answer(**changes):
    return {"id": "a", "output": {"joy": 0.5, "fear": 0.25, "anger": 0.125} | changes}


def test_a_little_above_one_is_no_percentage(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [answer(), {**answer(joy=1.0000001), "id": "b"}])
    with pytest.raises(InputError, match="no probability") as caught:
        read(path)
    assert f"{path}:2" in str(caught.value)


def test_half_a_character_in_a_field_nobody_reads_is_written_as_it_came(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps({**record(true=None), "note": "\ud800"}) + "\n")
    wrote(tmp_path / "out.jsonl", answer_lines(rows_of(path), np.ones((1, 3), bool), KNOWN))
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8"))["note"] == "\ud800"


FAULTS = {
    "no answers": ([{"id": "a", "label": "joy"}], "the file has no answers"),
    "missing": ([{"id": "a", "output": {"joy": 0.5}}], "no value for fear, anger"),
    "unknown": ([answer(awe=0.5)], "not in the list of labels"),
    "nan": ([answer(joy=math.nan)], "neither true or false nor a number"),
    "text": ([answer(joy="very")], "neither true or false nor a number"),
    "negative": ([answer(joy=-0.5)], "no probability"),
    "above": ([answer(joy=101.0)], "no percentage"),
    "mixed": ([answer(), {**answer(joy="True"), "id": "b"}], "both labels"),
    "no answer": ([{"id": "a", "output": ""}], "has no answer"),
    "no object": ([{"id": "a", "output": [0.5]}], "no object"),
    "twice": ([answer(), answer()], "appears twice"),
    "no id": ([answer(), {**answer(), "id": ""}], "the id is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_of_an_answer_file_is_a_message(tmp_path, name):
    records, said = FAULTS[name]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert all(str(path) in fault.where for fault in caught.value.faults)


def test_all_faults_of_all_rows_are_said_at_once(tmp_path):
    records = [answer(joy="very"), {**answer(fear="no"), "id": "b"}]
    with pytest.raises(InputError) as caught:
        read(write_lines(tmp_path / "a.jsonl", records))
    assert len(caught.value.faults) == 2
