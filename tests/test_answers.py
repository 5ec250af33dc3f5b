import csv
import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.tasks.relation.answers import columns_form, normalized, write_submission
from relx.tasks.relation.submission import read_submission

LABELS = LabelList(("no_relation", "per:spouse", "나라:수도"), "no_relation")
ROWS = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.25, 0.5, 0.25]])


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
    assert tuple(read.ids) == tuple(ids)
    assert np.array_equal(read.probabilities, normalized(rows, ids))
    assert np.abs(read.probabilities.sum(axis=1) - 1).max() <= 1e-9
    assert np.array_equal(read.predicted, read.probabilities.argmax(axis=1))
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


def test_one_column_a_label_is_written_and_read_back(tmp_path):
    path = tmp_path / "probs.csv"
    with columns_form(LABELS).file(path) as file:
        file.add([SimpleNamespace(id=id_) for id_ in ("7", "2", "11")], ROWS)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "id,no_relation,per:spouse,나라:수도"
    other_order = LabelList(LABELS.names[::-1], "no_relation")
    for labels, rows in ((LABELS, ROWS), (other_order, ROWS[:, ::-1])):
        found = read_submission(path, labels)
        assert tuple(found.ids) == ("7", "2", "11") and found.predicted is None
        assert found.probabilities.tolist() == rows.tolist()


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
