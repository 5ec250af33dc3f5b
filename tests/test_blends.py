"""Means, weights and selection of several sets of predictions, against numpy by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.labels import LabelList
from relx.data.rows.gold_rows import GoldRow
from relx.ensemble import Blending, measure
from relx.faults import InputError
from relx.recipe import DecideSection
from relx.score import ScoredRows
from relx.scoring.blending.means import blended, ranks
from relx.scoring.blending.weights import (
    agreement,
    likeliest_weights,
    likelihoods,
    parts_of,
    selected,
)
from relx.scoring.decisions.any_of import any_of

LABELS = LabelList(("none", "a", "b"), "none")
A = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
B = np.array([[0.2, 0.5, 0.3], [0.3, 0.3, 0.4]])
members = st.integers(2, 4).flatmap(
    lambda count: st.lists(st.integers(0, 2**32 - 1), min_size=count, max_size=count)
)
kinds = st.sampled_from(["probabilities", "log", "ranks"])


def drawn(seed, rows=7, labels=3, many=False):
    rng = np.random.default_rng(seed)
    return rng.random((rows, labels)) if many else rng.dirichlet(np.ones(labels), rows)


def test_means_are_what_they_say():
    np.testing.assert_allclose(
        blended([A, B], [3, 1], "probabilities", many=False), (3 * A + B) / 4
    )
    geometric = A**0.75 * B**0.25
    expected = geometric / geometric.sum(1, keepdims=True)
    np.testing.assert_allclose(blended([A, B], [3, 1], "log", many=False), expected)
    odds = 0.75 * np.log(A / (1 - A)) + 0.25 * np.log(B / (1 - B))
    np.testing.assert_allclose(blended([A, B], [3, 1], "log", many=True), 1 / (1 + np.exp(-odds)))
    np.testing.assert_allclose(ranks(A), [[1, 0.5, 0.5], [0.5, 1, 1]])
    np.testing.assert_allclose(
        ranks(np.array([[0.4], [0.4], [0.1]])), [[2.5 / 3], [2.5 / 3], [1 / 3]]
    )
    mean = 0.5 * ranks(A) + 0.5 * ranks(B)
    np.testing.assert_allclose(blended([A, B], [1, 1], "ranks", many=True), mean)
    scaled = mean / mean.sum(1, keepdims=True)
    np.testing.assert_allclose(blended([A, B], [1, 1], "ranks", many=False), scaled)


@settings(max_examples=60, deadline=None)
@given(seeds=members, kind=kinds, many=st.booleans(), data=st.data())
def test_what_holds_of_every_mean(seeds, kind, many, data):
    shares = [drawn(seed, many=many) for seed in seeds]
    weights = [data.draw(st.floats(0.1, 3)) for _ in shares]
    found = blended(shares, weights, kind, many=many)
    assert (found >= 0).all() and (found <= 1 + 1e-12).all()
    if not many:
        np.testing.assert_allclose(found.sum(1), 1)
    order = data.draw(st.permutations(range(len(shares))))
    other = blended([shares[i] for i in order], [weights[i] for i in order], kind, many=many)
    np.testing.assert_allclose(found, other, atol=1e-12)
    np.testing.assert_allclose(found, blended(shares, np.array(weights) * 7, kind, many=many))
    if kind != "ranks":
        same = blended([shares[0]] * 3, [1, 2, 3], kind, many=many)
        np.testing.assert_allclose(same, shares[0], atol=1e-9)


def test_a_probability_of_zero_forbids_nothing():
    found = blended([np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])], [1, 1], "log", many=False)
    assert np.isfinite(found).all() and 0 < found[0, 1] < 1e-5
    assert np.isfinite(blended([np.array([[1.0, 0.0]])] * 2, [1, 1], "log", many=True)).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), many=st.booleans())
def test_found_weights_are_the_likeliest(seed, many):
    shares = [drawn(seed + i, rows=40, many=many) for i in range(3)]
    rng = np.random.default_rng(seed)
    gold = rng.random((40, 3)) < 0.4 if many else np.eye(3, dtype=bool)[rng.integers(3, size=40)]
    given_ = likelihoods(shares, gold, many=many)
    assert given_.shape == (3, 120 if many else 40)
    weights = likeliest_weights(given_)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    best = np.log(weights @ given_).mean()
    steps = np.linspace(0, 1, 21)
    for a, b in itertools.product(steps, steps):
        if a + b <= 1:
            assert np.log(np.array([a, b, 1 - a - b]) @ given_).mean() <= best + 1e-6


def test_a_member_that_knows_nothing_gets_no_weight():
    gold = np.arange(300) % 3
    rng = np.random.default_rng(0)
    good = np.full((300, 3), 0.05)
    good[np.arange(300), np.where(rng.random(300) < 0.9, gold, (gold + 1) % 3)] = 0.9
    given_ = likelihoods([good, drawn(1, rows=300)], np.eye(3, dtype=bool)[gold], many=False)
    weights = likeliest_weights(given_)
    assert weights[0] > 0.85


def test_selection_takes_the_best_first_and_one_may_come_again():
    values = {0: 1.0, 1: 3.0, 2: 2.0}
    calls = []

    def blend(chosen):
        calls.append(list(chosen))
        return np.array([[np.mean([values[one] for one in chosen])]])

    def score(found):
        return -abs(float(found[0, 0]) - 2.75), 0.0

    counts = selected([np.zeros((1, 1))] * 3, score, 4, blend)
    # 3, then 3+2 = 2.5 or 3+3 = 3 (first: the tie goes to the first), then 2.67, then 2.75.
    assert calls[:3] == [[0], [1], [2]]
    assert counts.tolist() == [0, 0.75, 0.25]
    assert selected([np.zeros((1, 1))] * 3, score, 1, blend).tolist() == [0, 1, 0]


def test_parts_keep_sentences_together_and_cover_all():
    sentences = [f"문장 {i % 23}" for i in range(100)]
    parts = parts_of(sentences, 10)
    assert set(parts.tolist()) == set(range(10))
    of_sentence = {}
    for sentence, part in zip(sentences, parts.tolist(), strict=True):
        assert of_sentence.setdefault(sentence, part) == part
    assert set(parts_of(["a", "b", "a"], 10).tolist()) == {0, 1}


def test_agreement_counts_rows_that_are_alike_in_all_labels():
    one, two = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 2])
    np.testing.assert_allclose(agreement([one, two]), [[1, 0.5], [0.5, 1]])
    cells = [np.array([[1, 0], [1, 1]], bool), np.array([[1, 0], [1, 0]], bool)]
    assert agreement(cells)[0, 1] == 0.5


def rows_of(shares, gold, name="x"):
    return ScoredRows(
        name=name,
        gold_file="gold.csv",
        examples=[GoldRow(f"r{i}", None, f"문장 {i}") for i in range(len(gold))],
        labels=LABELS,
        gold=np.asarray(gold),
        predicted=shares.argmax(1),
        probabilities=shares,
    )


def good_and_noise(count=400):
    """A member that is right in two rows of three, and two that know nothing."""
    rng = np.random.default_rng(4)
    gold = np.arange(count) % 3
    good = np.full((count, 3), 0.15)
    good[
        np.arange(count), np.where(rng.random(count) < 0.66, gold, rng.integers(3, size=count))
    ] = 0.7
    noise = [np.eye(3)[rng.integers(3, size=count)] * 0.85 + 0.05 for _ in range(2)]
    return [rows_of(shares, gold, f"m{i}") for i, shares in enumerate([good, *noise])]


@pytest.mark.parametrize("blending", [Blending("found"), Blending("selected", rounds=6)])
def test_a_gain_is_told_where_there_is_one(blending):
    found = measure(good_and_noise(), blending, draws=200)
    assert found.weights[0] > 0.8 and found.weights.sum() == pytest.approx(1)
    assert found.gain.low > 0 and "better than equal" in found.says
    assert found.cross_fitted.scores().micro_f1 > found.equal.scores().micro_f1
    tree = found.to_json()
    assert tree["gain"]["low"] == found.gain.low and len(tree["members"]) == 3


def test_no_gain_is_told_where_members_are_equal():
    rng = np.random.default_rng(1)
    gold = np.arange(300) % 3
    alike = []
    for i in range(3):
        shares = np.full((300, 3), 0.15)
        right = np.where(rng.random(300) < 0.6, gold, rng.integers(3, size=300))
        shares[np.arange(300), right] = 0.7
        alike.append(rows_of(shares, gold, f"m{i}"))
    found = measure(alike, Blending("found"), draws=200)
    assert "no better than equal ones: take those" in found.says
    right = np.stack([rows.predicted == gold for rows in alike])
    assert found.oracle == pytest.approx(100 * right.any(0).mean())


def test_each_part_is_blended_by_the_weights_of_the_others():
    members_ = good_and_noise(90)
    found = measure(members_, Blending("found"), draws=40)
    parts = parts_of([row.sentence for row in members_[0].examples], 10)
    shares, gold = [m.probabilities for m in members_], np.eye(3, dtype=bool)[members_[0].gold]
    own = parts == 4
    others = likelihoods([s[~own] for s in shares], gold[~own], many=False)
    expected = blended(shares, likeliest_weights(others), "probabilities", many=False)[own]
    np.testing.assert_allclose(found.cross_fitted.probabilities[own], expected)


def test_cut_offs_of_a_blend_are_its_own():
    rng = np.random.default_rng(2)
    decision = any_of(DecideSection(labels="many"))
    gold = rng.random((120, 3)) < 0.3
    shares = [np.clip(gold * 0.3 + rng.random((120, 3)) * 0.5, 0, 1) for _ in range(2)]
    both = [
        ScoredRows(
            name=f"m{i}",
            gold_file="g",
            examples=[GoldRow(f"r{j}", None, f"문장 {j}") for j in range(120)],
            labels=LABELS,
            gold=gold,
            predicted=share >= 0.5,
            probabilities=share,
            decision=decision.fitted(gold, share, [f"문장 {j}" for j in range(120)], LABELS),
        )
        for i, share in enumerate(shares)
    ]
    found = measure(both, Blending(), draws=40)
    mean = sum(shares) / 2
    expected = decision.fitted(gold, mean, [f"문장 {j}" for j in range(120)], LABELS)
    assert found.blend.decision.cutoffs == expected.cutoffs
    assert found.gain is None and found.says == ""


@pytest.mark.parametrize(
    ("blending", "says"),
    [
        (Blending("given", given=(1.0,)), "each member needs a weight"),
        (Blending("given", given=(1.0, -1.0)), "numbers from 0 on"),
        (Blending("given", given=(0.0, 0.0)), "not all 0"),
        (Blending("given", given=(float("nan"), 1.0)), "numbers from 0 on"),
        (Blending("found", "log"), "found for the mean of probabilities"),
    ],
)
def test_what_does_not_go_together_is_refused(blending, says):
    with pytest.raises(InputError, match=says):
        blending.require(2)
