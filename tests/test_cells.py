"""Typed cells mean what the same cells would mean as text, and are plain Python values."""

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.formats import cells
from relx.data.formats.cells import NoText, bounded, cell
from relx.faults import InputError


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (1.0, 1),
        (-0.0, 0),
        (np.float64(3), 3),
        (np.float32(0.5), 0.5),
        (np.int8(7), 7),
        (2**70, 2**70),
        (Decimal("12.00"), 12),
        (Decimal("1.50"), 1.5),
        (True, True),
        (math.inf, math.inf),
        (None, ""),
        (math.nan, ""),
        (np.float32("nan"), ""),
        (pd.NaT, ""),
        ("", ""),
        (" 1.0", " 1.0"),
        ({"word": "가", "start_idx": 4.0, "text": None}, {"word": "가", "start_idx": 4}),
        ([("word", "가"), ("start_idx", 4)], {"word": "가", "start_idx": 4}),
        ([0.5, np.float16(0.5), None], [0.5, 0.5, None]),
    ],
)
def test_a_typed_cell_is_what_its_text_would_mean(value, plain):
    found = cell(value)
    assert found == plain and type(found) is type(plain)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime.date(2024, 1, 2), "a date: 2024-01-02"),
        (pd.Timestamp(2024, 1, 2, 3), "a date: 2024-01-02 03:00:00"),
        (datetime.time(3, 4), "a time: 03:04:00"),
        (pd.Timedelta(hours=1), "a time: 0 days 01:00:00"),
        (b"\xb0\xa1", "bytes: b'\\xb0\\xa1'"),
        (2.0**53, "a number whose last digits are lost: 9007199254740992.0"),
        (1j, "a value of type complex: 1j"),
    ],
)
def test_what_no_text_stands_for_says_what_it_is(value, shown):
    found = cell(value)
    assert isinstance(found, NoText) and repr(found) == shown
    assert cell({"end_idx": value}) == {"end_idx": found}


numbers = st.integers(-(2**62), 2**62) | st.floats()
scalars = (
    st.none()
    | st.booleans()
    | st.text()
    | numbers
    | st.integers(-(2**31), 2**31 - 1).map(np.int32)
    | st.floats(width=32).map(np.float32)
    | st.decimals(allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(values)
def test_no_scalar_of_a_library_is_left(value):
    json.dumps(cell(value), default=str_of_no_text)


def str_of_no_text(value):
    """What `json.dumps` asks for a value that is no plain one, which only `NoText` may be."""
    assert type(value) is NoText
    return str(value)


def test_more_cells_than_any_data_set_has_are_refused(monkeypatch):
    monkeypatch.setattr(cells, "MOST_CELLS", 5)
    path, rows = Path("a.xlsx"), [["a", "b"]] * 3
    assert len(list(bounded(path, rows[:2]))) == 2
    with pytest.raises(InputError, match="unpacks to more than relx reads"):
        list(bounded(path, rows))
