"""The report's page in a real browser: what people do with it, and that it shows what is."""

import csv
import io
import time
import unicodedata
from collections import Counter
from urllib.parse import urlencode

import numpy as np
import pytest
from browser import chromium, logged, open_page, requested, require_browser, script, use_colors

from relx.data.labels import LabelList
from relx.score import ScoredRows
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

LABELS = LabelList(
    ("no_relation", "org:members", "org:founded", "per:title", "per:spouse"), "no_relation"
)
PLACES = ("서울", "부산", "속초", "Jeju")


def entity(sentence, word, type_="PER", start=None):
    at = sentence.index(word) if start is None else start
    return Entity(word, Span(at, at + len(word)), type_)


def example(id_, sentence, subject, object_, source="wiki"):
    return Example(
        id_, sentence, entity(sentence, *subject), entity(sentence, *object_), None, source
    )


def scored(examples, gold, predicted, confidence, labels=LABELS):
    """Rows whose predicted class has `confidence`, and whose other classes share the rest."""
    gold, predicted = np.array(gold), np.array(predicted)
    confidence = np.array(confidence)
    rest = (1 - confidence) / (len(labels) - 1)
    probabilities = np.repeat(rest[:, None], len(labels), axis=1)
    probabilities[np.arange(len(gold)), predicted] = confidence
    return ScoredRows("made", "gold.csv", tuple(examples), labels, gold, predicted, probabilities)


def many(count, seed=0, labels=LABELS):
    """Rows of every kind: five sentences in all types, sources, labels and confidences."""
    draw = np.random.default_rng(seed)
    examples = []
    for row in range(count):
        place = PLACES[draw.integers(len(PLACES))]
        name = f"사람{row}"
        sentence = f"{name}은 {place}에서 회사를 세우고 다음 해에 그 일을 그만두었다."
        subject = (name, ("PER", "ORG")[draw.integers(2)])
        object_ = (place, ("LOC", "ORG", "DAT")[draw.integers(3)])
        source = ("wikipedia", "wikitree", "policy")[draw.integers(3)]
        examples.append(example(f"r{row}", sentence, subject, object_, source))
    gold = draw.integers(len(labels), size=count)
    wrong = draw.integers(len(labels), size=count)
    predicted = np.where(draw.random(count) < 0.5, gold, wrong)
    confidence = np.round(draw.uniform(0.3, 0.999, count), 4)
    return scored(examples, gold, predicted, confidence, labels)


