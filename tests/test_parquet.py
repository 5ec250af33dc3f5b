"""Parquet files: typed columns and structs mean what a CSV or JSON of the same rows would."""

import datetime
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from relx.data.formats import parquet as parquet_format
from relx.data.formats.cells import NoText
from relx.data.table import read_table
from relx.faults import InputError


def cells_of(tmp_path, columns, schema=None):
    """The cells of each row of a file with these columns."""
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table(columns, schema), path)
    table = read_table(path)
    assert [row.line for row in table.rows] == list(range(1, len(table.rows) + 1))
    assert table.columns == tuple(pa.table(columns, schema).column_names)
    return [row.cells for row in table.rows]


def column(tmp_path, values, kind=None):
    return [cells["x"] for cells in cells_of(tmp_path, {"x": pa.array(values, kind)})]


def fault(path):
    with pytest.raises(InputError) as caught:
        read_table(path)
    (found,) = caught.value.faults
    assert found.where == str(path)
    return found


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["가", None, ""], pa.large_string(), ["가", "", ""]),
        (["가", "가", None], pa.dictionary(pa.int8(), pa.string()), ["가", "가", ""]),
        ([1, None, 2**60], pa.int64(), [1, "", 2**60]),
        ([1.0, None, float("nan")], pa.float64(), [1, "", ""]),
        ([np.float16(0.5)], pa.float16(), [0.5]),
        ([True, None], pa.bool_(), [True, ""]),
        ([None, None], pa.null(), ["", ""]),
        ([[0.25, 1.0]], pa.list_(pa.float64()), [[0.25, 1]]),
    ],
)
def test_a_column_is_read_whatever_its_type(tmp_path, values, kind, read):
    found = column(tmp_path, values, kind)
    assert found == read and [type(value) for value in found] == [type(value) for value in read]


@pytest.mark.parametrize(
    ("value", "kind", "what"),
    [
        (datetime.date(2024, 1, 2), pa.date32(), "a date"),
        (datetime.datetime(2024, 1, 2), pa.timestamp("ns", "Asia/Seoul"), "a date"),
        (datetime.timedelta(1), pa.duration("us"), "a time"),
        (b"\xb0\xa1", pa.binary(), "bytes"),
    ],
)
def test_what_is_no_text_is_told_apart(tmp_path, value, kind, what):
    found, missing = column(tmp_path, [value, None], kind)
    assert isinstance(found, NoText) and found.kind == what and missing == ""


def test_structs_and_maps_are_dictionaries_without_what_is_null(tmp_path):
    entities = [{"word": "가", "end_idx": 3.0}, {"text": "나", "end_idx": None}, None]
    assert column(tmp_path, entities) == [{"word": "가", "end_idx": 3}, {"text": "나"}, ""]
    pairs = [[("word", "가"), ("end_idx", "3")]]
    kind = pa.map_(pa.string(), pa.string())
    assert column(tmp_path, pairs, kind) == [{"word": "가", "end_idx": "3"}]


def test_an_id_that_pandas_keeps_as_the_index_is_a_column(tmp_path):
    path = tmp_path / "a.parquet"
    for ids in ([7, 8], [7, 2], ["a", "b"]):
        pd.DataFrame({"id": ids, "label": ["a", "b"]}).set_index("id").to_parquet(path)
        assert [row.cells["id"] for row in read_table(path).rows] == ids


def test_rows_of_many_groups_and_batches_stay_in_order(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"id": list(range(5000))}), path, row_group_size=1500)
    assert [row.cells["id"] for row in read_table(path).rows] == list(range(5000))
    assert read_table(path).rows[-1].line == 5000


@pytest.mark.parametrize("kept", [4, 12, -1, -200])
def test_a_file_that_is_cut_off_is_one_fault(tmp_path, kept):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"id": ["7"] * 100}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:kept])
    found = fault(path)
    assert found.kind == "broken file" and "\n" not in found.received


def test_text_that_is_not_utf_8_is_one_fault(tmp_path):
    path = tmp_path / "a.parquet"
    wrong = pa.array([b"\xb0\xa1"]).view(pa.string())
    parquet.write_table(pa.table({"sentence": wrong}), path)
    assert fault(path).kind == "broken file"


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"x": ["가" * 1000] * 3000}), path)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(parquet_format, "MOST_BYTES", 1_000_000)
    assert fault(path).kind == "too large"


def test_more_cells_than_any_data_set_has_are_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({name: pa.nulls(1000) for name in "abc"}), path)
    monkeypatch.setattr(parquet_format, "MOST_CELLS", 2999)
    found = fault(path)
    assert found.kind == "too large" and found.received == "3,000 cells"


def test_a_text_of_many_rows_is_held_once(tmp_path):
    kind = pa.dictionary(pa.int8(), pa.string())
    first, second, missing = column(tmp_path, ["가" * 99, "가" * 99, None], kind)
    assert first == "가" * 99 and second is first and missing == ""


def test_without_pyarrow_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"id": ["7"]}).to_parquet(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = fault(path)
    assert "pyarrow" in found.what and "pip install 'relx[tables]'" in found.next_step
