"""Label pickles: the competitions' are read, and nothing that runs, grows or nests."""

import pickle
import pickletools
import resource
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.plain_pickle import MOST_BYTES, read_plain_pickle
from relx.faults import InputError

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
NUMBERS = st.integers(-(2**70), 2**70)


@given(st.dictionaries(TEXTS | NUMBERS, TEXTS | NUMBERS, max_size=40), st.integers(0, 5))
@settings(deadline=None)
def test_every_plain_dictionary_is_read(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("labels") / "a.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert read_plain_pickle(path) == value


def python2(pairs):
    """A dictionary of byte strings, as Python 2 pickles them."""
    items = b"".join(b"U" + bytes([len(key)]) + key + b"K" + bytes([i]) for key, i in pairs)
    return b"\x80\x02}(" + items + b"u."


def test_a_pickle_of_python_2_is_read(tmp_path):
    (tmp_path / "a.pkl").write_bytes(python2([(b"no_relation", 0), (b"spouse", 1)]))
    assert read_plain_pickle(tmp_path / "a.pkl") == {"no_relation": 0, "spouse": 1}


def doubled(times):
    """A tuple of 2 ** times parts as a key, whose hash alone would take years."""
    return b"\x80\x02}(" + b"K\x01" + b"2\x86" * times + b"K\x01u."


BAD = {
    "a place in the memo for 4 GiB": b"\x80\x04}r\xff\xff\xff\x0f.",
    "a place in the memo, as text": b"}p268435455\n.",
    "a key that doubles": doubled(60),
    "a list in a list": b"\x80\x02]" * 50_000 + b"a" * 49_999 + b".",
    "a number of a million digits": b"\x80\x02}(U\x01a\x8b"
    + struct.pack("<i", 900_000)
    + b"\x01" * 900_000
    + b"u.",
    "a text longer than the file": b"\x80\x04}X\xff\xff\xff\x7fabc.",
    "bytes longer than the file": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "a frame longer than the file": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
    "a call by name": b"cos\ngetcwd\n(tR.",
    "a call from the stack": pickle.dumps(print, 4),
    "an extension": b"\x80\x02\x82\x01.",
    "an object of elsewhere": b"Pabc\n.",
    "nothing on the stack": b"\x80\x02u.",
    "many parts": b"\x80\x02}" + b"}0" * 200_000 + b".",
    "too many bytes": b"\x80\x02}X" + struct.pack("<i", MOST_BYTES) + b"a" * MOST_BYTES + b"0.",
    "floats": pickle.dumps({"a": 1.5}),
    "a list": pickle.dumps(["a", "b"]),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_before_it_is_loaded(name, tmp_path):
    (tmp_path / "a.pkl").write_bytes(BAD[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"dictionary of labels|run code"):
        read_plain_pickle(tmp_path / "a.pkl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_what_would_be_called_is_named(tmp_path):
    for protocol in range(6):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": pickletools.dis}, protocol))
        with pytest.raises(InputError) as caught:
            read_plain_pickle(tmp_path / "a.pkl")
        assert "pickletools.dis" in caught.value.faults[0].received
