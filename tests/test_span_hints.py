from unicodedata import normalize

import pytest

from relx.data.rows.span_hints import SpanKeys, file_wide, span_hint
from relx.spans import Span

# A sentence, a word in it, and the word's span as other programs count it.
COUNTED = {
    "an emoji as two": ("🎉 가람은 대표이다.", "가람", Span(3, 5), "UTF-16"),
    "two emoji as four": ("🎉🎉 가람은", "가람", Span(5, 7), "UTF-16"),
    "a rare Hanja as two": ("𠮷野家의 대표다", "대표", Span(6, 8), "UTF-16"),
    "an emoji in the word": ("그 팀🎉은 있다", "팀🎉", Span(2, 5), "UTF-16"),
    "bytes": ("그 가람은", "가람", Span(4, 10), "bytes of UTF-8"),
    "a line end as two": ("첫 줄\n가람은", "가람", Span(5, 7), r"line end as two"),
    "a line end as one": ("첫 줄\r\n가람은", "가람", Span(4, 6), r"line end as one"),
    "Jamo": ("그 가람은", "가람", Span(2, 7), "NFD"),
    "blanks left out": ("  가람은", "가람", Span(0, 2), "no blanks"),
}


@pytest.mark.parametrize("name", COUNTED)
def test_another_way_of_counting_is_recognised(name):
    sentence, word, span, words = COUNTED[name]
    if name == "Jamo":
        start = len(normalize("NFD", "그 "))
        span = Span(start, start + len(normalize("NFD", word)))
    hint = span_hint(word, span, sentence, "exclusive", SpanKeys())
    at = sentence.index(word)
    assert words in hint and f"start_idx {at}, end_idx {at + len(word)}" in hint
    inclusive = span_hint(word, span, sentence, "inclusive", SpanKeys())
    assert f"start_idx {at}, end_idx {at + len(word) - 1}" in inclusive


@pytest.mark.parametrize("name", COUNTED)
def test_the_right_span_of_such_a_sentence_is_explained_by_nothing(name):
    sentence, word, _, _ = COUNTED[name]
    at = sentence.index(word)
    assert file_wide(word, Span(at, at + len(word)), sentence, "exclusive") is None


def test_a_span_that_nothing_explains_is_named_by_the_words_places():
    hint = span_hint("가", Span(9, 9), "가나가나가나가나", "exclusive", SpanKeys())
    assert hint.endswith("start_idx 4, end_idx 5, or further on") and "count" not in hint


def test_a_long_word_in_a_long_sentence_takes_no_time():
    word = "가" * 60_000
    assert "nowhere" in span_hint(word, Span(0, 5), "가나" * 65_000, "inclusive", SpanKeys())
    assert "further on" in span_hint(word, Span(0, 5), "가" * 130_000, "inclusive", SpanKeys())
