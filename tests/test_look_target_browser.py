"""The pages about targets in a real browser: rows of any number of labels, and of one."""

import csv
import io
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from browser import chromium, logged, open_page, requested, require_browser, script, use_colors
from target_rows import LABELS, many, one_label, row, scored
from test_look_browser import CONTRAST, choose, each, listed, one, press, search, text, until

from relx.compare import compare

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

COUNT = 120


def write(folder, rows, pictures=False):
    from relx.look.page import render
    from relx.look.report.page import figures_of
    from relx.look.target.report import TEMPLATE, context, write_report

    page = folder / "report.html"
    figures = figures_of(rows, draws=20)
    if pictures:
        write_report(figures, page)
    else:
        html = render(TEMPLATE, {**context(figures), "pictures": {}})
        page.write_text(html, encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def rows():
    return many(COUNT)


@pytest.fixture(scope="module")
def page(rows, tmp_path_factory):
    require_browser()
    return write(tmp_path_factory.mktemp("page"), rows)


@pytest.fixture
def at(driver, page):
    """Opens the page of 120 rows at a view."""

    def opened(view="", size=(1400, 900)):
        open_page(driver, page, view, size)
        return driver

    return opened


@pytest.fixture
def shows(driver, tmp_path):
    """Opens a page of its own rows."""

    def opened(rows, view="", size=(1400, 900)):
        open_page(driver, write(tmp_path, rows), view, size)
        return driver

    return opened


def missing(rows):
    return rows.gold & ~rows.predicted


def surplus(rows):
    return rows.predicted & ~rows.gold


def ids(rows, mask):
    return {rows.examples[place].id for place in np.flatnonzero(mask)}


def tags(driver, selector):
    """What became of the labels that something shows, and what is read of each."""
    return script(
        driver,
        "return [...document.querySelectorAll(arguments[0] + ' .tag')]"
        ".map((tag) => [tag.className.replace('tag ', ''), tag.textContent])",
        selector,
    )


def test_the_page_loads_offline_asks_for_nothing_and_says_nothing(driver, tmp_path):
    page = write(tmp_path, many(30), pictures=True)
    open_page(driver, page)
    assert text(driver, "#count") == f"{len(listed(driver))} of 30 rows"
    for name in ("mistakes", "thresholds", "label-reliability"):
        assert (tmp_path / f"report_plots/{name}.svg").is_file()
    shown = {link.get_attribute("href").split("/")[-1] for link in each(driver, ".files a")}
    assert {"mistakes.csv", "thresholds.png", "label-reliability.svg"} <= shown
    assert requested(driver) == [page.as_uri()]
    assert logged(driver) == []


def test_the_worst_mistakes_come_first(at, rows):
    driver = at()
    wrong = (rows.gold != rows.predicted).any(axis=1)
    error = np.where(rows.gold != rows.predicted, abs(rows.gold - rows.probabilities), 0)
    error = np.rint(10_000 * error).max(axis=1)
    order = sorted(np.flatnonzero(wrong), key=lambda place: (-error[place], place))
    assert listed(driver) == [rows.examples[place].id for place in order]
    choose(driver, "sort", "As in")
    assert listed(driver) == [rows.examples[place].id for place in np.flatnonzero(wrong)]


KINDS = {
    "mistakes": lambda lacks, adds: lacks | adds,
    "missing": lambda lacks, adds: lacks & ~adds,
    "surplus": lambda lacks, adds: adds & ~lacks,
    "both": lambda lacks, adds: lacks & adds,
    "right": lambda lacks, adds: ~lacks & ~adds,
    "all": lambda lacks, adds: lacks | ~lacks,
}


def test_each_kind_of_row_is_counted_and_shown(at, rows):
    driver = at("kind=all")
    lacks, adds = missing(rows).any(axis=1), surplus(rows).any(axis=1)
    for kind, mask in KINDS.items():
        one(driver, f"#kinds input[value={kind}]").click()
        wanted = ids(rows, mask(lacks, adds))
        assert set(listed(driver)) == wanted != set(), kind
        assert text(driver, f"#kinds input[value={kind}] + span .count") == str(len(wanted))


FILTERS = {
    "gold": ("trust", lambda rows: rows.gold[:, 1]),
    "predicted": ("(none)", lambda rows: ~rows.predicted.any(axis=1)),
    "missing": ("joy", lambda rows: missing(rows)[:, 0]),
    "surplus": ("anger", lambda rows: surplus(rows)[:, 3]),
    "about": (
        "the whole",
        lambda rows: np.array([example.target is None for example in rows.examples]),
    ),
}


def test_each_filter_works_says_how_many_rows_it_shows_and_its_chip_takes_it_away(at, rows):
    driver = at("kind=all")
    for name, (shown, mask) in FILTERS.items():
        found = ids(rows, mask(rows))
        option = script(
            driver,
            "return [...document.getElementById(arguments[0]).options].map((o) => o.text)"
            ".find((text) => text.startsWith(arguments[1]))",
            f"filter-{name}",
            shown,
        )
        assert option.endswith(f"({len(found)})")
        choose(driver, name, shown)
        assert set(listed(driver)) == found != set()
        one(driver, f"[data-chip={name}]").click()
        assert len(listed(driver)) == COUNT


def test_search_finds_syllables_and_letters(at, rows):
    driver = at("kind=all")
    found = {example.id for example in rows.examples if "국밥" in example.sentence}
    for query in ("국밥", unicodedata.normalize("NFD", "국밥")):
        search(driver, query)
        assert until(lambda: set(listed(driver)) == found)


def test_back_and_forward_restore_filters_and_the_row(at, rows):
    driver = at()
    choose(driver, "missing", "joy")
    choose(driver, "about", "a target")
    wanted = listed(driver)
    each(driver, ".row")[0].click()
    row_ = text(driver, "#details h3")
    driver.back()
    driver.back()
    driver.back()
    assert until(lambda: not each(driver, "[data-chip]"))
    for _ in range(3):
        driver.forward()
    assert until(lambda: listed(driver) == wanted)
    assert text(driver, "#details h3") == row_
    assert "missing=joy" in script(driver, "return location.hash")


# -- the row -----------------------------------------------------------------------------------

MIXED = row("a", "😀 그 국밥은 맛있었다.", "국밥", frozenset({"joy", "trust"}))


def test_right_missing_and_surplus_labels_are_told_apart_by_sign_and_word(shows):
    rows = scored([MIXED], [[0, 1]], [[0.9, 0.1, 0.8, 0.1]])
    driver = shows(rows, "row=a")
    assert tags(driver, ".row") == [
        ["right", "✓ joy"],
        ["missing", "− missing trust"],
        ["surplus", "+ surplus fear"],
    ]
    assert tags(driver, ".pair .gold") == [["right", "✓ joy"], ["missing", "− missing trust"]]
    assert tags(driver, ".pair .predicted") == [["right", "✓ joy"], ["surplus", "+ surplus fear"]]
    assert text(driver, ".verdict") == "− Missing and + surplus"
    marks = script(
        driver, "return [...document.querySelectorAll('#sentence mark')].map((m) => m.textContent)"
    )
    assert marks == ["국밥"]
    shapes = script(
        driver,
        "return ['right', 'missing', 'surplus'].map((kind) =>"
        "getComputedStyle(document.querySelector(`.row .tag.${kind}`)).borderStyle)",
    )
    assert shapes == ["solid", "dashed", "solid"]


def test_probabilities_are_bars_with_the_cut_off_of_each_label(shows):
    rows = scored([MIXED], [[0, 1]], [[0.9, 0.1, 0.8, 0.25]])
    driver = shows(rows, "row=a")
    lines = [made.text.split("\n") for made in each(driver, ".shares li")]
    assert ["joyright", "90.00 %", "cut at 50.00 %"] in lines
    assert ["fearsurplus", "80.00 %", "cut at 60.00 %"] in lines
    assert ["anger", "25.00 %", "cut at 30.00 %"] in lines
    assert ["trustmissing", "10.00 %", "cut at 40.00 %"] in lines
    ticks = script(
        driver,
        "return [...document.querySelectorAll('.shares .bar')].map((bar) =>"
        "parseFloat(getComputedStyle(bar, '::after').left) / bar.clientWidth)",
    )
    assert ticks == pytest.approx([0.5, 0.6, 0.3, 0.4], abs=0.02)


def test_a_row_without_labels_and_target_says_so(shows):
    rows = scored([row("b", "별일 없었다."), MIXED], [[], [0, 1]], [[0.1] * 4, [0.9, 0.9, 0, 0]])
    driver = shows(rows, "kind=all&row=b")
    assert tags(driver, ".pair .gold") == [["none right", "✓ no label"]]
    assert text(driver, ".verdict") == "✓ Right"
    assert "the whole sentence" in text(driver, "#details .facts")
    assert not each(driver, "#sentence mark")


def test_rows_with_the_same_mistake_are_one_press_away(at, rows):
    driver = at("kind=missing")
    script(driver, "document.querySelector('.row').click()")
    button = one(driver, "#alike")
    label = LABELS.names.index(button.text.split(" in which ")[1].split(" is ")[0])
    button.click()
    assert set(listed(driver)) == ids(rows, missing(rows)[:, label])


# -- the matrix, the table, the file -----------------------------------------------------------


def test_a_cell_of_the_matrix_shows_exactly_its_rows(at, rows):
    driver = at("kind=right&q=nothing")
    lacks, adds = missing(rows), surplus(rows)
    cells = {
        "0-4": lacks[:, 0] & ~adds.any(axis=1),
        "4-3": adds[:, 3] & ~lacks.any(axis=1),
        "0-3": lacks[:, 0] & adds[:, 3],
    }
    for name, mask in cells.items():
        cell = one(driver, f"[data-cell='{name}']")
        assert cell.text == str(mask.sum()) != "0"
        script(driver, "arguments[0].scrollIntoView({ block: 'center' })", cell)
        cell.click()
        assert set(listed(driver)) == ids(rows, mask)
        assert one(driver, f"[data-cell='{name}']").get_attribute("aria-current") == "true"
    assert not each(driver, "[data-cell='4-4']")


def test_the_table_of_labels_sorts_and_shows_what_is_missing_and_surplus(at, rows):
    driver = at()
    script(driver, "document.querySelector('th[data-column=ece] button').click()")
    order = [made.get_attribute("data-class") for made in each(driver, "#class-table tbody tr")]
    eces = [rows.scores().classes[name].ece for name in LABELS.names]
    assert order == [str(i) for i in sorted(range(4), key=lambda i: -eces[i])]
    for kind, mask in (("missing", missing(rows)), ("surplus", surplus(rows))):
        press_ = "document.querySelector(arguments[0]).click()"
        script(driver, press_, f"tr[data-class='1'] button[data-filter={kind}]")
        assert set(listed(driver)) == ids(rows, mask[:, 1])


def test_the_rows_that_are_shown_come_as_a_file(driver, shows, tmp_path):
    rows = scored([MIXED], [[0, 1]], [[0.9, 0.1, 0.8, 0.25]])
    shows(rows)
    folder = tmp_path / "saved"
    save = {"behavior": "allow", "downloadPath": str(folder)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", save)
    one(driver, "#download").click()
    file = folder / "rows.csv"
    assert until(file.is_file)
    [saved] = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""))
    assert (saved["target"], saved["gold"], saved["predicted"]) == ("국밥", "joy|trust", "joy|fear")
    assert (saved["missing"], saved["surplus"], saved["about"]) == ("trust", "fear", "a target")
    assert float(saved["p(fear)"]) == 0.8


