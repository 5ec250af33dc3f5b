from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.rows.splits import split
from relx.faults import InputError
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example


def example(i, sentence, label, group=""):
    entity = Entity(sentence, Span(0, len(sentence)), "PER")
    return Example(str(i), sentence, entity, entity, label, group=group)


def examples_of(pairs):
    return [example(i, f"문장 {sentence}", label) for i, (sentence, label) in enumerate(pairs)]


rows = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=80)


@settings(max_examples=80, deadline=None)
@given(pairs=rows, folds=st.integers(2, 6), seed=st.integers(0, 2**32 - 1))
def test_folds_part_the_rows_and_no_sentence_is_on_both_sides(pairs, folds, seed):
    examples = examples_of(pairs)
    if len({sentence for sentence, _ in pairs}) < folds:
        with pytest.raises(InputError):
            split(examples, folds, 0, seed)
        return
    parts = [split(examples, folds, fold, seed) for fold in range(folds)]
    assert sorted(np.concatenate([dev for _, dev in parts])) == list(range(len(examples)))
    for train, dev in parts:
        assert len(train) and len(dev)
        assert sorted([*train, *dev]) == list(range(len(examples)))
        assert not {examples[i].sentence for i in train} & {examples[i].sentence for i in dev}


grouped = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["", "가", "나", "다", "라", "마"])),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(pairs=grouped, folds=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_neither_a_sentence_nor_a_group_is_on_both_sides(pairs, folds, seed):
    examples = [example(i, f"문장 {s}", "ab"[i % 2], group) for i, (s, group) in enumerate(pairs)]
    try:
        parts = [split(examples, folds, fold, seed) for fold in range(folds)]
    except InputError as error:
        assert "different" in error.faults[0].received
        return
    assert sorted(np.concatenate([dev for _, dev in parts])) == list(range(len(examples)))
    for train, dev in parts:
        assert len(train) and len(dev)
        for part in (lambda row: row.sentence, lambda row: row.group or None):
            left, right = ({part(examples[i]) for i in side} for side in (train, dev))
            assert not (left & right) - {None}


def test_groups_join_the_sentences_that_they_share():
    # A sentence in two groups makes one part of both: 가 and 나 are tied by sentence 1.
    rows = [(0, "가"), (1, "가"), (1, "나"), (2, "나"), (3, ""), (4, "다")]
    examples = [example(i, f"문장 {s}", "a", group) for i, (s, group) in enumerate(rows)]
    sides = {tuple(split(examples, 3, fold, 5)[1].tolist()) for fold in range(3)}
    assert sides == {(0, 1, 2, 3), (4,), (5,)}
    with pytest.raises(InputError, match="too few groups"):
        split(examples, 4, 0, 5)


def test_without_groups_a_split_is_the_one_that_it_was():
    examples = examples_of((i // 2, "abc"[i % 3]) for i in range(30))
    assert split(examples, 5, 2, 11)[1].tolist() == WAS


WAS = [0, 1, 2, 3, 16, 17]  # noted before there were groups


def test_every_fold_has_its_share_of_every_label():
    labels = ["none"] * 300 + ["parent"] * 100 + ["sibling"] * 41 + ["rare"] * 3
    examples = examples_of(enumerate(labels))
    for fold in range(10):
        _, dev = split(examples, 10, fold, 7)
        count = Counter(examples[i].label for i in dev)
        assert count["none"] == 30 and count["parent"] == 10
        assert count["sibling"] in (4, 5) and count["rare"] in (0, 1)


def test_large_groups_of_one_sentence_are_balanced_too():
    examples = examples_of((i % 40, "abcd"[i % 4]) for i in range(400))
    sizes = [len(split(examples, 5, fold, 0)[1]) for fold in range(5)]
    assert sizes == [80] * 5


def test_a_seed_gives_one_split_and_another_seed_another():
    examples = examples_of((i, "ab"[i % 2]) for i in range(60))
    first, again, other = (split(examples, 5, 1, seed)[1].tolist() for seed in (3, 3, 4))
    assert first == again != other


def test_more_folds_than_sentences_is_a_fault():
    examples = examples_of([(0, "a"), (0, "b"), (1, "a")])
    with pytest.raises(InputError) as caught:
        split(examples, 3, 0, 0)
    (fault,) = caught.value.faults
    assert "3 rows with 2 different sentences" in fault.received
    assert "data.folds: 2" in fault.next_step


def test_no_rows_is_a_fault():
    with pytest.raises(InputError):
        split([], 2, 0, 0)
