import csv
import errno
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.tasks.relation.answers import normalized, read_submission, write_submission

LABELS = LabelList(("no_relation", "per:spouse", "나라:수도"), "no_relation")
ROWS = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25]])


def write_rows(path, *rows, header="id,pred_label,probs", encoding="utf-8"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def faults_of(path, labels=LABELS):
    with pytest.raises(InputError) as caught:
        read_submission(path, labels)
    return caught.value.faults


@given(
    arrays(np.float32, st.tuples(st.integers(1, 8), st.just(3)), elements=st.floats(0, 1, width=32))
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back_bit_for_bit(tmp_path, weights):
    rows = weights + np.float32(1e-3)
    rows /= rows.sum(axis=1, keepdims=True)
    ids = [f"klue-{index}" for index in range(len(rows))]
    path = tmp_path / "submission.csv"
    write_submission(path, ids, rows, LABELS)
    read = read_submission(path, LABELS)
    assert read.ids == tuple(ids)
    assert np.array_equal(read.probabilities, normalized(rows, ids))
    assert np.abs(read.probabilities.sum(axis=1) - 1).max() <= 1e-9
    assert np.array_equal(read.predicted, read.probabilities.argmax(axis=1))
    assert read.overruled == 0
    before = path.read_bytes()
    write_submission(path, read.ids, read.probabilities, LABELS)
    assert path.read_bytes() == before


def test_the_file_is_what_the_competition_wants(tmp_path):
    path = tmp_path / "new" / "submission.csv"
    write_submission(path, ["7", "2", "11"], ROWS, LABELS)
    rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
    assert rows[0] == ["id", "pred_label", "probs"]
    assert [row[0] for row in rows[1:]] == ["7", "2", "11"]
    assert [row[1] for row in rows[1:]] == ["no_relation", "나라:수도", "per:spouse"]
    assert rows[1][2] == "[0.6, 0.3, 0.1]"


def test_a_float32_row_is_scaled_to_sum_to_one():
    rows = np.array([[0.3334, 0.3334, 0.3334]], dtype=np.float32)
    assert normalized(rows, ["a"]).sum() == pytest.approx(1, abs=1e-12)


def test_an_id_that_stands_twice_is_refused_and_nothing_written(tmp_path):
    path = tmp_path / "submission.csv"
    with pytest.raises(InputError, match="the id 2 is in row 1 and again in row 3"):
        write_submission(path, ["2", "1", "2"], ROWS, LABELS)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 0.5, 0.5], "hold nan"),
        ([np.inf, 0, 0], "hold nan or infinity"),
        ([-0.1, 0.6, 0.5], "never negative"),
        ([2.0, 1.0, -3.0], "never negative"),
        ([3.0, 1.0, 2.0], "do not sum to 1"),
    ],
)
def test_what_is_no_distribution_is_not_written(tmp_path, row, message):
    rows = ROWS.copy()
    rows[1] = row
    with pytest.raises(InputError, match=message) as caught:
        write_submission(tmp_path / "submission.csv", ["a", "b", "c"], rows, LABELS)
    assert "id b" in caught.value.faults[0].where
    assert not any(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "submission.csv"
    path.write_text("old", encoding="utf-8")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="the disk is full"):
        write_submission(path, ["a", "b", "c"], ROWS, LABELS)
    assert [file.name for file in tmp_path.iterdir()] == ["submission.csv"]
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_files_of_others_are_read(tmp_path, encoding):
    path = write_rows(
        tmp_path / "theirs.csv",
        '0,a,"[0.5,0.25,0.25]",나라:수도',
        '1,b," [1, 0e0, 0.0] ",no_relation',
        "",
        '2,c,"[1e-05, 9.9999e-01, 0]",per:spouse',
        header=",id,probs,pred_label",
        encoding=encoding,
    )
    read = read_submission(path, LABELS)
    assert read.ids == ("a", "b", "c")
    assert read.predicted.tolist() == [2, 0, 1]
    assert read.probabilities.tolist() == [[0.5, 0.25, 0.25], [1, 0, 0], [1e-5, 0.99999, 0]]
    assert read.overruled == 1


def test_a_tie_overrules_nothing(tmp_path):
    path = write_rows(tmp_path / "tie.csv", 'a,per:spouse,"[0.4, 0.4, 0.2]"')
    assert read_submission(path, LABELS).overruled == 0