# -- one label in a row ------------------------------------------------------------------------


def test_rows_of_one_label_are_shown_as_relations_are(shows):
    rows = one_label()
    driver = shows(rows)
    wrong = rows.gold != rows.predicted
    assert set(listed(driver)) == ids(rows, wrong)
    cell = next(made for made in each(driver, "#matrix .wrong button"))
    gold, said = map(int, cell.get_attribute("data-cell").split("-"))
    script(driver, "arguments[0].click()", cell)
    assert set(listed(driver)) == ids(rows, (rows.gold == gold) & (rows.predicted == said))
    press(driver, "j", "\ue007")
    assert text(driver, ".pair .gold dd") == LABELS.names[gold]
    assert not each(driver, ".cut") and not each(driver, ".tag")
    choose(driver, "about", "the whole")
    assert logged(driver) == []


# -- for everyone ------------------------------------------------------------------------------

SPOKEN = (
    "h1", ".lead", ".scores .value", ".scores .note", ".facts dt", ".field > span", "#count",
    ".chip", ".row .tag.right", ".row .tag.missing", ".row .tag.surplus", ".row mark", ".row .text",
    ".row[aria-selected=true] .tag.surplus", ".row[aria-selected=true] .tag.missing",
    ".verdict", ".pair .tag.right", ".pair .tag.missing", ".pair .tag.surplus", ".shares .label",
    ".shares em", ".shares .percent", ".shares .cut", "#sentence mark", "#alike", "#link",
    "#matrix td.wrong button", "#matrix th button", ".classes td", ".classes tbody button",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_what_is_behind_them(shows, scheme):
    twice = [MIXED, replace(MIXED, id="b")]
    shares = [[0.9, 0.1, 0.8, 0.1], [0.9, 0.1, 0.7, 0.1]]
    driver = shows(scored(twice, [[0, 1]] * 2, shares), "kind=all&min=1&q=국밥&row=a")
    use_colors(driver, scheme)
    measured = dict(script(driver, CONTRAST, list(SPOKEN)))
    assert {name: ratio for name, ratio in measured.items() if ratio is None or ratio < 4.5} == {}


def test_360_pixels_are_enough(at):
    driver = at("", (360, 700))
    assert script(driver, "return document.documentElement.scrollWidth") <= 360
    script(driver, "document.querySelector('#browser').scrollIntoView()")
    each(driver, ".row")[1].click()
    parts = "return [...document.querySelectorAll('#details *')].filter((made) =>"
    parts += " made.getBoundingClientRect().right > 360).length"
    assert script(driver, parts) == 0
    driver.back()
    assert until(lambda: not one(driver, "#details").is_displayed())


def test_tables_and_ids_are_in_order(at):
    driver = at()
    assert not each(driver, "main table th:not([scope])")
    assert not each(driver, "main table:not(:has(caption))")
    doubled = script(
        driver,
        "const ids = [...document.querySelectorAll('[id]:not(svg [id])')].map((made) => made.id);"
        "return ids.filter((id, at) => ids.indexOf(id) !== at)",
    )
    assert doubled == []


# -- the comparison ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(rows, tmp_path_factory):
    from relx.look.target.compare import write_comparison

    other = many(COUNT, seed=1, name="b")
    answers = replace(many(COUNT, seed=2, name="answers.jsonl"), probabilities=None)
    out = tmp_path_factory.mktemp("compare") / "compare.html"
    result = compare([rows, other, answers], draws=20)
    write_comparison(result, out)
    return out, result


def shown_ids(driver):
    return script(
        driver, "return [...document.querySelectorAll('#list li')].map((r) => r.dataset.id)"
    )


def set_field(driver, field, value):
    words = "const f = document.getElementById(arguments[0]); f.value = arguments[1];"
    script(driver, f"{words} f.dispatchEvent(new Event('change'));", field, value)


def test_the_rows_whose_labels_changed_are_filtered_by_label(driver, compared):
    out, result = compared
    open_page(driver, out)
    counted = int(text(driver, "#count").split()[0])
    assert counted == sum(result.others[0].changed().values())
    set_field(driver, "with", "1")
    set_field(driver, "label", "2")
    set_field(driver, "kind", "broken")
    other = result.others[1]
    moved = result.reference.predicted[:, 2] != other.rows.predicted[:, 2]
    wanted = ids(result.reference, moved & (other.kinds == 1))
    assert set(shown_ids(driver)) == wanted != set()
    driver.back()
    assert int(text(driver, "#count").split()[0]) == (moved & (other.kinds >= 0)).sum()
    set_field(driver, "label", "")
    set_field(driver, "gold", "4")
    without = ~result.reference.gold.any(axis=1) & (other.kinds >= 0)
    assert int(text(driver, "#count").split()[0]) == without.sum() > 0
    assert logged(driver) == []
    assert requested(driver) == [out.as_uri()]


def test_answers_without_probabilities_are_shown_without(driver, compared):
    out, _ = compared
    open_page(driver, out)
    assert "answers.jsonl holds labels and no probabilities" in text(driver, "#without")
    sides = script(
        driver,
        "return [...document.querySelectorAll('#list li dl')].map((dl) =>"
        "[...dl.querySelectorAll('dd')].slice(1).map((dd) => dd.textContent))",
    )
    assert any("%" in side[0] for side in sides)
    assert not any("%" in side[2] for side in sides)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_of_the_comparison_stand_out(driver, compared, scheme):
    out, _ = compared
    open_page(driver, out, size=(360, 800))
    use_colors(driver, scheme)
    assert script(driver, "return document.documentElement.scrollWidth") <= 360
    spoken = (
        ".list .tag.right",
        ".list .tag.missing",
        ".list .tag.surplus",
        ".list mark",
        "td",
        "#without",
    )
    measured = dict(script(driver, CONTRAST, list(spoken)))
    assert {name: ratio for name, ratio in measured.items() if ratio is None or ratio < 4.5} == {}
