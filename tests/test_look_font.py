import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont

from relx.faults import InputError
from relx.look import font


@pytest.fixture
def afresh():
    font.korean_font.cache_clear()
    yield
    font.korean_font.cache_clear()


def test_every_hangul_syllable_has_a_glyph():
    assert set(range(0xAC00, 0xD7A4)) <= font.letters_of(font.korean_font())


def test_without_a_korean_font_the_message_says_what_brings_one(monkeypatch, afresh):
    monkeypatch.setattr(font, "FAMILIES", ("DejaVu Sans",))  # it has no Hangul
    monkeypatch.setattr(font, "_shipped", lambda: ())
    with pytest.raises(InputError, match=r"relx\[look\]"):
        font.korean_font()


def test_a_font_without_korean_is_passed_over(monkeypatch, afresh):
    monkeypatch.setattr(font, "FAMILIES", ("DejaVu Sans",))
    assert font.korean_font().name == "NanumGothic.ttf"


def test_letters_that_no_font_has_are_replaced_one_for_one():
    assert font.drawable("가a漢\U0001f9ff") == "가a漢?"


def test_the_embedded_font_has_the_letters_of_the_page_and_no_others():
    rule = font.embedded_font("관계 relation 漢")
    data = re.search(r"base64,([^)]+)\)", rule)[1]
    letters = TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()
    assert set(letters) == set(map(ord, "관계漢"))


def test_a_page_of_latin_letters_needs_no_font():
    assert font.embedded_font("relation, naïve") == ""


def test_only_the_font_that_came_along_is_embedded(monkeypatch):
    monkeypatch.setattr(font, "_shipped", lambda: ())
    assert font.embedded_font("관계") == ""
