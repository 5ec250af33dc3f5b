import json
import os
import pickle

import pytest

from relx.data.labels import KLUE, LabelList, read_labels
from relx.faults import InputError
from relx.recipe import DataSection

NAMES = ("관계없음", "부모", "형제")


def labels_of(path, negative="관계없음"):
    return read_labels(DataSection(labels=str(path), negative=negative))


def fault_of(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    (fault,) = caught.value.faults
    return fault


def write_pickle(path, value):
    path.write_bytes(pickle.dumps(value))
    return path


def test_klue_has_thirty_labels_and_finds_the_negative_one_by_name():
    assert len(KLUE) == 30
    assert KLUE.negative_index == KLUE.index("no_relation") == 0
    assert KLUE.names[4] == "per:title" and KLUE.index("per:religion") == 29
    assert "per:title" in KLUE and "per:titel" not in KLUE


def test_the_negative_label_may_stand_anywhere_or_be_absent():
    assert LabelList(("a", "none", "b"), "none").negative_index == 1
    assert LabelList(("a", "b"), None).negative_index is None


@pytest.mark.parametrize(
    "value",
    [
        list(NAMES),
        {"형제": 2, "관계없음": 0, "부모": 1},
        {"2": "형제", "0": "관계없음", "1": "부모"},
        {"relations": list(NAMES), "subject_entity_type": ["PER"]},
    ],
)
def test_every_json_shape_gives_the_same_order(tmp_path, value):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    assert labels_of(path).names == NAMES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_text_file_holds_one_label_a_line(tmp_path, encoding):
    path = tmp_path / "labels.txt"
    path.write_bytes("관계없음\r\n부모\r\n\r\n형제\r\n".encode(encoding))
    assert labels_of(path).names == NAMES


@pytest.mark.parametrize(
    "value", [{name: i for i, name in enumerate(NAMES)}, dict(enumerate(NAMES))]
)
def test_the_competitions_pickles_are_read(tmp_path, value):
    assert labels_of(write_pickle(tmp_path / "labels.pkl", value)).names == NAMES


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path):
    class Intruder:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = write_pickle(tmp_path / "labels.pkl", {"a": 0, "b": Intruder()})
    fault = fault_of(labels_of, path)
    assert "would run code" in fault.what and "mkdir" in fault.received
    assert fault.where == str(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "value", [{"a": 0.5, "b": 1}, ["a", "b"], {"a": [0]}, {"a": True, "b": 0}, {("a",): 0}, 7]
)
def test_a_pickle_of_anything_but_plain_dictionaries_is_refused(tmp_path, value):
    path = write_pickle(tmp_path / "labels.pkl", value)
    assert fault_of(labels_of, path).what == "this pickle is not a dictionary of labels"


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": 0, "b": 1})[:-3]])
def test_a_broken_pickle_is_a_fault(tmp_path, content):
    path = tmp_path / "labels.pkl"
    path.write_bytes(content)
    assert fault_of(labels_of, path).kind == "labels"


@pytest.mark.parametrize(
    ("value", "received"),
    [
        ({"a": 0, "b": 2}, "missing ids: 1"),
        ({"a": 0, "b": 0, "c": 1}, "repeated ids: 0; missing ids: 2"),
        ({"a": 1, "b": 2}, "missing ids: 0"),
        ({"a": -1, "b": 0}, "missing ids: 1"),
    ],
)
def test_ids_are_consecutive_from_zero(tmp_path, value, received):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(value))
    fault = fault_of(labels_of, path, None)
    assert received in fault.received and "each id from 0 to" in fault.allowed


@pytest.mark.parametrize("text", ["7", '{"a": "b"}', "[1, 2]", "{}", '{"a": 0, "b": null}'])
def test_json_of_another_shape_is_a_fault(tmp_path, text):
    path = tmp_path / "labels.json"
    path.write_text(text)
    fault = fault_of(labels_of, path, None)
    assert fault.what == "this is not a list of labels" and fault.where == str(path)


def test_broken_json_is_a_fault(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('["a", "b"')
    assert fault_of(labels_of, path, None).kind == "JSON syntax"


def test_labels_that_stand_twice_are_empty_or_alone_are_faults():
    with pytest.raises(InputError) as caught:
        LabelList(("a", "a", " "), None)
    assert [fault.what for fault in caught.value.faults] == [
        "a label is empty",
        "a label is listed twice",
    ]
    assert "fewer than two" in fault_of(LabelList, ("a",), None).what


def test_a_wrong_negative_label_names_the_nearest():
    fault = fault_of(labels_of, "klue", "no_relations")
    assert fault.where == "data.negative" and "no_relation?" in fault.next_step
    assert read_labels(DataSection(negative=None)).negative_index is None


def test_labels_of_the_training_file_are_sorted_with_the_negative_one_first(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,label\n0,b\n1,100\n2,none\n3,a\n4,\n5,b\n")
    data = DataSection(train=str(path), labels="from-train", negative="none")
    assert read_labels(data).names == ("none", "a", "b")


def test_a_training_file_without_labels_gives_no_list(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,sentence\n0,b\n")
    data = DataSection(train=str(path), labels="from-train")
    assert fault_of(read_labels, data).kind == "missing column"


def test_a_training_file_of_broken_rows_says_what_is_wrong_with_them(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,label\n0,A(e1,e2)\n1,A(e2,e1)\n2,Other\n")
    data = DataSection(train=str(path), labels="from-train", negative="Other")
    with pytest.raises(InputError) as caught:
        read_labels(data)
    assert [fault.kind for fault in caught.value.faults] == ["number of cells"] * 2


def test_a_list_that_does_not_exist_is_a_fault():
    fault = fault_of(labels_of, "from-trian")
    assert fault.where == "data.labels" and fault.next_step == "did you mean from-train?"


def test_an_unknown_label_names_the_nearest():
    fault = fault_of(KLUE.index, "per:titel")
    assert fault.next_step == "did you mean per:title?" and fault.kind == "unknown label"
