"""Predictions in a file: what is read back is what was written, and nothing else is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from relx.faults import InputError
from relx.scoring.predictions import Predictions

TEXTS = st.lists(st.text(max_size=8), min_size=1, max_size=6).map(tuple)


def same(one, other):
    gold = one.gold is other.gold is None or np.array_equal(one.gold, other.gold)
    both = np.array_equal(one.probabilities, other.probabilities)
    return gold and both and (one.ids, one.labels) == (other.ids, other.labels)


@given(TEXTS, TEXTS, st.sampled_from(["none", "one", "any"]), st.data())
def test_what_is_written_is_read_back(tmp_path_factory, ids, labels, kind, data):
    path = tmp_path_factory.mktemp("kept") / "dev.npz"
    shape = (len(ids), len(labels))
    values = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1)))
    gold = {"none": None, "one": np.zeros(shape[0], np.int32), "any": np.ones(shape, np.float32)}
    kept = Predictions(ids, gold[kind], values, labels)
    kept.save(path)
    assert same(Predictions.load(path), kept)
    before = path.read_bytes()
    kept.save(path)
    assert path.read_bytes() == before


def test_a_text_may_end_in_a_zero_character(tmp_path):
    kept = Predictions(("a\0", "가\0\0"), None, np.eye(2), ("x", "y\0"))
    kept.save(tmp_path / "dev.npz")
    found = Predictions.load(tmp_path / "dev.npz")
    assert (found.ids, found.labels) == (kept.ids, kept.labels)


def damaged(path, how):
    whole = path.read_bytes()
    if how == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "no archive":
        path.write_bytes(b"id,pred_label\n")
    elif how == "empty":
        path.write_bytes(b"")
    elif how in ("another compression", "another version"):
        content = bytearray(path.read_bytes())
        entry = content.rindex(b"PK\x01\x02")  # of the archive's list of files
        content[entry + (10 if how == "another compression" else 6)] = 99
        path.write_bytes(bytes(content))
    else:
        with np.load(path) as file:
            held = dict(file)
        news = {"another format": {"format": np.array(9)}, "a pickle": {"gold": np.array([{}])}}
        news["fewer ids"] = {"ids": np.frombuffer(b"[]", np.uint8)}
        np.savez(path, allow_pickle=True, **(held | news[how]))


KINDS = [
    "another compression",
    "another version",
    "cut off",
    "no archive",
    "empty",
    "another format",
    "a pickle",
    "fewer ids",
]


@pytest.mark.parametrize("how", KINDS)
def test_a_file_that_is_not_whole_or_not_ours_is_refused(how, tmp_path):
    path = tmp_path / "dev.npz"
    Predictions(("1",), np.zeros(1, np.int32), np.ones((1, 1)), ("x",)).save(path)
    damaged(path, how)
    with pytest.raises(InputError, match="these predictions"):
        Predictions.load(path)
