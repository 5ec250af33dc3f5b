"""A JSON list that is read a part at a time is what json reads as a whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.formats.json_list import NoJsonError, elements

SCALAR = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(10**20), 10**20)
VALUE = st.recursive(
    SCALAR | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
INDENT = st.sampled_from([None, 0, 2])


def blocks_of(text, sizes):
    """A text, cut into blocks of these sizes and a rest."""
    at = 0
    for size in sizes:
        yield text[at : at + size]
        at += size
    yield text[at:]


@given(st.lists(VALUE, max_size=5), INDENT, st.lists(st.integers(0, 5), max_size=60))
def test_the_elements_are_those_of_the_list(values, indent, sizes):
    text = f" \n{json.dumps(values, indent=indent, ensure_ascii=False)}\r\n "
    found = list(elements(blocks_of(text, sizes)))
    assert [value for _, value in found] == values
    assert found == list(elements([text]))


def test_a_number_may_be_cut_anywhere():
    text = "[1.5, 1e-5, -1E+3, 12345678901234567890.25, 7]"
    expected = list(elements([text]))
    for first in range(len(text)):
        for second in range(first, len(text)):
            blocks = [text[:first], text[first:second], text[second:]]
            assert list(elements(blocks)) == expected


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.lists(st.integers(0, 4)))
def test_each_has_the_line_that_it_begins_on(blank, sizes):
    text, lines = "[", []
    for i, count in enumerate(blank):
        text += ("," if i else "") + "\n" * count
        lines.append(text.count("\n") + 1)
        text += json.dumps({"a\n": i})
    assert [line for line, _ in elements(blocks_of(text + "\n]", sizes))] == lines


@given(
    st.lists(VALUE, min_size=1, max_size=4),
    st.data(),
    st.lists(st.integers(0, 7), max_size=30),
)
def test_what_is_cut_off_is_an_error_at_the_place_that_json_names(values, data, sizes):
    whole = json.dumps(values, indent=1)
    text = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(NoJsonError) as caught:
        list(elements(blocks_of(text, sizes)))
    assert caught.value.line == expected.value.lineno or "comma" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ('[{"a": 1},\n{"a": 2},\n]', 3, 1, "a comma before the closing bracket"),
        ('[{"a": 1}\n{"a": 2}]', 2, 1, "a comma or a closing bracket is missing"),
        ('[{"a": 1}]\n x', 2, 2, "text after the closing bracket"),
        ('[{"a": 1},\n {"a" 2}]', 2, 7, "':'"),
        ('[{"a": 1},\n {"a": "', 2, 8, "Unterminated string"),
    ],
)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_an_error_names_line_and_column(text, line, column, what, size):
    with pytest.raises(NoJsonError, match=f"line {line} column {column} ") as caught:
        list(elements(blocks_of(text, [size] * 40)))
    assert what in str(caught.value)


def test_no_more_is_read_than_is_asked_for():
    taken = []

    def blocks():
        for i in range(100):
            taken.append(i)
            yield ("[" if i == 0 else ", ") + json.dumps({"a": i}) + " "
        yield "]"

    found = elements(blocks())
    assert [next(found)[1]["a"] for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 6
    assert len(list(found)) == 97
