import time

import pytest

from relx.faults import nearest

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
