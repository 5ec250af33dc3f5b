import time

import pytest

from relx.faults import Fault, nearest, shorten

SLIPS = [
    ("trian", "train"),
    ("per:spous", "per:spouse"),
    ("from_train", "from-train"),
    ("ID", "id"),
    ("Sentence", "sentence"),
    ("q_prj", "q_proj"),
    ("attn.c_proj", "c_proj"),
    ("klu", "klue"),
    ("robreta", "roberta"),
    ("관계없음", "관계 없음"),
]
OTHERS = [
    ("rembert", "bert"),
    ("albert", "bert"),
    ("deberta", "roberta"),
    ("xlm-roberta", "roberta"),
    ("distilbert", "bert"),
    ("subject_type", "subject_entity"),
    ("entities", "sentence"),
    ("id", "idx"),
    ("가람", "나람"),
    ("", "a"),
    ("a", ""),
]


@pytest.mark.parametrize(("name", "meant"), SLIPS)
def test_a_slip_of_the_pen_is_understood(name, meant):
    assert nearest(name, ["something", meant, "else"]) == meant


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_another_name_is_not_taken_for_a_slip(name, other):
    assert nearest(name, [other]) is None


def test_of_several_the_nearest_is_named():
    assert nearest("org:member", ["org:member_of", "org:members"]) == "org:members"


def test_long_names_take_no_time():
    began = time.process_time()
    assert nearest("a" * 60_000, ["a" * 60_001] * 100) is None
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "value",
    [
        *("a", "", 1, None, (), [], {}, (1,), (1, 2), [1, [2, (3,)]], {"a": {"b": [None, 1.5]}}),
        *(b"x", {1, 2}, "it's", frozenset(), 10**60, True, {"a": ()}),
    ],
)
def test_a_short_value_is_shown_as_python_shows_it(value):
    assert shorten(value) == repr(value)


def doubled(times):
    """A list that is small in memory, and of 2 ** times numbers when it is written out."""
    value = [1]
    for _ in range(times):
        value = [value, value]
    return value


def nested(depth, of=list):
    value = 1
    for _ in range(depth):
        value = [value] if of is list else {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        *("a" * 10**7, ["a"] * 10**6, doubled(200), nested(100_000), nested(100_000, dict)),
        *(10**100_000, -(10**100_000), {"a": 10**100_000}, dict.fromkeys(range(10**6))),
    ],
    ids=range(9),
)
def test_a_large_value_is_cut_at_once(value):
    text = shorten(value)
    assert len(text) <= 80 and ("…" in text or "digits" in text)


@pytest.mark.parametrize("text", ["a" * 10**6, "\n".join("abc" for _ in range(1000)), "\n" * 10**6])
@pytest.mark.parametrize("part", ["what", "where", "received", "allowed", "next_step"])
def test_no_message_is_longer_than_anybody_reads(part, text):
    said = str(Fault(**({"what": "wrong"} | {part: text})))
    assert len(said) < 1200 and said.count("\n") <= 10 and "…" in said
