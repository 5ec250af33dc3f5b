"""Raw rows: a line ends where Python's own text files end it."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from relx.data.table import _LINE, read_table

TEXTS = st.text(st.sampled_from('a가"\n\r\x85\u2028\x0c, 😀'), max_size=30)


@given(TEXTS)
def test_lines_are_those_of_a_text_file(text):
    assert _LINE.findall(text) == list(io.StringIO(text, newline=""))


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
