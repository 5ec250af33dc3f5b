"""Values that are written out, in YAML: what is none of them, or grows in reading, is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.plain_yaml import MOST_CHARACTERS, NoPlainYamlError, read_plain, write_plain

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@given(TREES)
def test_what_is_written_is_read_back(tree):
    assert read_plain(write_plain(tree)) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("2026-01-02", "2026-01-02"), ("2026-13-45", "2026-13-45"), ("=", "=")),
        *(("1e-5", 1e-5), ("", None), ("[1, 2]", [1, 2]), ("2026-01-02 03:04:05", None)),
    ],
)
def test_dates_are_texts(text, value):
    assert read_plain(text) == (text if value is None and text else value)


def test_what_is_merged_twice_keeps_its_own_keys():
    tree = read_plain("p: {b: &b {<<: &a {x: 1, y: 2}, x: 3}}\nc: {<<: *b, z: 4}")
    assert tree == {"p": {"b": {"x": 3, "y": 2}}, "c": {"x": 3, "y": 2, "z": 4}}
    with pytest.raises(NoPlainYamlError, match="twice"):
        read_plain("b: {<<: {x: 1, x: 2}}")


def doubling(levels, merge=""):
    """Aliases that double at each level, as lists or as merged keys."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x, x]"]
    for i in range(1, levels):
        pair = f"*a{i - 1}, *a{i - 1}"
        lines.append(f"a{i}: &a{i} {{<<: [{pair}]}}" if merge else f"a{i}: &a{i} [{pair}]")
    return "\n".join(lines)


BAD = {
    "aliases that double": doubling(60),
    "merges that double": doubling(60, "<<"),
    "a list in itself": "&a [*a]",
    "a mapping in itself": "&a {b: *a}",
    "nested lists": "[" * 100_000,
    "nested and closed": "[" * 300 + "]" * 300,
    "nested mappings": "{a: " * 300 + "}" * 300,
    "nested blocks": "\n".join("- " * 300 for _ in range(1)) + "a",
    "a long number": "1" * 5_000,
    "a long text": "a" * (MOST_CHARACTERS + 1),
    "many values": "[" + "1, " * 200_000 + "]",
    "a call": "!!python/object/apply:os.getcwd []",
    "a timestamp": "!!timestamp x",
    "a set": "!!set {a, b}",
    "bytes": "!!binary x",
    "an integer that is none": "!!int x",
    "a float that is none": "!!float ''",
    "an empty integer": "!!int ''",
    "a truth value that is none": "!!bool x",
    "a tag of one's own": "!x y",
    "a list as a mapping": "!!map [a]",
    "a key that is a list": "? [a]\n: b",
    "a key that stands twice": "{a: 1, a: 2}",
    "an alias of nothing": "*a",
    "two documents": "a: 1\n---\na: 2\n",
    "a zero byte": "\0",
    "half a character": "\ud800",
    "an underscore": "!!int _",
    "base 60": "!!int 1:_",
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_at_once(name):
    started = time.process_time()
    with pytest.raises(NoPlainYamlError) as caught:
        read_plain(BAD[name])
    assert str(caught.value) and time.process_time() - started < 20
