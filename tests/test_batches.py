"""Batches: every row once, few lengths, little padding, the same plan for the same seed."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.batches import (
    BUCKET_MULTIPLE,
    BUCKETS,
    Feeder,
    choose_bucket_lengths,
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
def test_with_bucket_lengths_every_batch_has_one_of_them(lengths, batch_size):
    bucket_lengths = choose_bucket_lengths(lengths)
    plan = training_plan(lengths, batch_size, seed=1, epoch=0, bucket_lengths=bucket_lengths)
    assert {batch.length for batch in plan} <= set(bucket_lengths)
    assert all(lengths[batch.rows].max() <= batch.length for batch in plan)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40).map(np.array),
    st.integers(1, 3),
    st.integers(1, 9),
)
def test_bucket_lengths_pad_as_little_as_any_other(lengths, count, batch_size):
    def cost(bucket_lengths):
        return sum(
            batch.length
            for batch in reading_plan(lengths, batch_size, bucket_lengths=sorted(bucket_lengths))
        )

    bucket_lengths = choose_bucket_lengths(lengths, batch_size, buckets=count)
    top = -(-int(lengths.max()) // BUCKET_MULTIPLE) * BUCKET_MULTIPLE
    below = range(BUCKET_MULTIPLE, top, BUCKET_MULTIPLE)
    others = itertools.chain.from_iterable(itertools.combinations(below, n) for n in range(count))
    assert cost(bucket_lengths) == min(cost((*other, top)) for other in others)


def test_there_are_at_most_six_bucket_lengths_and_the_last_holds_the_longest_row():
    lengths = np.random.default_rng(0).integers(10, 256, 5000)
    bucket_lengths = choose_bucket_lengths(lengths)
    assert len(bucket_lengths) == BUCKETS
    assert bucket_lengths[-1] == 256
    assert list(bucket_lengths) == sorted(bucket_lengths)


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


def sentences(rows):
    """Lengths spread like those of sentences."""
    return np.random.default_rng(rows).lognormal(4.2, 0.37, rows).astype(int).clip(12, 256)


@pytest.mark.parametrize(("rows", "batch_size"), [(2000, 8), (2000, 16), (32470, 32), (32470, 64)])
def test_padding_stays_under_four_percent_and_batches_differ_from_epoch_to_epoch(rows, batch_size):
    lengths = sentences(rows)
    plans = [training_plan(lengths, batch_size, seed=0, epoch=epoch) for epoch in range(2)]
    assert all(3 < padding_share(plan, lengths) <= 4 for plan in plans)
    first, second = (together(plan, rows) for plan in plans)
    assert np.mean(first == second) < 0.2  # of two rows in a batch, few are together again
    shuffled = np.random.default_rng(0).permutation(rows)[: rows - rows % batch_size]
    in_turn = lengths[shuffled].reshape(-1, batch_size)
    assert 1 - in_turn.sum() / (batch_size * in_turn.max(1).sum()) > 0.3  # what padding alone costs


def together(plan, rows):
    """Another row that is in the same batch, for each row."""
    other = np.empty(rows, int)
    for batch in plan:
        real = np.sort(batch.rows[: batch.real])
        other[real] = np.roll(real, 1)
    return other


@given(LENGTHS, st.integers(1, 33), st.integers(0, 3))
def test_padding_is_hardly_more_than_that_of_batches_of_like_length(lengths, batch_size, epoch):
    plan = training_plan(lengths, batch_size, seed=2, epoch=epoch)
    least = padding_share(reading_plan(lengths, batch_size), lengths)
    assert padding_share(plan, lengths) <= max(4, least + 1) + 1e-9


@given(LENGTHS, st.integers(1, 33))
def test_no_batches_of_so_many_rows_need_less_padding_than_a_reading_plan(lengths, batch_size):
    least = padding_share(reading_plan(lengths, batch_size), lengths)
    rng = np.random.default_rng(0)
    size = min(batch_size, len(lengths))
    for _ in range(5):
        rows = rng.permutation(len(lengths))
        batches = np.split(rows, range(size, len(rows), size))
        slots = sum(size * lengths[batch].max() for batch in batches)
        assert least <= 100 * (1 - lengths.sum() / slots) + 1e-9


@given(LENGTHS, st.integers(1, 33), st.integers(0, 2))
def test_random_batches_of_a_bucket_cost_no_more_than_sorted_ones(lengths, batch_size, epoch):
    bucket_lengths = choose_bucket_lengths(lengths, batch_size)
    drawn = training_plan(lengths, batch_size, seed=5, epoch=epoch, bucket_lengths=bucket_lengths)
    in_order = reading_plan(lengths, batch_size, bucket_lengths=bucket_lengths)
    assert padding_share(drawn, lengths) == padding_share(in_order, lengths)


def test_the_batch_that_is_filled_up_has_the_shortest_rows():
    lengths = sentences(100)
    plan = training_plan(lengths, 16, seed=0, epoch=0)
    (last,) = (batch for batch in plan if batch.real < 16)
    assert last.real == 4
    assert last.length == min(batch.length for batch in plan)


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=5), min_size=1, max_size=6), st.data())
def test_padded_takes_rows_and_fills_on_the_right(rows, data):
    tokens = np.array([token for row in rows for token in row], np.uint16)
    offsets = np.cumsum([0, *map(len, rows)])
    taken = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=7))
    found = padded(tokens, offsets, np.array(taken, np.int64), 6, -1)
    assert found.dtype == np.int32
    assert found.tolist() == [rows[i] + [-1] * (6 - len(rows[i])) for i in taken]


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


def counting(batch, rng):
    """Arrays of which every row can be told apart, with randomness in the inputs."""
    noise = rng.random((len(batch.rows), batch.length)).astype(np.float32)
    weights = batch.weights() / np.float32(batch.real)
    return {"rows": batch.rows, "noise": noise}, batch.rows.astype(np.int32), weights


@given(LENGTHS, st.integers(1, 33), st.integers(1, 3), st.integers(1, 4))
def test_the_parts_of_a_batch_are_the_batch(lengths, batch_size, replicas, accumulate):
    feeder = Feeder(lengths, batch_size, 3, counting, multiple=replicas, accumulate=accumulate)
    whole = Feeder(lengths, batch_size, 3, counting, multiple=replicas * accumulate)
    parts = list(feeder.arrays(1))
    assert feeder.steps == whole.steps == len(feeder.plan(1))
    assert len(parts) == feeder.steps * feeder.parts
    for step, (inputs, targets, weights) in enumerate(whole.arrays(1)):
        own = parts[step * accumulate : (step + 1) * accumulate]
        assert {len(part[2]) % replicas for part in own} == {0}
        assert len({len(part[2]) for part in own}) == 1
        for name, array in inputs.items():
            assert (np.concatenate([part[0][name] for part in own]) == array).all()
        assert (np.concatenate([part[1] for part in own]) == targets).all()
        summed = np.mean([part[2] @ part[1] for part in own])  # targets stand for losses
        assert np.isclose(summed, weights @ targets, rtol=1e-5)


@given(LENGTHS, st.integers(1, 33), st.integers(1, 3), st.data())
def test_an_epoch_can_be_taken_up_at_any_step(lengths, batch_size, accumulate, data):
    feeder = Feeder(lengths, batch_size, 3, counting, accumulate=accumulate)
    first = data.draw(st.integers(0, feeder.steps))
    rest = list(feeder.arrays(2, first))
    expected = list(feeder.arrays(2))[first * accumulate :]
    assert len(rest) == len(expected)
    for (inputs, targets, _), (others, other_targets, _) in zip(rest, expected, strict=True):
        assert all((inputs[name] == others[name]).all() for name in others)
        assert (targets == other_targets).all()


def test_a_feeder_plans_an_epoch_once(monkeypatch):
    planned = []

    def plan(*args, epoch, **options):
        planned.append(epoch)
        return training_plan(*args, epoch=epoch, **options)

    monkeypatch.setattr("relx.data.batches.training_plan", plan)
    feeder = Feeder(np.arange(5, 50), 4, 0, counting)
    assert feeder.steps == feeder.steps == 12
    feeder.signature()
    assert planned == []
    for epoch in (0, 0, 1):
        feeder.plan(epoch)
        list(feeder.arrays(epoch, 3))
    assert planned == [0, 1]


def test_a_signature_is_that_of_a_part():
    inputs, targets, weights = Feeder(np.arange(5, 50), 8, 0, counting, accumulate=2).signature()
    assert inputs["noise"] == ((4, None), np.dtype(np.float32))
    assert targets == ((4,), np.dtype(np.int32))
    assert weights == ((4,), np.dtype(np.float32))
