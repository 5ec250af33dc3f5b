"""Rows that repeat one another, against a search of all pairs."""

from hypothesis import given
from hypothesis import strategies as st

from relx.data.rows.repeats import repeated, shared


@given(st.lists(st.integers(0, 5)))
def test_a_group_holds_every_row_of_its_key_and_keys_of_one_row_have_none(keys):
    groups = repeated(keys)
    for group in groups:
        assert group == [row for row, key in enumerate(keys) if key == keys[group[0]]]
    assert groups == sorted(groups)
    in_groups = {row for group in groups for row in group}
    assert in_groups == {row for row, key in enumerate(keys) if keys.count(key) > 1}


def test_shared_sentences_are_found_in_every_row_that_has_them():
    assert shared(iter(["가", "나"]), iter(["나", "다", "나"])) == [0, 2]
    assert shared([], ["가"]) == []
