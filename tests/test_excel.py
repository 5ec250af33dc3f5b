"""Excel workbooks: the sheet's own rows, typed cells, and what only looks like a workbook."""

import datetime
import re
import sys
import zipfile

import openpyxl
import pandas as pd
import pytest

from relx.data.formats import excel
from relx.data.formats.cells import NoText
from relx.data.table import read_table
from relx.faults import InputError

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def written(path, *rows, title="Sheet"):
    """A workbook of one sheet; a row is a list of cells."""
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def rows_of(path, sheet=None):
    return [(row.line, list(row.cells.values())) for row in read_table(path, "auto", sheet).rows]


def cells_of(tmp_path, *values):
    """What is read of a row with these cells."""
    header = [f"column {i}" for i in range(len(values))]
    ((number, cells),) = rows_of(written(tmp_path / "a.xlsx", header, list(values)))
    assert number == 2
    return cells


def changed(path, member, pattern, replacement):
    """Rewrites one member of a workbook."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    before = members[member].decode()
    members[member] = re.sub(pattern, replacement, before).encode()
    assert members[member].decode() != before
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def fault(path, sheet=None):
    with pytest.raises(InputError) as caught:
        read_table(path, "auto", sheet)
    (found,) = caught.value.faults
    assert found.where == str(path)
    return found


# --- cells


def test_typed_cells_are_what_text_would_be(tmp_path):
    found = cells_of(tmp_path, 1.0, 7, 0.5, True, " 가\n나", "1.0", None, "end")
    assert found == [1, 7, 0.5, True, " 가\n나", "1.0", "", "end"]
    assert [type(value) for value in found[:4]] == [int, int, float, bool]


def test_dates_times_and_errors_are_told_apart(tmp_path):
    values = [datetime.date(2024, 1, 2), datetime.time(3, 4), "#N/A"]
    found = cells_of(tmp_path, *values)
    assert all(isinstance(value, NoText) for value in found)
    assert list(map(repr, found)) == [
        "a date: 2024-01-02 00:00:00",
        "a time: 03:04:00",
        "an error of Excel: #N/A",
    ]


def test_numbers_that_are_shown_with_zeros_in_front_keep_them(tmp_path):
    path = written(tmp_path / "a.xlsx", ["id", "n"], [7, 7])
    book = openpyxl.load_workbook(path)
    book.active["A2"].number_format = "000"
    book.active["B2"].number_format = "0"
    book.save(path)
    ((_, cells),) = rows_of(path)
    assert [str(value) for value in cells] == ["007", "7"]


def test_a_carriage_return_is_read_as_excel_writes_it(tmp_path):
    assert cells_of(tmp_path, "한 줄_x000D_\n둘째_x0041_") == ["한 줄\r\n둘째_x0041_"]


def test_a_text_that_excel_has_cut_off_is_no_text(tmp_path):
    whole, cut, wide = cells_of(tmp_path, "가" * 32_766, "가" * 40_000, "😀" * 16_384)
    assert whole == "가" * 32_766
    assert isinstance(cut, NoText) and "32,767" in cut.kind and isinstance(wide, NoText)


def test_a_formula_is_its_stored_result(tmp_path):
    path = written(tmp_path / "a.xlsx", ["a", "b", "c"], ["=1+1", '=""', "=1+2"])
    member = "xl/worksheets/sheet1.xml"
    changed(path, member, r"(<f>1\+1</f>)<v ?/>|(<f>1\+1</f>)<v></v>", r"<f>1+1</f><v>2</v>")
    changed(path, member, r'<c r="B2"', '<c r="B2" t="str"')
    ((_, (two, empty, never)),) = rows_of(path)
    assert (two, empty) == (2, "")
    assert repr(never) == "a formula that was never computed: =1+2"


# --- rows


def test_rows_have_the_sheets_numbers_and_blank_ones_are_none(tmp_path):
    rows = [[], ["id", "label"], ["1", "a"], [], [None, None, "a note"], ["2", None], [""]]
    table = read_table(written(tmp_path / "a.xlsx", *rows, title="자료"))
    assert table.columns == ("id", "label") and table.sheet == "자료"
    assert [(row.line, row.cells) for row in table.rows] == [
        (3, {"id": "1", "label": "a"}),
        (6, {"id": "2", "label": ""}),
    ]
    assert table.name == f"{tmp_path / 'a.xlsx'} (sheet 자료)"


def test_rows_beyond_a_wrong_size_are_read(tmp_path):
    path = written(tmp_path / "a.xlsx", ["id", "label"], *([str(i), "a"] for i in range(9)))
    changed(path, "xl/worksheets/sheet1.xml", '<dimension ref="[^"]*"', '<dimension ref="A1"')
    assert len(rows_of(path)) == 9


def test_an_empty_sheet_has_no_rows(tmp_path):
    table = read_table(written(tmp_path / "a.xlsx"))
    assert table.columns == () and table.rows == []


# --- sheets


@pytest.fixture
def three_sheets(tmp_path):
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as writer:
        for name in ("train", "dev", "note"):
            pd.DataFrame({"id": [name]}).to_excel(writer, sheet_name=name, index=False)
    return path


def test_the_first_of_several_sheets_is_read_and_said(three_sheets, capsys):
    assert rows_of(three_sheets) == [(2, ["train"])]
    said = capsys.readouterr().err
    assert "3 sheets; the first, train, is read, not dev, note" in said


def test_a_named_sheet_is_read_and_nothing_said(three_sheets, capsys):
    assert rows_of(three_sheets, "dev") == [(2, ["dev"])]
    assert capsys.readouterr().err == ""


def test_one_sheet_needs_no_words(tmp_path, capsys):
    rows_of(written(tmp_path / "a.xlsx", ["id"], ["7"]))
    assert capsys.readouterr().err == ""


def test_an_unknown_sheet_is_a_fault_that_lists_them(three_sheets):
    found = fault(three_sheets, "trian")
    assert found.kind == "no such sheet" and found.received == "trian"
    assert found.allowed == "one of train, dev, note" and found.next_step == "did you mean train?"
    assert fault(three_sheets, "x").next_step == "set data.sheet, or null for the first sheet"


def test_a_workbook_of_one_sheet_is_read_whatever_its_name(tmp_path, capsys):
    path = written(tmp_path / "a.xlsx", ["id"], ["7"])
    assert rows_of(path, "train") == rows_of(path)
    assert "a.xlsx has no sheet train; its only one" in capsys.readouterr().err


def test_a_workbook_without_a_sheet_that_can_be_read_is_one_fault(tmp_path):
    path = written(tmp_path / "a.xlsx", ["id"], ["7"])
    changed(path, "xl/workbook.xml", "<sheet .*?/>", "")
    assert fault(path).kind == "broken file"


# --- other files


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (OLE + "Workbook".encode("utf-16-le"), "before 2007 (.xls)"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (OLE, "no workbook that relx reads"),
        (b"PK\3\4 and nothing more", "cannot be read"),
        (b"PK\5\6" + bytes(18), "an archive, not a data file"),
    ],
)
def test_what_is_no_workbook_is_one_fault(tmp_path, content, what):
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    found = fault(path)
    assert what in found.what and found.next_step and "\n" not in found.received


@pytest.mark.parametrize(
    ("member", "what"),
    [
        ("xl/workbook.bin", "binary workbook (.xlsb)"),
        ("content.xml", "OpenDocument (.ods)"),
        ("train.csv", "an archive, not a data file"),
        ("xl/workbook.xml", "cannot be read"),
    ],
)
def test_other_archives_are_one_fault(tmp_path, member, what):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype" if member == "content.xml" else "a", b"")
        archive.writestr(member, b"id,sentence\n")
    assert what in fault(path).what


@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_workbook_that_is_cut_off_is_one_fault(tmp_path, part):
    path = written(tmp_path / "a.xlsx", ["id"], *([str(i)] for i in range(50)))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert fault(path).kind == "broken file"


def test_damaged_xml_is_one_fault(tmp_path):
    path = written(tmp_path / "a.xlsx", ["id"], ["7"])
    changed(path, "xl/worksheets/sheet1.xml", "</row>", "<row>")
    assert fault(path).kind == "broken file"


def test_a_workbook_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    path = written(tmp_path / "a.xlsx", ["id"], *([i] for i in range(3000)))
    monkeypatch.setattr(excel, "MOST_BYTES", 100_000)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert fault(path).kind == "too large"


def test_a_row_number_beyond_the_formats_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "a.xlsx", ["id"], ["7"])
    changed(path, "xl/worksheets/sheet1.xml", 'r="(A?)2"', r'r="\g<1>900000000"')
    monkeypatch.setattr(excel, "_MOST_ROWS", 1000)
    assert fault(path).kind == "too large"


def test_without_openpyxl_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    path = written(tmp_path / "a.xlsx", ["id"], ["7"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    found = fault(path)
    assert "openpyxl" in found.what and "pip install 'relx[tables]'" in found.next_step
