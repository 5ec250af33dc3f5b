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


def example(i, sentence, label):
    entity = Entity(sentence, Span(0, len(sentence)), "PER")
    return Example(str(i), sentence, entity, entity, label)


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
