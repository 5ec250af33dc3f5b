"""Texts and tables of files that are never held as a whole."""

import csv
import json
import os
import threading
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relx.data.formats import file_bytes, text_blocks
from relx.data.formats.file_bytes import FileBytes
from relx.data.formats.text_blocks import TextFile
from relx.data.table import open_table, read_table
from relx.faults import InputError

TEXT = st.text(st.sampled_from("a가😀\r\n,\"'{[ "), min_size=1, max_size=30)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three bytes, so that they end within characters, lines and cells."""
    monkeypatch.setattr(file_bytes, "BLOCK", 3)
    monkeypatch.setattr(file_bytes, "HELD", 0)
    monkeypatch.setattr(text_blocks, "BLOCK", 3)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT.filter(str.strip), mark=st.booleans())
def test_a_text_is_what_its_blocks_are_together(tmp_path, small_blocks, text, mark):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("utf-8-sig" if mark else "utf-8"))
    file = TextFile(FileBytes(path), "auto", "a text")
    assert file.whole() == "".join(file.blocks()) == text
    assert "".join(file.lines()) == "".join(file.json_lines()) == text
    assert file.first() == text.strip()[0]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_rows_are_the_same_whatever_the_blocks(tmp_path, small_blocks, monkeypatch, name):
    rows = [{"id": str(i), "문장": f'가람"은\n{i}, "나루'} for i in range(20)]
    path = tmp_path / name
    if name == "a.csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, ["id", "문장"])
            writer.writeheader()
            writer.writerows(rows)
    elif name == "a.json":
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_table(path)
    assert [row.cells for row in found.rows] == rows and found.columns == ("id", "문장")
    monkeypatch.undo()
    assert read_table(path).rows == found.rows


def test_columns_of_json_are_those_of_all_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n' * 3000 + '{"id": 2, "label": "x"}\n', encoding="utf-8")
    assert open_table(path).columns == ("id", "label")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a" * 10 + b"\0", "this file is binary"),
        (b" \n" * 10, "the file is empty"),
        ("가".encode() * 4 + b"\xff\xfe" * 4, "this byte is not UTF-8 or cp949"),
        ("가".encode() * 4 + b"\xea", "this byte is not UTF-8 or cp949"),
    ],
)
def test_what_a_late_block_shows_is_said_of_the_file(tmp_path, small_blocks, data, what):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(InputError) as caught:
        open_table(tmp_path / "a.csv")
    assert caught.value.faults[0].what == what


@pytest.mark.parametrize("change", ["cut", "longer", "no UTF-8", "another"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, small_blocks, change):
    path = tmp_path / "a.csv"
    data = b"id,label\n" + b"".join(b"%d,abc\n" % i for i in range(200))
    path.write_bytes(data)
    rows = open_table(path).rows
    next(rows)
    os.utime(path, (0, 0))  # so that the clock's ticks do not matter
    cut = data[: len(data) // 2]
    later = {"cut": cut, "longer": data + b"1,x\n", "no UTF-8": cut + b"\xff" * 9 + cut[9:]}
    path.write_bytes(later.get(change, data.replace(b"abc", b"abd")))
    with pytest.raises(InputError, match="was changed while it was read"):
        list(rows)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("text", ["id,label\n1,x\n2,y\n", '[{"id": "1"}, {"id": "2"}]'])
def test_a_pipe_is_read_once(tmp_path, text):
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    assert [row.cells["id"] for row in read_table(pipe).rows] == ["1", "2"]
    writer.join()


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl"])
def test_a_large_file_takes_no_memory_of_its_size(tmp_path, name):
    path, cell = tmp_path / name, "가람은 나루의 대표이다." * 20
    with path.open("w", encoding="utf-8") as stream:
        stream.write("id,sentence\n" if name == "a.csv" else "[" if name == "a.json" else "")
        for i in range(40_000):
            row = json.dumps({"id": i, "sentence": cell}, ensure_ascii=False)
            before = ",\n" if name == "a.json" and i else ""
            stream.write(f"{i},{cell}\n" if name == "a.csv" else f"{before}{row}\n")
        stream.write("]" if name == "a.json" else "")
    assert path.stat().st_size > 24e6
    tracemalloc.start()
    try:
        assert sum(1 for _ in open_table(path).rows) == 40_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 14e6  # bytes; some blocks of a million characters, and their lines
