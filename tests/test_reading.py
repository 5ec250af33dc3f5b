"""A file of little but faults: what is kept of it, and that nothing is left out unsaid."""

import pytest
from relation_rows import scanned

from relx.data.rows.reading import require_good
from relx.data.table import MOST_BAD_ROWS
from relx.faults import InputError
from relx.recipe import DataSection
from relx_cli.main import run

HEADER = "id,sentence,subject_entity,object_entity,label\n"


def file_of(folder, bad, good=0):
    """A file with good rows at its end."""
    entity = '"{""word"": ""가람"", ""start_idx"": 0, ""end_idx"": 1, ""type"": ""PER""}"'
    rows = [f"{i},가람은 산다,{entity},{entity},no_relation\n" for i in range(good)]
    path = folder / "rows.csv"
    path.write_text(HEADER + ",,,,\n" * bad + "".join(rows), encoding="utf-8")
    return path


def test_a_file_of_bad_rows_is_not_read_to_its_end(tmp_path, capsys):
    path = file_of(tmp_path, 3 * MOST_BAD_ROWS)
    reading = scanned(path, DataSection(), None)
    assert len(reading.bad_rows) == MOST_BAD_ROWS and reading.rows == 3 * MOST_BAD_ROWS
    assert reading.faults[-1].kind == "too many faults"
    assert "20,000 rows left" in reading.faults[-1].received
    assert run(["validate", "--data", str(path)]) == 2
    assert "too many faults" in capsys.readouterr().out


def test_what_was_not_looked_at_is_not_left_out(tmp_path):
    path = file_of(tmp_path, 2 * MOST_BAD_ROWS, 10)
    reading = scanned(path, DataSection(), None)
    reading.examples = [None]
    with pytest.raises(InputError):
        require_good(reading, str(tmp_path / "bad.csv"))
    assert not list(tmp_path.glob("bad*"))
    words = ["validate", "--data", str(path), "--skip-bad-rows", str(tmp_path / "bad.csv")]
    assert run(words) == 2


def test_many_bad_rows_among_more_good_ones_are_all_found(tmp_path):
    path = tmp_path / "rows.csv"
    file_of(tmp_path, 0, 12)
    header, *good = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [row.replace(row.split(",")[0], str(i), 1) for i in range(2000) for row in good]
    rows = [f"{i}{row[row.index(',') :]}" for i, row in enumerate(rows)]
    path.write_text(header + "".join(rows) + ",,,,\n" * 10_500, encoding="utf-8")
    reading = scanned(path, DataSection(), None)
    assert len(reading.bad_rows) == 10_500 and reading.stopped is None
    assert len(require_good(reading, str(tmp_path / "bad.csv"))) == 24_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", HEADER + '"\n' * 300_000),
        ("b.csv", HEADER + 'a"b","\n' * 300_000),
        ("c.jsonl", '{"id": 1, "sent\n' * 300_000),
        ("d.jsonl", '{"id": 1}\n' + "[1]\n" * 300_000),
    ],
)
def test_a_file_of_broken_rows_is_not_kept(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        scanned(tmp_path / name, DataSection(), None)
    faults = caught.value.faults
    assert len(faults) == 21 and "most rows of this file are broken" in faults[-1].what
    assert all(str(tmp_path / name) in fault.where for fault in faults)


def test_lines_that_are_all_cut_off_are_no_missing_column(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "sent\n{"id": 2, "s\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        scanned(tmp_path / "a.jsonl", DataSection(), None)
    assert [fault.what for fault in caught.value.faults] == ["this is not JSON"] * 2
    assert "Unterminated string" in caught.value.faults[0].received
