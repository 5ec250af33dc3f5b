"""The attention page in a real browser, offline."""

import base64
import io
import re
import time
from xml.etree import ElementTree

import numpy as np
import pytest
from attention_run import HEADS, LAYERS, write_run
from browser import chromium, logged, open_page, requested, script, use_colors

from relx.attention import layer_means, overall_mean, read_attention, restricted, rollout
from relx.look.attention.page import find_row
from relx.look.attention.plots import View
from relx.look.relation.attention import write_attention
from relx.predict import open_run

pytest.importorskip("matplotlib", reason="needs relx[look]")

SHOWN = "return Array.from(relxAttention.shown(relxAttention.state).weights)"
STATE = "return relxAttention.state"
PIXELS = """
const canvas = document.getElementById('canvas');
return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    run = open_run(write_run(tmp_path_factory.mktemp("attention")), "tiny", engine="keras")
    return read_attention(run, find_row(run, "1"))


@pytest.fixture(scope="module")
def page(read, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "attention.html"
    write_attention(out, read, View())
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def driver(folder):
    with chromium(folder) as driver:
        yield driver


def shown(driver):
    numbers = np.array(script(driver, SHOWN))
    return numbers.reshape(2 * (round(len(numbers) ** 0.5),))


def painted(driver):
    """Waits until every thumbnail is there."""
    end = time.monotonic() + 20
    while script(driver, "return document.getElementById('thumbnails').dataset.painted") != "true":
        assert time.monotonic() < end
        time.sleep(0.02)


def choose(driver, id, value):
    """Chooses in a list as a person does: the value changes, and the page hears of it."""
    script(
        driver,
        "const list = document.getElementById(arguments[0]); list.value = arguments[1];"
        "list.dispatchEvent(new Event('change', { bubbles: true }));",
        id,
        str(value),
    )


def press(driver, selector):
    script(driver, "document.querySelector(arguments[0]).click()", selector)


def keys(driver, selector, *names):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    element = driver.find_element(By.CSS_SELECTOR, selector)
    script(driver, "arguments[0].focus()", element)
    for name in names:
        driver.switch_to.active_element.send_keys(getattr(Keys, name))


def test_the_page_opens_offline_without_a_complaint(driver, page, read):
    open_page(driver, page)
    painted(driver)
    assert logged(driver) == []
    assert [url for url in requested(driver) if not url.startswith("file:")] == []
    np.testing.assert_allclose(shown(driver), overall_mean(read.weights), atol=1e-4)
    assert script(driver, STATE)["from"] == read.start
    assert "가" <= script(driver, "return document.title")[11] <= "힣"


def test_choosing_a_layer_and_a_head_changes_the_map_and_back_restores_it(driver, page, read):
    open_page(driver, page)
    before = script(driver, PIXELS)
    choose(driver, "view", "head")
    choose(driver, "layer", 2)
    choose(driver, "head", 2)
    np.testing.assert_allclose(shown(driver), read.weights[1, 1], atol=1e-4)
    assert script(driver, PIXELS) != before
    assert "layer=2" in driver.current_url and "head=2" in driver.current_url
    for _ in range(3):
        driver.back()
    assert script(driver, STATE)["view"] == "mean"
    assert script(driver, PIXELS) == before
    driver.forward()
    assert script(driver, STATE)["view"] == "head"
    assert logged(driver) == []


def test_every_view_shows_its_numbers(driver, page, read):
    expected = {
        "view=rollout": rollout(read.weights),
        "view=layer&layer=3": layer_means(read.weights)[2],
        "view=head&layer=1&head=2": read.weights[0, 1],
        "view=mean&special=0": restricted(overall_mean(read.weights), ~read.special),
        "view=head&layer=1&head=2&special=0": restricted(read.weights[0, 1], ~read.special),
    }
    for view, numbers in expected.items():
        open_page(driver, page, view)
        np.testing.assert_allclose(shown(driver), numbers, atol=2e-4)


def test_a_broken_address_shows_the_first_view(driver, page):
    open_page(driver, page, "view=nothing&layer=99&head=-1&from=1e9&special=maybe")
    state = script(driver, STATE)
    assert (state["view"], state["layer"], state["head"]) == ("mean", LAYERS, 1)
    assert logged(driver) == []


def test_a_thumbnail_shows_its_head_and_is_marked(driver, page):
    open_page(driver, page)
    painted(driver)
    count = script(driver, "return document.querySelectorAll('#thumbnails button').length")
    assert count == LAYERS * (HEADS + 1)
    press(driver, "#thumbnails button[title='Layer 2, head 2']")
    state = script(driver, STATE)
    assert (state["view"], state["layer"], state["head"]) == ("head", 2, 2)
    pressed = "#thumbnails button[aria-pressed='true']"
    assert script(driver, f'return document.querySelector("{pressed}").title') == "Layer 2, head 2"
    colors = script(
        driver,
        "return [...document.querySelectorAll('#thumbnails canvas')].map((canvas) =>"
        "new Set(new Uint32Array(canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)",
    )
    assert min(colors) > 10  # each is a picture


def test_a_token_of_the_sentence_is_looked_from(driver, page, read):
    open_page(driver, page)
    token = read.words["object"].start
    press(driver, f"#tokens button[data-token='{token}']")
    assert script(driver, STATE)["from"] == token
    assert f"from={token}" in driver.current_url
    titles = script(
        driver, "return [...document.querySelectorAll('#tokens button')].map((b) => b.title)"
    )
    found = [float(re.search(r"([0-9.]+) %", title).group(1)) for title in titles]
    np.testing.assert_allclose(found, 100 * overall_mean(read.weights)[token], atol=0.06)
    heat = script(
        driver,
        "return [...document.querySelectorAll('#tokens button')]"
        ".map((b) => Number(b.style.getPropertyValue('--heat')))",
    )
    ordinary = np.flatnonzero(~read.special)
    assert np.argmax(np.array(heat)[ordinary]) == np.argmax(np.array(found)[ordinary])
    driver.back()
    assert script(driver, STATE)["from"] == read.start


def test_special_tokens_are_left_out_and_cannot_be_looked_from(driver, page, read):
    open_page(driver, page, "from=0")
    assert script(driver, STATE)["from"] == 0
    press(driver, "#without-special")
    state = script(driver, STATE)
    assert state["from"] == read.start and not state["special"]
    assert shown(driver).shape == 2 * (int((~read.special).sum()),)
    np.testing.assert_allclose(shown(driver).sum(axis=1), 1, atol=1e-5)
    off = "return [...document.querySelectorAll('#tokens button')].filter((b) => b.disabled).length"
    assert script(driver, off) == read.special.sum()


def test_the_map_is_read_with_the_keys(driver, page, read):
    open_page(driver, page)
    keys(driver, "#heat", "ARROW_DOWN", "ARROW_DOWN", "ARROW_RIGHT")
    row, column = read.start + 1, 1
    text = script(driver, "return document.getElementById('readout').textContent")
    query, key = read.tokens[row].text, read.tokens[column].text
    weight = 100 * overall_mean(read.weights)[row, column]
    assert text.startswith(f"{query} ({row}) → {key} ({column}): ")
    assert float(re.search(r"([0-9.]+) %", text).group(1)) == pytest.approx(weight, abs=0.06)
    keys(driver, "#heat", "END", "ENTER")
    assert script(driver, STATE)["from"] == row
    text = script(driver, "return document.getElementById('readout').textContent")
    assert f"→ {read.tokens[-1].text} ({len(read.tokens) - 1})" in text


def test_thumbnails_are_walked_with_the_keys(driver, page):
    open_page(driver, page)
    keys(driver, "#thumbnails button[tabindex='0']", "ARROW_DOWN", "ARROW_RIGHT", "ENTER")
    state = script(driver, STATE)
    assert (state["view"], state["layer"], state["head"]) == ("head", 2, 1)


def file_of(driver, ending):
    """What the page would save, as text or as bytes in base64."""
    return driver.execute_async_script(
        "const [ending, done] = arguments;"
        "relxAttention.fileOf(ending).then(async (blob) => {"
        "  if (ending !== 'png') return done(await blob.text());"
        "  const bytes = new Uint8Array(await blob.arrayBuffer());"
        "  done(btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join('')));"
        "});",
        ending,
    )


def test_the_view_is_saved_as_svg_png_and_csv(driver, page, read, folder):
    from matplotlib.image import imread

    open_page(driver, page, "view=head&layer=1&head=1")
    drawn = ElementTree.fromstring(file_of(driver, "svg"))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Layer 1, head 1"
    assert len(texts) == 1 + 2 * len(read.tokens)
    assert "● [SUBJ-ORG]" in texts
    pixels = imread(io.BytesIO(base64.b64decode(file_of(driver, "png"))))
    assert pixels.shape[0] == pixels.shape[1] + 68 > 500  # twice the heading
    assert np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0).shape[0] > 20
    lines = file_of(driver, "csv").splitlines()
    assert len(lines) == 1 + len(read.tokens) ** 2
    assert float(lines[1].rpartition(",")[2]) == pytest.approx(
        float(read.weights[0, 0, 0, 0]), abs=1e-4
    )
    press(driver, "[data-save='png']")
    saved, end = folder / "saved" / "layer-1-head-1.png", time.monotonic() + 20
    while not saved.is_file():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert saved.read_bytes().startswith(b"\x89PNG")
    assert logged(driver) == []


def test_the_map_follows_the_theme(driver, page):
    open_page(driver, page)
    light = script(driver, PIXELS)
    use_colors(driver, "dark")
    end = time.monotonic() + 5
    while script(driver, PIXELS) == light:
        assert time.monotonic() < end
        time.sleep(0.02)
    press(driver, "[data-theme-switch]")
    time.sleep(0.1)
    assert script(driver, PIXELS) == light


@pytest.mark.parametrize("width", [360, 375, 1400])
def test_nothing_is_wider_than_the_window(driver, page, width):
    open_page(driver, page, size=(width, 800))
    assert script(driver, "return document.documentElement.scrollWidth") <= width
    cut = script(
        driver,
        "const top = document.getElementById('keys').getBoundingClientRect().top;"
        "return [...document.querySelectorAll('#keys span')]"
        ".filter((e) => e.getBoundingClientRect().top < top).map((e) => e.textContent)",
    )
    assert not [text for text in cut if len(text) < 6]  # short names are whole
