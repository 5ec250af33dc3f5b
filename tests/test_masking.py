import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapt.masking import draw_masks, slots

MASK, RANDOM_IDS = 4, np.arange(1000, 1010, dtype=np.int32)


def draw(units, seed=0, rate=0.15, room=None, token_ids=None, rng=None):
    units = np.array(units, np.int32)
    if token_ids is None:
        token_ids = 10 + np.arange(units.size, dtype=np.int32).reshape(units.shape) % 900
    room = slots(units.shape[1], rate) if room is None else room
    rng = rng or np.random.default_rng(seed)
    arguments = {"rate": rate, "slots": room, "mask_id": MASK, "random_ids": RANDOM_IDS}
    return token_ids, draw_masks(token_ids, units, rng, **arguments)


def single_tokens(batch, length):
    """Rows of [CLS], tokens that are units by themselves, [SEP] and two of padding."""
    units = np.full((batch, length), -1)
    units[:, 1:-3] = np.arange(length - 4)
    return units


def pairs(batch, length):
    units = single_tokens(batch, length)
    return np.where(units >= 0, units // 2, -1)


@st.composite
def unit_rows(draw):
    length = draw(st.integers(4, 24))
    rows = st.lists(st.integers(-1, 7), min_size=length, max_size=length)
    return np.array(draw(st.lists(rows, min_size=1, max_size=4)), np.int32)


@settings(deadline=None)
@given(unit_rows(), st.integers(0, 99), st.floats(0.05, 0.6))
def test_what_is_chosen(units, seed, rate):
    token_ids, masked = draw(units, seed, rate)
    restored = masked.token_ids.copy()
    for row in range(len(units)):
        chosen = masked.positions[row][masked.weights[row] > 0]
        count = len(chosen)
        eligible = int((units[row] >= 0).sum())
        budget = max(1, int(np.rint(rate * eligible)))
        numbers, sizes = np.unique(units[row][units[row] >= 0], return_counts=True)
        assert list(chosen) == sorted(set(chosen))  # each once
        assert (units[row][chosen] >= 0).all()
        assert (count > 0) == (eligible > 0)
        if eligible and sizes.min() <= budget:
            assert count <= budget
            left = [n for n in numbers if n not in units[row][chosen]]
            assert all((units[row] == n).sum() > budget - count for n in left)  # nothing else fits
            for number in set(units[row][chosen]):  # whole units
                assert set(np.nonzero(units[row] == number)[0]) <= set(chosen)
        elif eligible:  # every unit is larger than the budget: the smallest, as far as slots go
            assert len(set(units[row][chosen])) == 1
            assert count == min(sizes.min(), slots(units.shape[1], rate))
        np.testing.assert_array_equal(masked.targets[row][:count], token_ids[row][chosen])
        for part in (masked.positions, masked.targets, masked.weights):
            assert not part[row][count:].any()
        restored[row][chosen] = masked.targets[row][:count]
    np.testing.assert_array_equal(restored, token_ids)
    assert masked.weights.shape == (len(units), slots(units.shape[1], rate))


def test_types_are_what_a_model_is_fed():
    _, masked = draw(single_tokens(2, 32))
    kinds = [getattr(masked, n).dtype for n in ("token_ids", "positions", "targets", "weights")]
    assert kinds == [np.int32, np.int32, np.int32, np.float32]


@pytest.mark.parametrize("units", [single_tokens(64, 104), pairs(64, 104)])
def test_the_rate_and_the_even_chance_of_every_token(units):
    rng = np.random.default_rng(3)
    times = np.zeros(units.shape[1])
    for _ in range(100):
        _, masked = draw(units, rng=rng)
        np.add.at(times, masked.positions[masked.weights > 0], 1)
    share = times[1:-3] / (100 * len(units))
    expected = (15 if units.max() > 60 else 14) / 100  # pairs fill 14 of 15
    assert share.mean() == pytest.approx(expected, abs=1e-9)
    assert np.abs(share - expected).max() < 0.025
    assert times[0] == times[-3:].sum() == 0


def test_eighty_ten_ten():
    units, rng = single_tokens(64, 128), np.random.default_rng(5)
    token_ids = np.full(units.shape, 77, np.int32)
    seen = []
    for _ in range(40):
        _, masked = draw(units, rng=rng, token_ids=token_ids)
        rows, slot = np.nonzero(masked.weights)
        seen.append(masked.token_ids[rows, masked.positions[rows, slot]])
    seen = np.concatenate(seen)
    assert np.mean(seen == MASK) == pytest.approx(0.8, abs=0.01)
    assert np.mean(seen == 77) == pytest.approx(0.1, abs=0.01)
    counts = [np.mean(seen == id) for id in RANDOM_IDS]
    assert sum(counts) == pytest.approx(0.1, abs=0.01)
    assert max(counts) - min(counts) < 0.005


def test_a_seed_draws_the_same_masks_and_another_seed_others():
    units = single_tokens(8, 64)
    first, again, other = (draw(units, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.token_ids, again.token_ids)
    np.testing.assert_array_equal(first.positions, again.positions)
    assert (first.positions != other.positions).any()
    rng = np.random.default_rng(1)  # the next draw of one generator: another epoch
    one, two = (draw(units, rng=rng)[1] for _ in range(2))
    assert (one.positions != two.positions).any()


def test_the_tokens_given_stay_as_they_are():
    token_ids, masked = draw(single_tokens(4, 64))
    before = token_ids.copy()
    assert (masked.token_ids != token_ids).any()
    np.testing.assert_array_equal(token_ids, before)


def test_a_row_without_eligible_tokens_has_no_masks():
    token_ids, masked = draw([[-1, -1, -1, -1], [-1, 0, 1, -1]])
    assert masked.weights.sum(axis=1).tolist() == [0, 1]
    np.testing.assert_array_equal(masked.token_ids[0], token_ids[0])


def test_a_single_long_word_is_taken_as_far_as_the_slots_go():
    _, masked = draw([[-1, 0, 0, 0, 0, 0, 0, -1]])
    assert masked.weights.tolist() == [[1, 1]]
    assert masked.positions.tolist() == [[1, 2]]
    _, masked = draw([[-1, 0, 0, 0, 1, 1, 1, 1, -1]], room=5)
    assert masked.positions.tolist() == [[1, 2, 3, 0, 0]]  # the smaller word, whole


def test_slots_hold_the_budget_of_every_length():
    for length in range(1, 300):
        for rate in (0.01, 0.15, 0.3, 0.9):
            assert slots(length, rate) >= max(1, round(rate * length))