def write(folder, rows, pictures=False):
    from relx.look.page import render
    from relx.look.relation.report import context, write_report
    from relx.look.report.page import figures_of

    page = folder / "report.html"
    figures = figures_of(rows, draws=20)
    if pictures:
        write_report(figures, page)
    else:
        html = render("relation/report.html", {**context(figures), "pictures": {}})
        page.write_text(html, encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def rows():
    return many(160)


@pytest.fixture(scope="module")
def page(rows, tmp_path_factory):
    require_browser()
    return write(tmp_path_factory.mktemp("page"), rows)


@pytest.fixture
def at(driver, page):
    """Opens the page of 160 rows at a view."""

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


# -- what is seen ------------------------------------------------------------------------------


def one(driver, selector):
    return driver.find_element("css selector", selector)


def each(driver, selector):
    return driver.find_elements("css selector", selector)


def text(driver, selector):
    return script(driver, "return document.querySelector(arguments[0]).textContent", selector)


def until(condition, seconds=5.0):
    """Waits for what a page does in its own time; returns what was found at last."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def listed(driver):
    """The ids of all rows that the filters let through, in order."""
    return script(
        driver,
        "const { browser, rows } = relxReport;"
        "return Array.from(browser.hits, (row) => rows.id[row])",
    )


def seen(driver):
    """The ids of the rows that stand in the page, from the top down."""
    return script(
        driver,
        "return [...document.querySelectorAll('.row:not([hidden])')]"
        ".sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map((row) => row.dataset.row)",
    )


def ids(rows, mask):
    return {rows.examples[row].id for row in np.flatnonzero(mask)}


def by_confidence(rows, mask):
    """Ids from the most confident down, ties as in the file."""
    sure = np.rint(10_000 * rows.probabilities[np.arange(len(rows.gold)), rows.predicted])
    order = sorted(np.flatnonzero(mask), key=lambda row: (-sure[row], row))
    return [rows.examples[row].id for row in order]


def choose(driver, name, shown):
    """Takes the option of a select whose text starts so."""
    from selenium.webdriver.support.ui import Select

    select = Select(one(driver, f"#filter-{name}"))
    [option] = [found for found in select.options if found.text.startswith(shown)]
    select.select_by_value(option.get_attribute("value"))


def pick_kind(driver, kind):
    one(driver, f"#kinds input[value={kind}]").click()


def press(driver, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def search(driver, query):
    box = one(driver, "#filter-q")
    script(driver, "arguments[0].value = ''", box)
    box.send_keys(query)
    assert until(lambda: script(driver, "return relxReport.view.current.q") == query)


def address(driver):
    return script(driver, "return location.hash")


# -- the page ----------------------------------------------------------------------------------


def test_the_page_loads_offline_asks_for_nothing_and_says_nothing(driver, tmp_path):
    page = write(tmp_path, many(30), pictures=True)
    open_page(driver, page)
    assert text(driver, "#count") == f"{len(listed(driver))} of 30 rows"
    assert listed(driver) and seen(driver)
    for link in each(driver, ".files a"):
        assert (tmp_path / link.get_attribute("href").split(tmp_path.name + "/")[1]).is_file()
    assert len(each(driver, ".files a")) >= 3 * 5
    assert requested(driver) == [page.as_uri()]
    assert logged(driver) == []


def test_the_most_confident_mistakes_come_first(at, rows):
    driver = at()
    wrong = by_confidence(rows, rows.gold != rows.predicted)
    assert listed(driver) == wrong
    assert seen(driver) == wrong[: len(seen(driver))]
    choose(driver, "sort", "Least")
    assert Counter(listed(driver)) == Counter(wrong)
    assert listed(driver)[0] == wrong[-1]
    choose(driver, "sort", "As in")
    assert listed(driver) == [row.id for row in rows.examples if row.id in set(wrong)]


def test_the_headline_scores_are_those_of_the_rows(at, rows):
    driver = at()
    cards = [[made.text for made in each(driver, f".scores .{part}")] for part in ("what", "value")]
    shown = dict(zip(*cards, strict=True))
    assert shown["micro-F1"] == f"{rows.scores().micro_f1:.2f}"
    assert shown["accuracy"] == f"{rows.scores().accuracy:.2f}"
    assert all(made.text.startswith("95 %: ") for made in each(driver, ".scores .interval"))


@pytest.mark.parametrize(("gold", "predicted"), [(0, 3), (3, 0), (1, 4), (2, 2)])
def test_a_cell_of_the_matrix_shows_exactly_its_rows(at, rows, gold, predicted):
    driver = at("kind=right&q=nothing&min=90")
    cell = one(driver, f"[data-cell='{gold}-{predicted}']")
    mask = (rows.gold == gold) & (rows.predicted == predicted)
    assert cell.text == str(mask.sum()) != "0"
    script(driver, "arguments[0].scrollIntoView({ block: 'center' })", cell)
    cell.click()
    assert listed(driver) == by_confidence(rows, mask)
    assert text(driver, "#count") == f"{mask.sum()} of 160 rows"
    assert set(seen(driver)) == ids(rows, mask)
    assert (
        0
        <= script(driver, "return document.querySelector('#browser').getBoundingClientRect().top")
        < 50
    )
    assert cell.get_attribute("aria-current") == "true"


def matrix_cells(driver):
    """The matrix as it stands: names of the lines, and their cells' texts."""
    return script(
        driver,
        "const texts = (cells) => [...cells].map((cell) => cell.textContent);"
        "return [...document.querySelectorAll('#matrix tbody tr')]"
        ".map((line) => [texts(line.cells)[0], texts(line.cells).slice(1, -1)])",
    )


def test_the_matrix_shows_counts_and_shares_in_three_orders(at, rows):
    driver = at()
    counts = np.zeros((5, 5), int)
    np.add.at(counts, (rows.gold, rows.predicted), 1)

    def shown(values, order):
        texts = [[str(round(values[i, j])) if counts[i, j] else "" for j in order] for i in order]
        return [[LABELS.names[i], line] for i, line in zip(order, texts, strict=True)]

    def rounded(values):  # as JavaScript rounds halves
        return np.floor(values + 0.5)

    assert matrix_cells(driver) == shown(counts, range(5))
    one(driver, "#cells input[value=rows]").click()
    by_row = rounded(100 * counts / counts.sum(axis=1, keepdims=True))
    assert matrix_cells(driver) == shown(by_row, range(5))
    one(driver, "#cells input[value=columns]").click()
    by_column = rounded(100 * counts / counts.sum(axis=0))
    assert matrix_cells(driver) == shown(by_column, range(5))
    one(driver, "#order input[value=frequency]").click()
    support = counts.sum(axis=1)
    assert matrix_cells(driver) == shown(by_column, sorted(range(5), key=lambda i: -support[i]))
    one(driver, "#order input[value=group]").click()
    grouped = [
        i for group in script(driver, "return relxReport.rows.groups") for i in group["labels"]
    ]
    assert sorted(grouped) == list(range(5))
    assert matrix_cells(driver) == shown(by_column, grouped)
    driver.back()
    driver.back()
    assert until(lambda: matrix_cells(driver) == shown(by_column, range(5)))


def test_the_names_of_the_matrix_show_a_label_whole(at, rows):
    driver = at()
    one(driver, "#matrix tbody tr:nth-child(3) th button").click()
    assert set(listed(driver)) == ids(rows, rows.gold == 2)
    button = one(driver, "#matrix thead th:nth-of-type(4) button")
    script(driver, "arguments[0].click()", button)
    assert set(listed(driver)) == ids(rows, rows.predicted == 3)


# -- filters -----------------------------------------------------------------------------------


def holding(rows, word):
    folded = unicodedata.normalize("NFC", word).lower()
    return np.array([folded in f"{row.sentence}\n{row.id}".lower() for row in rows.examples])


@pytest.mark.parametrize("query", ["속초", unicodedata.normalize("NFD", "속초"), "JEJU", "r15"])
def test_search_finds_a_word_however_it_is_typed(at, rows, query):
    driver = at("kind=all")
    search(driver, query)
    found = ids(rows, holding(rows, query))
    assert found
    assert until(lambda: text(driver, "#count") == f"{len(found)} of 160 rows")
    assert set(listed(driver)) == found


def test_search_wants_every_word_in_any_order(at, rows):
    driver = at("kind=all")
    search(driver, "부산 사람1")
    both = ids(rows, holding(rows, "부산") & holding(rows, "사람1"))
    assert len(both) > 1
    assert until(lambda: set(listed(driver)) == both)


def test_search_finds_syllables_that_the_data_has_in_letters(shows):
    sentence = unicodedata.normalize("NFD", "김철수는 강릉에 산다.")
    word = unicodedata.normalize("NFD", "김철수")
    place = unicodedata.normalize("NFD", "강릉")
    rows = scored([example("a", sentence, (word,), (place, "LOC"))], [0], [3], [0.9])
    driver = shows(rows)
    search(driver, "강릉")
    assert until(lambda: text(driver, "#count") == "1 of 1 row")
    assert marks(driver, ".row") == {"subject": word, "object": place}


TYPES = np.array([(row.subject.type, row.object.type, row.source) for row in many(160).examples])


def confidence(rows):
    return rows.probabilities.max(axis=1)


FILTERS = {
    "gold": ("per:title", lambda rows: rows.gold == 3),
    "predicted": ("org:members", lambda rows: rows.predicted == 1),
    "subject": ("ORG", lambda rows: TYPES[:, 0] == "ORG"),
    "object": ("LOC", lambda rows: TYPES[:, 1] == "LOC"),
    "source": ("wikitree", lambda rows: TYPES[:, 2] == "wikitree"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_works_and_its_chip_takes_it_away(at, rows, name):
    driver = at("kind=all")
    shown, mask = FILTERS[name]
    choose(driver, name, shown)
    assert listed(driver) == by_confidence(rows, mask(rows))
    chip = one(driver, f"[data-chip={name}]")
    assert shown in chip.text
    chip.click()
    assert len(listed(driver)) == 160
    assert not each(driver, "[data-chip]")


@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        ("mistakes", lambda gold, said: gold != said),
        ("false-positives", lambda gold, said: (gold == 0) & (said != 0)),
        ("false-negatives", lambda gold, said: (gold != 0) & (said == 0)),
        ("wrong-relation", lambda gold, said: (gold != said) & (gold != 0) & (said != 0)),
        ("right", lambda gold, said: gold == said),
        ("all", lambda gold, said: gold == gold),
    ],
)
def test_each_kind_of_row_is_counted_and_shown(at, rows, kind, mask):
    driver = at("kind=right" if kind == "mistakes" else "")
    pick_kind(driver, kind)
    wanted = by_confidence(rows, mask(rows.gold, rows.predicted))
    assert listed(driver) == wanted
    assert text(driver, f"#kinds input[value={kind}] + span .count") == str(len(wanted))


def test_confidence_goes_from_and_to(at, rows):
    driver = at("kind=all")
    one(driver, "#filter-min").send_keys("60.5")
    one(driver, "#filter-max").send_keys("80")
    wanted = by_confidence(rows, (confidence(rows) >= 0.605) & (confidence(rows) <= 0.8))
    assert until(lambda: listed(driver) == wanted)
    assert {chip.text for chip in each(driver, "[data-chip]")} == {
        "Confidence from 60.5 %",
        "Confidence to 80 %",
    }


def test_filters_combine_and_each_choice_says_how_many_rows_it_would_show(at, rows):
    driver = at()
    wrong = rows.gold != rows.predicted
    choose(driver, "subject", "ORG")
    choose(driver, "source", "wikitree")
    search(driver, "회사")
    one(driver, "#filter-min").send_keys("40")
    assert until(lambda: script(driver, "return relxReport.view.current.min") == 40)
    shared = FILTERS["subject"][1](rows) & FILTERS["source"][1](rows) & (confidence(rows) >= 0.4)
    assert listed(driver) == by_confidence(rows, wrong & shared)
    for label, name in enumerate(LABELS.names):
        found = (wrong & shared & (rows.gold == label)).sum()
        option = one(driver, f"#filter-gold option[value='{label}']")
        assert option.get_attribute("textContent") == f"{name}  ({found})"
    right = (~wrong & shared).sum()
    assert text(driver, "#kinds input[value=right] + span .count") == str(right)
    one(driver, "#clear").click()
    assert listed(driver) == by_confidence(rows, wrong)


def test_an_empty_result_says_so_and_offers_the_way_back(at, rows):
    driver = at("q=such+words+stand+nowhere")
    assert text(driver, "#empty p") == "No row passes these filters."
    assert text(driver, "#count") == "0 of 160 rows"
    assert not one(driver, "#download").is_enabled()
    one(driver, "#empty button").click()
    assert set(listed(driver)) == ids(rows, rows.gold != rows.predicted)
    assert not one(driver, "#empty").is_displayed()


# -- history -----------------------------------------------------------------------------------


def test_back_and_forward_restore_filters_order_and_the_chosen_row(at, rows):
    driver = at()
    choose(driver, "gold", "per:title")
    choose(driver, "sort", "Least")
    each(driver, ".row")[1].click()
    chosen = listed(driver)[1]
    before = (address(driver), listed(driver))
    assert text(driver, "#details h3") == f"Row {chosen}"
    script(driver, "document.querySelector('[data-cell=\"0-3\"]').click()")
    after = listed(driver)
    assert set(after) == ids(rows, (rows.gold == 0) & (rows.predicted == 3))
    driver.back()
    assert until(lambda: listed(driver) == before[1])
    assert address(driver) == before[0]
    assert text(driver, "#details h3") == f"Row {chosen}"
    assert one(driver, "#filter-gold").get_attribute("value") == "3"
    assert one(driver, "#filter-sort").get_attribute("value") == "unsure"
    driver.back()
    assert until(lambda: not each(driver, "#details h3"))
    driver.forward()
    driver.forward()
    assert until(lambda: listed(driver) == after)
    assert "gold=no_relation" in address(driver)


def test_back_restores_where_page_and_list_were_scrolled(at):
    driver = at()
    script(driver, "document.querySelector('#list').scrollTop = 1200")
    script(driver, "document.querySelector('#confusion').scrollIntoView()")
    scrolled = script(driver, "return scrollY")
    top = seen(driver)
    script(driver, "document.querySelector('[data-cell=\"1-1\"]').click()")
    assert script(driver, "return scrollY") < scrolled
    driver.back()
    assert until(lambda: abs(script(driver, "return scrollY") - scrolled) < 2)
    assert script(driver, "return document.querySelector('#list').scrollTop") == 1200
    assert until(lambda: seen(driver) == top)


def test_forward_restores_where_the_list_was_scrolled(at):
    driver = at()
    pick_kind(driver, "all")
    script(driver, "document.querySelector('#list').scrollTop = 800")
    assert until(lambda: script(driver, "return history.state.top") == 800)  # noted when at rest
    driver.back()
    assert until(lambda: len(listed(driver)) < 160)
    assert script(driver, "return document.querySelector('#list').scrollTop") == 0
    driver.forward()
    assert until(lambda: script(driver, "return document.querySelector('#list').scrollTop") == 800)


def test_what_is_typed_is_one_step_of_back(at):
    driver = at()
    everything = listed(driver)
    for letter in "회사 부산":
        one(driver, "#filter-q").send_keys(letter)
        time.sleep(0.12)
    assert until(lambda: 0 < len(listed(driver)) < len(everything))
    driver.back()
    assert until(lambda: listed(driver) == everything)
    assert one(driver, "#filter-q").get_attribute("value") == ""


def test_links_to_parts_of_the_page_leave_the_view_alone(at):
    driver = at("gold=per%3Atitle")
    before = listed(driver)
    one(driver, "nav a[href='#confusion']").click()
    assert (
        abs(
            script(
                driver, "return document.querySelector('#confusion').getBoundingClientRect().top"
            )
        )
        < 40
    )
    assert address(driver) == "#gold=per%3Atitle"
    assert listed(driver) == before


ODD_IDS = ["a b", "50%", "x#y", "p&q=r", "%23", "가나", "a+b", "'\"<i>", "100", "100"]


def test_a_link_opens_its_row_in_a_new_load_whatever_the_id(shows, tmp_path):
    named = "김철수는 서울에 산다."
    examples = [example(id_, named, ("김철수",), ("서울", "LOC")) for id_ in ODD_IDS]
    gold = [0, 3] * (len(ODD_IDS) // 2)
    examples = [
        Example(row.id, f"{row.sentence} {at}", row.subject, row.object, None, "")
        for at, row in enumerate(examples)
    ]
    driver = shows(
        scored(examples, gold, [3] * len(gold), np.linspace(0.5, 0.9, len(gold))),
        "kind=all&sort=file",
    )
    links = []
    for at, id_ in enumerate(ODD_IDS):
        until(lambda: each(driver, ".row"))
        script(driver, "document.querySelector(`#option-${arguments[0]}`).click()", at)
        assert text(driver, "#details h3") == f"Row {id_}"
        links.append(one(driver, "#link").get_attribute("href").split("#", 1)[1])
    assert len(set(links)) == len(links)
    for at, (id_, link) in enumerate(zip(ODD_IDS, links, strict=True)):
        open_page(driver, tmp_path / "report.html", link)
        assert text(driver, "#details h3") == f"Row {id_}"
        assert text(driver, "#sentence").endswith(f" {at}")


def test_a_link_may_name_a_row_that_the_filters_hide_or_that_is_not_there(at, rows):
    right = rows.examples[int(np.flatnonzero(rows.gold == rows.predicted)[0])]
    driver = at(urlencode({"row": right.id}))
    assert text(driver, "#details h3") == f"Row {right.id}"
    assert "not among" in text(driver, "#details .place")
    driver = at("row=never&gold=unknown&kind=strange&min=x")
    assert "There is no row never" in text(driver, "#details")
    assert set(listed(driver)) == ids(rows, rows.gold != rows.predicted)
    assert logged(driver) == []


# -- 7,765 rows --------------------------------------------------------------------------------

CLASSES = LabelList(("no_relation", *(f"org:relation_{at}" for at in range(29))), "no_relation")


@pytest.fixture(scope="module")
def long_page(tmp_path_factory):
    require_browser()
    rows = many(7765, labels=CLASSES)
    return write(tmp_path_factory.mktemp("long"), rows), rows


TIMED = """
const [act, done] = [new Function(arguments[0]), arguments[1]];
const begun = performance.now();
act();
requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
"""


def test_7765_rows_scroll_with_a_handful_in_the_page(driver, long_page, record_property):
    page, rows = long_page
    begun = time.perf_counter()
    open_page(driver, page, "kind=all")
    record_property("load, s", round(time.perf_counter() - begun, 2))
    wanted = by_confidence(rows, rows.gold >= 0)
    assert text(driver, "#count") == "7,765 of 7,765 rows"
    most = 0
    steps = []
    for share in (0.1, 0.33, 0.5, 0.77, 1.0):
        act = f"const l = document.querySelector('#list'); l.scrollTop = {share} * l.scrollHeight"
        steps.append(driver.execute_async_script(TIMED, act))
        shown = seen(driver)
        first = wanted.index(shown[0])
        assert shown == wanted[first : first + len(shown)]
        most = max(most, len(each(driver, ".row")))
    assert shown[-1] == wanted[-1]
    assert most < 60
    changes = [
        ("filter", "relxReport.filters.filter({ gold: 3 })"),
        ("search", "relxReport.filters.filter({ gold: null, q: '속초' })"),
        ("clear", "relxReport.filters.clear()"),
        ("matrix", "relxReport.view.set({ cells: 'rows' })"),
    ]
    timed = {name: driver.execute_async_script(TIMED, act) for name, act in changes}
    record_property("scroll step, ms", round(max(steps), 1))
    for name, spent in timed.items():
        record_property(f"{name}, ms", round(spent, 1))
    print({"scroll": max(steps), **timed})
    assert logged(driver) == []


def test_the_last_of_7765_rows_is_reached_by_one_key(driver, long_page):
    page, rows = long_page
    open_page(driver, page, "kind=all&sort=file")
    one(driver, "#list").send_keys("\ue010")  # End
    assert until(lambda: seen(driver)[-1] == rows.examples[-1].id)
    press(driver, "\ue007")  # Enter
    assert text(driver, "#details h3") == f"Row {rows.examples[-1].id}"
    row = one(driver, ".row[aria-selected=true]")
    assert row.get_attribute("aria-posinset") == row.get_attribute("aria-setsize") == "7765"


# -- keys --------------------------------------------------------------------------------------


def test_the_keyboard_alone_searches_moves_opens_and_closes(at, rows):
    from selenium.webdriver.common.keys import Keys

    driver = at()
    press(driver, "/")
    press(driver, "부산")
    wanted = by_confidence(rows, (rows.gold != rows.predicted) & holding(rows, "부산"))
    assert until(lambda: listed(driver) == wanted)
    press(driver, Keys.ENTER)  # from the search to the list
    press(driver, "j", "j", Keys.ARROW_DOWN, "k")
    press(driver, Keys.ENTER)
    assert text(driver, "#details h3") == f"Row {wanted[2]}"
    press(driver, "j")
    assert text(driver, "#details h3") == f"Row {wanted[3]}"
    active = script(driver, "return document.activeElement.getAttribute('aria-activedescendant')")
    assert one(driver, f"#{active}").get_attribute("data-row") == wanted[3]
    press(driver, Keys.ESCAPE)
    assert not each(driver, "#details h3")
    assert script(driver, "return document.activeElement.id") == "list"
    press(driver, Keys.ESCAPE)
    assert until(lambda: listed(driver) == by_confidence(rows, rows.gold != rows.predicted))
    press(driver, "?")
    assert one(driver, "#keys").is_displayed()
    press(driver, Keys.ESCAPE)
    assert not one(driver, "#keys").is_displayed()


def test_the_keyboard_filters_by_tab_and_arrows(at, rows):
    from selenium.webdriver.common.keys import Keys

    driver = at()
    script(driver, "document.querySelector('#kinds input:checked').focus()")
    press(driver, Keys.ARROW_RIGHT)
    assert set(listed(driver)) == ids(rows, (rows.gold == 0) & (rows.predicted != 0))
    press(driver, Keys.TAB, Keys.TAB)  # the search, then gold
    assert script(driver, "return document.activeElement.id") == "filter-gold"


def test_letters_of_a_korean_keyboard_move_too(at):
    driver = at()
    for key in ("ㅓ", "ㅓ", "ㅏ"):
        event = {"key": key, "code": {"ㅓ": "KeyJ", "ㅏ": "KeyK"}[key], "bubbles": True}
        script(
            driver, "document.body.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))", event
        )
    assert script(driver, "return relxReport.browser.list.cursor") == 1


def test_arrows_walk_the_matrix_which_is_one_stop_of_tab(at, rows):
    from selenium.webdriver.common.keys import Keys

    driver = at()
    assert len(each(driver, "#matrix button[tabindex='0']")) == 1
    one(driver, "#matrix button[tabindex='0']").send_keys(Keys.ARROW_DOWN)
    for keys, cell in (([], "0-0"), ([Keys.ARROW_DOWN], "1-0"), ([Keys.ARROW_RIGHT] * 2, "1-2")):
        press(driver, *keys)
        assert script(driver, "return document.activeElement.dataset.cell") == cell
    press(driver, Keys.ENTER)
    assert set(listed(driver)) == ids(rows, (rows.gold == 1) & (rows.predicted == 2))
    assert script(driver, "return document.activeElement.id") == "list"


# -- sentences ---------------------------------------------------------------------------------


def marks(driver, within):
    """The text under each entity's mark, put together from its pieces."""
    return script(
        driver,
        "const box = document.querySelector(arguments[0]); const joined = (role) =>"
        " [...box.querySelectorAll(`.text mark.${role}, .sentence mark.${role}`)]"
        ".map((mark) => mark.textContent).join('');"
        "return { subject: joined('subject'), object: joined('object') }",
        within,
    )


ODD = {
    "a script's end": (
        "</script><script>alert(1)</script> 김철수는 서울에 산다.",
        "김철수",
        "서울",
    ),
    "tags and signs": (
        '<b>김철수</b> & "서울" &amp; <img src=x onerror=alert(1)>',
        "김철수",
        '"서울"',
    ),
    "emoji before": ("👩‍👩‍👧 😀😀 김철수는 🗼서울🗼에 산다.", "김철수", "🗼서울🗼"),
    "lines": ("첫 줄\n김철수는\n\n서울에 산다.", "김철수는\n", "서울"),
    "right to left": ("يعيش محمد في سيول مع 김철수.", "محمد", "سيول"),
    "line separators": ("김철수\u2028서울\u2029끝", "김철수", "서울"),
    "a template": ("{{ title }} {% raw %} ${김철수} 서울", "김철수", "서울"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_sentence_is_shown_as_it_is_with_its_entities_marked(shows, name):
    sentence, subject, object_ = ODD[name]
    rows = scored([example("a", sentence, (subject,), (object_, "LOC"))], [0], [3], [0.9])
    driver = shows(rows, "row=a")
    assert text(driver, "#sentence") == sentence
    assert (
        marks(driver, "#details")
        == marks(driver, ".row")
        == {"subject": subject, "object": object_}
    )
    assert not each(driver, "#details b, #details img, #details script")
    assert logged(driver) == []


@pytest.mark.parametrize(
    ("subject", "object_"),
    [
        ((0, 9), (3, 5)),  # inside
        ((3, 5), (0, 9)),
        ((0, 6), (4, 9)),  # across
        ((4, 9), (0, 6)),
        ((2, 5), (2, 5)),  # the same
        ((0, 4), (4, 8)),  # side by side
        ((0, 12), (11, 12)),  # to the end
    ],
)
def test_entities_that_nest_or_overlap_are_both_marked(shows, subject, object_):
    sentence = "서울대학교 총장 김철수"
    spans = [
        Entity(sentence[a:b], Span(a, b), kind)
        for (a, b), kind in ((subject, "ORG"), (object_, "PER"))
    ]
    rows = scored([Example("a", sentence, *spans, None, "")], [0], [3], [0.9])
    driver = shows(rows, "row=a")
    assert text(driver, "#sentence") == sentence
    assert marks(driver, "#details") == {"subject": spans[0].word, "object": spans[1].word}
    tags = script(
        driver,
        "return [...document.querySelectorAll('#sentence [data-tag]')]"
        ".map((made) => made.dataset.tag).join(' · ')",
    )
    assert sorted(tags.split(" · ")) == ["object PER", "subject ORG"]


@pytest.mark.parametrize("shift", ["", "-"])
def test_a_long_sentence_is_cut_around_its_entities_in_the_list(shows, shift):
    filler = "😀" * 100 + shift
    sentence = f"{filler}김철수{filler}서울🗼{filler}"
    rows = scored([example("a", sentence, ("김철수",), ("서울🗼", "LOC"))], [0], [3], [0.9])
    driver = shows(rows, "row=a")
    assert text(driver, "#sentence") == sentence
    excerpt = text(driver, ".row .text")
    assert len(excerpt) < 110
    assert excerpt.startswith("… 😀") and excerpt.endswith("😀 …")
    assert script(driver, "return document.querySelector('.row .text').textContent.isWellFormed()")
    assert marks(driver, ".row") == {"subject": "김철수", "object": "서울🗼"}


def test_details_show_the_ten_most_probable_labels_the_gold_one_and_the_rest_on_demand(shows):
    rows = scored(
        [example("a", "김철수는 서울에 산다.", ("김철수",), ("서울", "LOC"))],
        [29],
        [3],
        [0.42],
        CLASSES,
    )
    driver = shows(rows, "row=a")
    shares = each(driver, ".shares li")
    assert len(shares) == 11
    assert shares[0].text.startswith("org:relation_2") and "predicted" in shares[0].text
    assert "42.00 %" in shares[0].text
    assert "gold" in shares[-1].text and "org:relation_28" in shares[-1].text
    one(driver, "#all-shares").click()
    names = script(
        driver,
        "return [...document.querySelectorAll('.shares .label')]"
        ".map((made) => made.firstChild.textContent)",
    )
    assert len(names) == 30 and set(names) == set(CLASSES.names)


# -- pages of other shapes ---------------------------------------------------------------------


def test_a_page_without_mistakes_says_so_and_shows_all_rows(shows):
    rows = many(6)
    driver = shows(scored(rows.examples, rows.gold, rows.gold, [0.9] * 6))
    assert text(driver, "#empty p") == "Mistakes: there are none."
    one(driver, "#empty button").click()
    assert len(listed(driver)) == 6
    assert until(lambda: seen(driver) == listed(driver))
    assert not each(driver, "#matrix .wrong")
    assert logged(driver) == []


def test_a_page_of_one_row(shows):
    driver = shows(
        scored([example("only", "김철수는 서울에 산다.", ("김철수",), ("서울",))], [0], [0], [1.0]),
        "kind=all",
    )
    assert text(driver, "#count") == "1 of 1 row"
    press(driver, "j", "\ue007")
    assert text(driver, "#details h3") == "Row only"
    assert not each(driver, "#details .steps button:not(:disabled)")
    assert logged(driver) == []


def test_a_page_of_two_labels(shows):
    rows = many(20, labels=LabelList(("no", "yes"), "no"))
    driver = shows(rows)
    assert set(listed(driver)) == ids(rows, rows.gold != rows.predicted)
    assert len(matrix_cells(driver)) == 2
    assert text(driver, "#kinds input[value=wrong-relation] + span .count") == "0"
    assert logged(driver) == []


def test_labels_in_korean_without_a_negative_class(shows):
    labels = LabelList(("인물:직업/직함", "인물:출신지 & 국적", "단체:구성원"), None)
    rows = many(40, labels=labels)
    driver = shows(rows)
    kinds = [made.get_attribute("value") for made in each(driver, "#kinds input")]
    assert kinds == ["mistakes", "right", "all"]
    choose(driver, "gold", "인물:출신지 & 국적")
    wanted = by_confidence(rows, (rows.gold == 1) & (rows.predicted != 1))
    assert listed(driver) == wanted
    driver.refresh()
    assert until(lambda: listed(driver) == wanted)
    script(driver, "document.querySelector('.row').click()")
    assert text(driver, ".verdict") == "Mistake"
    assert logged(driver) == []


def test_a_filter_with_nothing_to_choose_is_not_there(shows):
    rows = scored(
        [example("a", "김철수는 서울에 산다.", ("김철수",), ("서울", "PER"), "")], [0], [3], [0.9]
    )
    driver = shows(rows)
    assert not one(driver, "#filter-source").is_displayed()
    assert not one(driver, "#filter-subject").is_displayed()
    assert one(driver, "#filter-gold").is_displayed()


# -- the table of classes, the file ------------------------------------------------------------


def column(driver, at):
    return script(
        driver,
        "return [...document.querySelectorAll('#class-table tbody tr')]"
        ".map((line) => line.cells[arguments[0]].textContent.trim())",
        at,
    )


def test_the_table_of_classes_sorts_by_each_heading_and_shows_a_label(at, rows):
    driver = at()
    support = [int((rows.gold == label).sum()) for label in range(5)]
    assert column(driver, 1) == [str(count) for count in support]
    head = one(driver, "th[data-column=support]")
    script(driver, "arguments[0].querySelector('button').click()", head)
    assert column(driver, 1) == [str(count) for count in sorted(support, reverse=True)]
    assert head.get_attribute("aria-sort") == "descending"
    script(driver, "arguments[0].querySelector('button').click()", head)
    assert column(driver, 1) == [str(count) for count in sorted(support)]
    script(driver, "document.querySelector('th[data-column=label] button').click()")
    assert column(driver, 0) == sorted(LABELS.names)
    driver.back()
    assert until(lambda: head.get_attribute("aria-sort") == "ascending")
    script(
        driver,
        "[...document.querySelectorAll('#class-table [data-filter=gold]')]"
        ".find((made) => made.textContent === 'per:spouse').click()",
    )
    assert set(listed(driver)) == ids(rows, rows.gold == 4)
    script(driver, "document.querySelector('tr[data-class=\"1\"] [data-filter=predicted]').click()")
    assert set(listed(driver)) == ids(rows, rows.predicted == 1)


def test_the_rows_that_are_shown_come_as_a_file(driver, shows, tmp_path):
    tricky = 'He said, "김철수는\n서울에 산다", 그리고 갔다.'
    examples = [
        example("1,5", tricky, ("김철수",), ("서울", "LOC")),
        example("b", "최영희는 부산에 산다.", ("최영희",), ("부산", "LOC")),
        example("c", "박민수는 속초에 산다.", ("박민수",), ("속초", "LOC")),
    ]
    shows(scored(examples, [0, 4, 3], [3, 3, 3], [0.9, 0.8, 0.7]))
    folder = tmp_path / "saved"
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    one(driver, "#download").click()
    file = folder / "rows.csv"
    assert until(file.is_file)
    saved = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline="")))
    assert [row["id"] for row in saved] == ["1,5", "b"] == listed(driver)
    assert saved[0]["sentence"] == tricky
    assert (saved[0]["subject"], saved[0]["object_type"], saved[0]["gold"]) == (
        "김철수",
        "LOC",
        "no_relation",
    )
    assert float(saved[1]["confidence"]) == 0.8
    assert float(saved[1]["gold_probability"]) == 0.05


def test_all_rows_of_the_same_mix_up_are_one_press_away(at, rows):
    driver = at()
    script(driver, "document.querySelector('.row').click()")
    first = next(at for at, row in enumerate(rows.examples) if row.id == listed(driver)[0])
    same = (rows.gold == rows.gold[first]) & (rows.predicted == rows.predicted[first])
    one(driver, "#alike").click()
    assert listed(driver) == by_confidence(rows, same)
    assert text(driver, "#details h3") == f"Row {rows.examples[first].id}"


def test_where_no_row_is_chosen_the_commonest_mix_ups_are(at, rows):
    driver = at("kind=all")
    wrong = rows.gold != rows.predicted
    pairs = Counter(zip(rows.gold[wrong].tolist(), rows.predicted[wrong].tolist(), strict=True))
    shown = [int(made.text) for made in each(driver, ".mixed b")]
    assert shown == [count for _, count in pairs.most_common(8)]
    one(driver, ".mixed").click()
    assert len(listed(driver)) == shown[0]


# -- narrow screens ----------------------------------------------------------------------------


def test_360_pixels_are_enough(at, rows):
    driver = at("", (360, 700))

    def fits():
        parts = ".row:not([hidden]) .percent, .filters *, .details *"
        edges = "return [...document.querySelectorAll(arguments[0])].filter((part) =>"
        edges += " !part.closest('.kinds') && part.getBoundingClientRect().right > 360).length"
        wide = script(driver, "return document.documentElement.scrollWidth")
        return wide <= 360 and script(driver, edges, parts) == 0

    assert fits()
    assert not one(driver, "#details").is_displayed()
    one(driver, "#more").click()
    choose(driver, "gold", "per:title")
    assert one(driver, "#more").get_attribute("textContent") == "Filters (1)"
    one(driver, "#more").click()
    wanted = listed(driver)
    script(driver, "document.querySelector('#browser').scrollIntoView()")
    each(driver, ".row")[1].click()
    assert text(driver, "#details h3") == f"Row {wanted[1]}"
    box = script(
        driver, "return document.querySelector('#details').getBoundingClientRect().toJSON()"
    )
    assert (box["left"], box["top"], box["width"], box["height"]) == (0, 0, 360, 700)
    assert fits()
    assert script(driver, "return document.activeElement.id") == "close"
    assert script(driver, "return document.querySelector('.filters').inert")
    one(driver, "#details .steps button:last-child").click()
    assert text(driver, "#details h3") == f"Row {wanted[2]}"
    one(driver, "#close").click()
    assert until(lambda: not one(driver, "#details").is_displayed())
    assert not script(driver, "return document.querySelector('.filters').inert")
    assert listed(driver) == wanted
    assert script(driver, "return relxReport.browser.list.cursor") == 2
    assert "gold=per" in address(driver)


def test_the_back_button_of_a_phone_closes_the_details(at):
    driver = at("", (360, 700))
    each(driver, ".row")[0].click()
    assert one(driver, "#details").is_displayed()
    driver.back()
    assert until(lambda: not one(driver, "#details").is_displayed())
    assert script(driver, "return document.activeElement.id") == "list"


# -- for everyone ------------------------------------------------------------------------------

CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
};
const light = (color) => {
  const linear = (part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
  const [red, green, blue] = color.map(linear);
  return .2126 * red + .7152 * green + .0722 * blue;
};
const behind = (made) => {
  for (let box = made; box; box = box.parentElement) {
    const color = rgba(getComputedStyle(box).backgroundColor);
    if (color[3] > .99) return color;
  }
  return [1, 1, 1];
};
return arguments[0].map((selector) => {
  const all = [...document.querySelectorAll(selector)];
  const ratios = all.filter((made) => made.getClientRects().length).map((made) => {
    const [a, b] = [light(rgba(getComputedStyle(made).color)), light(behind(made))];
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  });
  return [selector, ratios.length ? Math.min(...ratios) : null];
});
"""
SPOKEN = (
    "h1", ".lead", "nav a", ".scores .what", ".scores .value", ".scores .interval", ".facts dt",
    "#kinds input:checked + span", "#kinds input:not(:checked) + span", ".field > span", "#count",
    ".chip", "#clear", ".row .gold", ".row .wrong", ".row .right", ".row .percent", ".row .text",
    ".row mark", ".row[aria-selected=true] .wrong", ".row[aria-selected=true] .percent",
    "#details h3", "#details .place", ".verdict", ".pair dt", ".pair dd", ".pair .percent",
    "#sentence mark", ".shares .label", ".shares em", ".shares .percent", "#link", ".details .type",
    "#matrix td.right button", "#matrix td.wrong button", "#matrix th button", "#matrix .total",
    ".classes thead button", ".classes tbody button", ".classes td", ".classes .interval", "footer",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_stand_out_from_what_is_behind_them(at, rows, scheme):
    driver = at("kind=all&min=31&q=회사")
    use_colors(driver, scheme)
    ground = script(driver, "return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(245, 246, 249)", "dark": "rgb(15, 18, 24)"}[scheme]
    wrong = int(np.flatnonzero(rows.gold != rows.predicted)[0])
    script(driver, f"relxReport.view.set({{ row: {wrong} }})")
    measured = dict(script(driver, CONTRAST, list(SPOKEN)))
    assert {name: ratio for name, ratio in measured.items() if ratio is None or ratio < 4.5} == {}


def test_the_button_for_light_and_dark_turns_them(at):
    driver = at()
    script(driver, "localStorage.clear()")
    before = script(driver, "return getComputedStyle(document.body).backgroundColor")
    one(driver, "[data-theme-switch]").click()
    assert script(driver, "return getComputedStyle(document.body).backgroundColor") != before
    script(driver, "localStorage.clear()")


CONTROLS = {"button", "combobox", "textbox", "searchbox", "spinbutton", "radio", "listbox", "link"}


def test_every_control_has_a_name(at):
    driver = at("gold=per%3Atitle")
    press(driver, "j", "\ue007")
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    spoken = [node for node in nodes if node.get("role", {}).get("value") in CONTROLS]
    roles = Counter(node["role"]["value"] for node in spoken)
    assert roles["radio"] == 12 and roles["combobox"] == 6 and roles["listbox"] == 1
    nameless = [node for node in spoken if not node.get("name", {}).get("value", "").strip()]
    assert nameless == []


def test_headings_of_tables_say_what_they_head_and_the_count_is_told(at):
    driver = at()
    assert not each(driver, "main table th:not([scope])")
    assert len(each(driver, "#matrix th[scope=row]")) == 6
    assert not each(driver, "main table:not(:has(caption))")
    assert one(driver, "#count").get_attribute("aria-live") == "polite"
    assert not each(driver, "main > section:not([aria-label]):not([aria-labelledby])")
    doubled = script(
        driver,
        "const ids = [...document.querySelectorAll('[id]:not(svg [id])')].map((made) => made.id);"
        "return ids.filter((id, at) => ids.indexOf(id) !== at)",
    )
    assert doubled == []


RING = """
const made = document.activeElement;
const outlined = (box) => {
  const style = getComputedStyle(box);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
};
// The list's ring is drawn over its rows; a radio button's, around its words.
const framed = made.id === 'list' &&
  parseFloat(getComputedStyle(made.parentElement, '::after').borderTopWidth) > 0;
const ringed = made.type === 'radio' ? made.nextElementSibling : made;
return [made.id || made.className || made.tagName, outlined(ringed) || framed];
"""


def test_where_the_keyboard_is_can_be_seen(at):
    driver = at()
    script(driver, "document.querySelector('nav a:last-child').focus()")
    places = set()
    for _ in range(15):
        press(driver, "\ue004")  # Tab
        place, ring = script(driver, RING)
        places.add(place)
        assert ring, place
    assert {"INPUT", "filter-q", "filter-gold", "filter-min", "download", "help", "list"} <= places


def test_a_row_is_copied_or_linked_without_a_network(at):
    driver = at()
    press(driver, "j", "\ue007")
    link = one(driver, "#link").get_attribute("href")
    assert link.startswith("file://") and "#row=" in link
    button = one(driver, ".links button")
    button.click()
    assert until(lambda: button.text != "Copy")
    assert requested(driver) == [script(driver, "return location.href.split('#')[0]")]
