"""The page about a task's data in a real browser, offline."""

import pytest
from browser import chromium, logged, open_page, requested, script, use_colors
from test_look_eda import DEMO, predicted, settings, write_task

from relx.look.relation.eda.page import write_eda
from relx.recipe_file import load_recipe

SHOWN = "return [...document.querySelectorAll('.card.label')].filter(c => !c.hidden).map(c => c.id)"
WIDTH = "return document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = write_task(tmp_path_factory.mktemp("task"))
    pred = predicted(folder, [0, 0, 0, 0, 1])
    write_eda(load_recipe(DEMO, settings(folder)), pred, folder / "page.html", folder / "runs")
    return folder / "page.html"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_offline_without_a_word_in_the_console(driver, page, scheme):
    open_page(driver, page)
    use_colors(driver, scheme)
    assert requested(driver) == [page.as_uri()]
    assert logged(driver) == []
    widths = script(driver, "return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 9
    assert min(widths) > 0


def test_one_label_is_shown_and_the_menu_shows_another(driver, page):
    open_page(driver, page)
    (first,) = script(driver, SHOWN)
    chosen = script(
        driver,
        """const menu = document.getElementById('label-menu');
        menu.selectedIndex = 2; menu.dispatchEvent(new Event('change')); return menu.value;""",
    )
    assert script(driver, SHOWN) == [chosen]
    assert chosen != first
    assert driver.current_url.endswith(f"#{chosen}")


def test_buttons_go_through_the_labels_and_stop_at_the_ends(driver, page):
    open_page(driver, page)
    step = "const b = document.querySelector('[data-step=\"%d\"]'); b.click(); return b.disabled"
    while not script(driver, step % -1):
        pass
    seen = [*script(driver, SHOWN)]
    while not script(driver, step % 1):
        seen += script(driver, SHOWN)
    seen += script(driver, SHOWN)
    assert seen == script(
        driver, "return [...document.querySelectorAll('option')].map(o => o.value)"
    )


def test_a_label_of_the_chart_leads_to_its_card_and_back_returns(driver, page):
    open_page(driver, page, size=(1200, 700))
    script(driver, "document.querySelector('.shares tr:last-child a').click()")
    (card,) = script(driver, SHOWN)
    assert driver.current_url.endswith(f"#{card}")
    assert script(driver, "return window.scrollY") > 0
    assert script(driver, "return document.activeElement.id") == card
    driver.back()
    assert "#" not in driver.current_url


def test_an_address_with_a_label_opens_it(driver, page):
    open_page(driver, page, "label-2")
    assert script(driver, SHOWN) == ["label-2"]
    assert script(driver, "return document.getElementById('label-menu').value") == "label-2"


@pytest.mark.parametrize("width", [360, 375, 768])
def test_it_fits_a_narrow_screen(driver, page, width):
    open_page(driver, page, size=(width, 800))
    assert script(driver, WIDTH) <= width


def test_without_scripts_every_label_is_there(page):
    html = page.read_text(encoding="utf-8")
    assert html.count('<article class="card label"') == 3
    assert '<div class="chooser" hidden>' in html