@pytest.mark.parametrize(
    ("probs", "kind", "message"),
    [
        ("[0.5, 0.5", "probs", "not a list of numbers"),
        ("", "probs", "not a list of numbers"),
        ("[0.5 0.3 0.2]", "probs", "not a list of numbers"),
        ("0.5, 0.3, 0.2", "probs", "not a list of numbers"),
        ("[[0.5, 0.3, 0.2]]", "probs", "not a list of numbers"),
        ("[true, false, false]", "probs", "not a list of numbers"),
        ("['0.5', '0.3', '0.2']", "probs", "not a list of numbers"),
        ("[null, 0.5, 0.5]", "probs", "not a list of numbers"),
        ("[0.5, 0.5]", "probs", "has 2 numbers, the label list 3 labels"),
        ("[0.25, 0.25, 0.25, 0.25]", "probs", "has 4 numbers"),
        ("[np.float64(0.5), np.float64(0.3), np.float64(0.2)]", "probs", "numpy objects"),
        ("[" * 100_000, "probs", "not a list of numbers"),
        ("[1" + "0" * 400 + ", 0, 0]", "probs", "beyond any probability"),
        ("[NaN, 0.5, 0.5]", "no probabilities", "nan"),
        ("[nan, 0.5, 0.5]", "probs", "not a list of numbers"),
        ("[Infinity, 0, 0]", "no probabilities", "infinity"),
        ("[1e999, 0, 0]", "no probabilities", "infinity"),
        ("[-0.1, 0.6, 0.5]", "no probabilities", "never negative"),
        ("[4.2, 1.0, -0.3]", "no probabilities", "never negative"),
        ("[4.2, 1.0, 0.3]", "no probabilities", "do not sum to 1"),
        ("[0.5, 0.3, 0.1985]", "no probabilities", "do not sum to 1"),
    ],
)
def test_probs_that_cannot_be_used_are_named(tmp_path, probs, kind, message):
    good = 'a,no_relation,"[0.5, 0.3, 0.2]"'
    path = write_rows(tmp_path / "bad.csv", good, f'b,no_relation,"{probs}"')
    (fault,) = faults_of(path)
    assert fault.where == f"{path}:3, id b, column probs"
    assert fault.kind == kind
    assert message in fault.what


def test_lists_that_close_in_the_next_row_are_not_put_together(tmp_path):
    rows = ['a,no_relation,"[0.5,0.3,0.2],[0.5"', 'b,no_relation,"0.3,0.2]"']
    faults = faults_of(write_rows(tmp_path / "bad.csv", *rows))
    assert [fault.kind for fault in faults] == ["probs", "probs"]


def test_one_bad_row_does_not_harm_how_the_others_are_read(tmp_path):
    path = write_rows(
        tmp_path / "bad.csv",
        'a,per:spous,"[0.5, 0.3, 0.2]"',
        'b,no_relation,"[0.5, 0.5]"',
        'a,no_relation,"[0.5, 0.3, 0.1]"',
        ',no_relation,"[0.5, 0.3, 0.2]"',
    )
    faults = faults_of(path)
    assert [fault.kind for fault in faults] == [
        "unknown label",
        "probs",
        "duplicate id",
        "no probabilities",
        "no id",
    ]
    assert faults[0].where == f"{path}:2, id a, column pred_label"
    assert faults[0].next_step == "did you mean per:spouse?"
    assert "is already in line 2" in faults[2].what


def test_lines_are_counted_where_a_cell_holds_a_line_break(tmp_path):
    rows = ['a,no_relation,"[0.5,\n0.3, 0.2]"', 'b,no_relation,"[1]"']
    (fault,) = faults_of(write_rows(tmp_path / "bad.csv", *rows))
    assert ":4, id b" in fault.where


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty file"),
        (b"id,pred_label,probs\n", "empty file"),
        (b"id,pred_label\na,no_relation\n", "missing column"),
        (b'id,label,probs\na,no_relation,"[1, 0, 0]"\n', "missing column"),
        (b"id,pred_label,probs\na,no_relation,[1, 0, 0]\n", "number of cells"),
        (b'id,pred_label,probs\na,no_relation,"[1, 0, 0]\n', "broken row"),
        (b'{"id": 1, "pred_label": "a", "probs": []}\n{"id": 2, "probs": []}\n', "no value"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xff", "no text"),
    ],
)
def test_files_that_are_no_submission(tmp_path, content, kind):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    (fault,) = faults_of(path)
    assert fault.kind == kind
    assert str(path) in fault.where


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        (fault,) = faults_of(path)
        assert fault.kind == "no such file"
