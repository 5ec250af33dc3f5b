import csv
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from relx.look.cells import cell
from relx.look.page import pictures
from relx.look.plots import Plot, new_figure, plots_folder, write_plots

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "  =HYPERLINK(0)", "- 가람은"]
TEXTS = ["-1", "+1.5e-3", "-12,345.6", "- ", "가람", "a=b", "", "-5 %"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [*(text for text in TEXTS if text != "- "), -1, 2.5, None])
def test_numbers_and_other_texts_stay(value):
    assert cell(value) == value


def test_the_numbers_of_a_plot_hold_no_formula(tmp_path):
    plot = Plot("words", "t", new_figure()[0], ("=word", "rows"), [("@x", 3), ("가", -1)])
    write_plots(tmp_path / "plots", [plot])
    with (tmp_path / "plots" / "words.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["'=word", "rows"], ["'@x", "3"], ["가", "-1"]]


@pytest.mark.parametrize("name", ["run#2 50%25.html", "a?b.html", "가 나.html", "x:y.html"])
def test_the_links_of_a_page_lead_to_its_plots(tmp_path, name):
    page = tmp_path / name
    plot = Plot("words", "t", new_figure()[0], ("a",), [(1,)])
    write_plots(plots_folder(page), [plot])
    parts = urlsplit(f"{pictures([plot], page)['words'].folder}/words.png")
    assert not (parts.scheme or parts.query or parts.fragment)
    assert (page.parent / Path(unquote(parts.path))).is_file()
