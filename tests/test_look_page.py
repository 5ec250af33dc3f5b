import json
import re
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.faults import InputError
from relx.look import page
from relx.look.plots import Plot, new_figure

TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(TEXTS)
def test_embedded_data_reads_back_and_cannot_end_its_script(value):
    text = str(page.embedded(value))
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        page.embedded(float("nan"))


def test_what_a_template_shows_is_escaped():
    made = page.environment().from_string("{{ text }}")
    assert made.render(text="<b>&") == "&lt;b&gt;&amp;"


def test_a_name_that_a_template_misses_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        page.environment().from_string("{{ absent }}").render()


def test_the_base_page_stands_alone():
    html = page.render("base.html", {"title": "관계 <1>"})
    assert "<title>관계 &lt;1&gt;</title>" in html
    assert "relx letters'; src: url(data:font/woff;base64," in html
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]{1,20})""", html)
    assert all(a.startswith(("#", "data:")) for pair in addresses for a in pair if a)


def test_a_place_where_no_file_can_be_made_is_refused():
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    with pytest.raises(InputError, match="no file or folder can be made here"):
        page.require_place(Path("/proc/page.html"))


def test_a_page_and_its_plots_lie_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "render", lambda template, context: context["pictures"]["x"].folder)
    figure, _ = new_figure(2, 1)
    out = tmp_path / "deep" / "eda.html"
    page.write_page(out, "base.html", [Plot("x", "X", figure, ("a",), [(1,)])], {}, {"rows": 1})
    assert out.read_text() == "eda_plots"
    assert (tmp_path / "deep/eda_plots/x.png").exists()
