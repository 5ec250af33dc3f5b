"""Batches: every row once, few lengths, little padding, the same plan for the same seed."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relx.batches import (
    LADDER_MULTIPLE,
    LADDER_RUNGS,
    Feeder,
    ladder,
    padded,
    padding_share,
    reading_plan,
    training_plan,
)

LENGTHS = st.lists(st.integers(3, 200), min_size=1, max_size=120).map(np.array)


@given(LENGTHS, st.integers(1, 33), st.integers(1, 3), st.integers(0, 5))
def test_a_training_plan_takes_every_row_once(lengths, batch_size, multiple, epoch):
    plan = training_plan(lengths, batch_size, seed=7, epoch=epoch, multiple=multiple)
    taken = np.concatenate([batch.rows[: batch.real] for batch in plan])
    assert sorted(taken) == list(range(len(lengths)))
    assert len({len(batch.rows) for batch in plan}) == 1
    for batch in plan:
        assert len(batch.rows) % multiple == 0
        assert lengths[batch.rows].max() == batch.length
        assert batch.weights().sum() == batch.real


@given(LENGTHS, st.integers(1, 33))
def test_a_reading_plan_takes_every_row_once_and_the_longest_first(lengths, batch_size):
    plan = reading_plan(lengths, batch_size)
    taken = np.concatenate([batch.rows[: batch.real] for batch in plan])
    assert sorted(taken) == list(range(len(lengths)))
    assert [batch.length for batch in plan] == sorted((b.length for b in plan), reverse=True)


@given(LENGTHS, st.integers(1, 33))
def test_with_a_ladder_every_batch_has_one_of_its_lengths(lengths, batch_size):
    rungs = ladder(lengths)
    plan = training_plan(lengths, batch_size, seed=1, epoch=0, rungs=rungs)
    assert {batch.length for batch in plan} <= set(rungs)
    assert all(lengths[batch.rows].max() <= batch.length for batch in plan)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40).map(np.array), st.integers(1, 3))
def test_a_ladder_pads_as_little_as_any_other(lengths, count):
    def cost(rungs):
        return sum(min(rung for rung in rungs if rung >= length) for length in lengths)

    rungs = ladder(lengths, count)
    top = -(-int(lengths.max()) // LADDER_MULTIPLE) * LADDER_MULTIPLE
    below = range(LADDER_MULTIPLE, top, LADDER_MULTIPLE)
    others = itertools.chain.from_iterable(itertools.combinations(below, n) for n in range(count))
    assert cost(rungs) == min(cost((*other, top)) for other in others)


def test_a_ladder_has_at_most_six_rungs_and_holds_the_longest_row():
    lengths = np.random.default_rng(0).integers(10, 256, 5000)
    rungs = ladder(lengths)
    assert len(rungs) == LADDER_RUNGS
    assert rungs[-1] == 256
    assert list(rungs) == sorted(rungs)


def test_the_plan_is_a_function_of_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(10, 100, 300)

    def rows(seed, epoch):
        plan = training_plan(lengths, 16, seed=seed, epoch=epoch)
        return [list(batch.rows) for batch in plan]

    assert rows(1, 0) == rows(1, 0)
    assert rows(1, 0) != rows(1, 1)
    assert rows(1, 0) != rows(2, 0)
    in_one_batch = {frozenset(batch) for batch in rows(1, 0)}
    assert in_one_batch != {frozenset(batch) for batch in rows(1, 1)}


def test_sorting_by_length_keeps_padding_under_five_percent():
    lengths = np.random.default_rng(0).lognormal(3.8, 0.5, 8000).astype(int).clip(10, 256)
    plan = training_plan(lengths, 32, seed=0, epoch=0)
    assert padding_share(plan, lengths) < 5
    shuffled = np.random.default_rng(0).permutation(len(lengths)).reshape(-1, 32)
    naive = 1 - lengths.sum() / sum(32 * lengths[rows].max() for rows in shuffled)
    assert naive > 0.4  # what dynamic padding alone would waste


def test_padded_fills_on_the_right():
    rows = [np.array([1, 2], np.int32), np.array([3], np.int32)]
    assert padded(rows, 3, 9).tolist() == [[1, 2, 9], [3, 9, 9]]


def test_a_feeder_gives_each_batch_its_own_randomness_and_the_same_again():
    def assemble(batch, rng):
        inputs = {"token_ids": rng.integers(0, 1000, (len(batch.rows), batch.length))}
        return inputs, batch.rows, batch.weights()

    feeder = Feeder(np.full(20, 5), 4, 3, assemble)
    once, again = list(feeder.arrays(0)), list(feeder.arrays(0))
    assert len(once) == feeder.steps == 5
    for (a, _, _), (b, _, _) in zip(once, again, strict=True):
        assert (a["token_ids"] == b["token_ids"]).all()
    assert (once[0][0]["token_ids"] != once[1][0]["token_ids"]).any()
    other = next(feeder.arrays(1))
    assert (once[0][0]["token_ids"] != other[0]["token_ids"]).any()


def test_a_signature_leaves_open_what_the_length_decides():
    def assemble(batch, rng):
        size = len(batch.rows)
        inputs = {"token_ids": np.zeros((size, batch.length), np.int32)}
        inputs["spans"] = np.zeros((size, 2, 2), np.int32)
        return inputs, np.zeros(size, np.int32), batch.weights()

    inputs, targets, weights = Feeder(np.array([4, 9, 5]), 2, 0, assemble).signature()
    assert inputs["token_ids"] == ((2, None), np.dtype(np.int32))
    assert inputs["spans"] == ((2, 2, 2), np.dtype(np.int32))
    assert targets == ((2,), np.dtype(np.int32))
    assert weights == ((2,), np.dtype(np.float32))
