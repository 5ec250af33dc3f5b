"""Files of another make: read where their form is plain, else named, with the way out."""

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle

import numpy as np
import pandas as pd
import pytest

from relx.data.table import read_table
from relx.faults import InputError
from relx_cli.main import run

ROWS = [
    {"id": "0", "sentence": "가람은 나루에 산다", "label": "no_relation"},
    {"id": "1", "sentence": 'a, "b"; c\td|e', "label": "per:spouse"},
    {"id": "2", "sentence": "줄\n바꿈", "label": "no_relation"},
]


def cells(path):
    return [row.cells for row in read_table(path).rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_separator_is_read(delimiter, tmp_path, capsys):
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    (tmp_path / "a.csv").write_text(stream.getvalue(), encoding="utf-8", newline="")
    assert cells(tmp_path / "a.csv") == ROWS
    assert ("between its cells" in capsys.readouterr().err) is (delimiter != ",")


def test_a_semicolon_in_a_header_with_commas_separates_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("id,a;b;c;d\n1,2\n", encoding="utf-8")
    assert cells(tmp_path / "a.csv") == [{"id": "1", "a;b;c;d": "2"}]


@pytest.mark.parametrize("mark", [";", ",", "\t", "|", "~"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_that_tells_excel_the_separator_is_no_header(mark, end, tmp_path):
    lines = [f"sep={mark}", "", mark.join(["id", "sentence"]), mark.join(["1", "a b"])]
    (tmp_path / "a.csv").write_bytes(end.join(lines).encode("utf-8-sig"))
    table = read_table(tmp_path / "a.csv")
    assert table.columns == ("id", "sentence")
    assert [(row.line, row.cells) for row in table.rows] == [(4, {"id": "1", "sentence": "a b"})]


@pytest.mark.parametrize("text", [",,\n, ,\n", "sep=;\n;;\n", '""\n'])
def test_blank_cells_are_no_header(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match="no header"):
        read_table(tmp_path / "a.csv")


@pytest.mark.parametrize("header", [" id, sentence ,label", "\ufeff\ufeffid,sentence,label"])
def test_blanks_and_marks_around_a_columns_name_are_no_part_of_it(header, tmp_path):
    (tmp_path / "a.csv").write_text(f"{header}\n1,a,b\n", encoding="utf-8")
    assert read_table(tmp_path / "a.csv").columns == ("id", "sentence", "label")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read_by_its_mark(encoding, tmp_path, capsys):
    text = json.dumps(ROWS, ensure_ascii=False)
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / "a.json").write_bytes((mark + text).encode(encoding))
    assert cells(tmp_path / "a.json") == ROWS
    assert "UTF-16" in capsys.readouterr().err


def test_utf16_that_breaks_off_is_a_fault(tmp_path):
    (tmp_path / "a.json").write_bytes("id,가".encode("utf-16")[:-1])
    with pytest.raises(InputError, match="UTF-16"):
        read_table(tmp_path / "a.json")


FRAME = pd.DataFrame(ROWS)


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
@pytest.mark.parametrize("indent", [None, 2])
def test_what_pandas_writes_is_read(orient, indent, tmp_path):
    FRAME.to_json(tmp_path / "a.json", orient=orient, indent=indent, force_ascii=False)
    found = [{name: row[name] for name in ROWS[0]} for row in cells(tmp_path / "a.json")]
    assert found == ROWS


@pytest.mark.parametrize("key", ["data", "rows", "train"])
def test_a_list_under_a_key_is_read(key, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"version": "1.0", key: ROWS}))
    assert cells(tmp_path / "a.json") == ROWS


def test_one_row_that_holds_lists_and_mappings_is_a_row(tmp_path):
    row = {"id": "0", "input": {"form": "가"}, "output": {"joy": "True"}, "parts": [{"a": 1}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert cells(tmp_path / "a.jsonl") == [row]


@pytest.mark.parametrize(
    "value", [{"a": 1}, {"train": ROWS, "dev": ROWS}, {"a": {"b": 1}, "c": {"d": 1}}, {"data": [1]}]
)
def test_an_object_of_something_else_is_a_short_fault(value, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(value, indent=1))
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "a.json")
    assert caught.value.faults[0].kind == "no rows"


def test_a_large_object_is_not_printed_whole(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps({"guid": {str(i): i for i in range(30_000)}}))
    assert run(["validate", "--data", str(tmp_path / "a.json")]) == 2
    found = capsys.readouterr()
    assert len(found.out + found.err) < 3000


TEXT = json.dumps(ROWS).encode()


def arrow(frame):
    stream = io.BytesIO()
    frame.to_feather(stream)
    return stream.getvalue()


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


OTHERS = {
    "gunzip -k": gzip.compress(TEXT),
    "bunzip2 -k": bz2.compress(TEXT),
    "unxz -k": lzma.compress(TEXT),
    "to_parquet": arrow(FRAME),
    "to_csv": pickle.dumps(FRAME),
    "as CSV or JSON Lines": saved(np.arange(3)),
    "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    "a login": b"\n<!DOCTYPE HTML><html>sign in</html>",
}


@pytest.mark.parametrize("step", OTHERS)
def test_what_is_not_opened_is_named_with_the_way_out(step, tmp_path):
    path = tmp_path / "my data.csv"
    path.write_bytes(OTHERS[step])
    with pytest.raises(InputError) as caught:
        read_table(path)
    (fault,) = caught.value.faults
    assert step in fault.next_step and fault.kind == "another format"
    if "-k" in step:
        assert f"'{path}'" in fault.next_step


@pytest.mark.parametrize("name", ["BZH", "bzh9", "rar!", "arrow1"])
def test_a_column_that_is_named_like_a_container_is_a_column(name, tmp_path):
    (tmp_path / "a.csv").write_text(f"{name},id\n1,2\n", encoding="utf-8")
    assert cells(tmp_path / "a.csv") == [{name: "1", "id": "2"}]


def test_a_comma_in_a_header_of_tabs_separates_nothing(tmp_path):
    (tmp_path / "a.tsv").write_text("id\tsentence, raw; all\tlabel\n1\ta, b\tc\n", encoding="utf-8")
    assert cells(tmp_path / "a.tsv") == [{"id": "1", "sentence, raw; all": "a, b", "label": "c"}]


UNQUOTED = 'id\tdocument\tlabel\n1\t"\t0\n2\tgreat film\t1\n3\t"\t0\n4\t"good" film\t1\n'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_of_a_file_with_tabs_that_quotes_nothing_are_letters(end, tmp_path):
    (tmp_path / "a.tsv").write_text(UNQUOTED.replace("\n", end), encoding="utf-8", newline="")
    assert [row["document"] for row in cells(tmp_path / "a.tsv")] == [
        *('"', "great film", '"', '"good" film')
    ]


def test_blank_lines_before_a_header_are_passed_over(tmp_path):
    (tmp_path / "a.csv").write_text("\n  \n,\nid,label\n1,2\n", encoding="utf-8")
    assert cells(tmp_path / "a.csv") == [{"id": "1", "label": "2"}]
