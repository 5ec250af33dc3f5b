"""Raw rows: a line ends where Python's own text files end it, and every format reads alike."""

import csv
import io
import json

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from relx.data.formats.text_blocks import lines_of
from relx.data.table import read_table, read_text
from relx.faults import InputError

TEXTS = st.text(st.sampled_from('a가"\n\r\x85\u2028\x0c, 😀'), max_size=30)


@given(TEXTS)
def test_lines_are_those_of_a_text_file(text):
    expected = list(io.StringIO(text, newline=""))
    assert list(lines_of([text])) == expected
    assert list(lines_of(text)) == expected  # a block of one character each
    assert list(lines_of([text[:3], "", text[3:]])) == expected


CELLS = st.lists(st.text(st.sampled_from('a가"\n\r, 😀'), max_size=6), min_size=2, max_size=2)


@given(rows=st.lists(CELLS, min_size=1, max_size=5), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_cells_are_read_back_with_the_line_of_each_row(tmp_path_factory, rows, end):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["one", "two"])
    before = []
    for row in rows:
        before.append(text.getvalue())
        writer.writerow(row)
    path = tmp_path_factory.mktemp("rows") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    table = read_table(path)
    assert [list(row.cells.values()) for row in table.rows] == rows
    assert [row.line for row in table.rows] == [
        len(list(io.StringIO(part, newline=""))) + 1 for part in before
    ]


def write_csv(path, columns, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([columns, *rows])


def write_json_lines(path, columns, rows):
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    path.write_text("\n".join(lines), encoding="utf-8")


def write_parquet(path, columns, rows):
    arrays = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    parquet.write_table(pa.table(arrays, names=columns), path)


def write_excel(path, columns, rows):
    book = openpyxl.Workbook()
    for i, row in enumerate([columns, *rows], 1):
        for j, text in enumerate(row, 1):
            cell = book.active.cell(i, j, text)
            if cell.data_type in "fe":  # a text that looks like a formula or an error
                cell.data_type = "s"
    book.save(path)


WRITERS = {
    "a.csv": write_csv,
    "a.jsonl": write_json_lines,
    "a.parquet": write_parquet,
    "a.xlsx": write_excel,
}
# What XML, and so Excel, can hold: no control characters, and a carriage return becomes a line end.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
CELL = st.text(CHARACTERS | st.sampled_from("\n\t"), max_size=12) | st.sampled_from(
    ["'1", "=1+1", "1.0", "007", "TRUE", "2024-01-02", "NaN", "null", "#N/A", " 가 ", "😀"]
)
# A row of a sheet in which nothing stands is no row, and so the first cell is never empty.
TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(CELL.filter(bool), *[CELL] * (width - 1)), min_size=1, max_size=5
    )
)


@settings(max_examples=80, deadline=None)
@given(rows=TABLE)
@example(rows=[("가" * 32_766, "'")])
def test_every_format_reads_the_same_texts(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("formats")
    columns = tuple(f"column {i}" for i in range(len(rows[0])))
    for name, write in WRITERS.items():
        write(folder / name, columns, rows)
        table = read_table(folder / name)
        assert table.columns == columns, name
        assert [tuple(row.cells.values()) for row in table.rows] == rows, name
        assert not [row for row in table.rows if row.fault], name


@pytest.mark.parametrize("name", WRITERS)
def test_the_content_decides_which_format_it_is(tmp_path, name):
    path = tmp_path / "a.txt"
    WRITERS[name](path, ("id", "label"), [("7", "가")])
    (row,) = read_table(path).rows
    assert row.cells == {"id": "7", "label": "가"}


@pytest.mark.parametrize("name", ["a.parquet", "a.xlsx"])
def test_only_a_table_may_be_of_a_typed_format(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, ("label",), [("가",)])
    with pytest.raises(InputError) as caught:
        read_text(path)
    (fault,) = caught.value.faults
    assert fault.kind == "no text" and "Parquet" not in fault.allowed


def test_a_binary_file_names_every_format(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(InputError, match=r"Parquet file, or an Excel workbook \(.xlsx\)"):
        read_table(path)


def test_a_sheet_of_what_is_no_workbook_is_noted(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("id,label\n1,x\n", encoding="utf-8")
    assert read_table(path, "auto", "train").rows == read_table(path).rows
    assert capsys.readouterr().err.count("a.csv is no workbook, and has no sheet train") == 1
