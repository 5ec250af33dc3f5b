"""Means, weights and selection of several sets of predictions, against numpy by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relx.data.labels import LabelList
from relx.data.rows.gold_rows import GoldRow
from relx.ensemble import Blending, in_order, measure, require_same_labels
from relx.faults import InputError
from relx.recipe import DecideSection
from relx.score import ScoredRows
from relx.scoring.blending.agreement import agreement, parts_of
from relx.scoring.blending.means import blended, lifted, ranks
from relx.scoring.blending.quality import Quality, shared_cutoff
from relx.scoring.blending.selection import MOST, selected
from relx.scoring.blending.weights import TOLERANCE, likeliest_weights, likelihoods
from relx.scoring.decisions.any_of import any_of
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.decisions.thresholds import search

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
        alone = blended(shares, [1] + [0] * (len(shares) - 1), kind, many=many)
        np.testing.assert_allclose(alone, shares[0], atol=1e-9)
    else:
        one = blended(shares[:1], [1], kind, many=many)
        np.testing.assert_allclose(blended([shares[0]] * 3, [1, 2, 3], kind, many=many), one)


def test_a_probability_of_zero_forbids_nothing():
    found = blended([np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])], [1, 1], "log", many=False)
    assert np.isfinite(found).all() and 0 < found[0, 1] < 1e-5
    assert np.isfinite(blended([np.array([[1.0, 0.0]])] * 2, [1, 1], "log", many=True)).all()


def gold_and_shares(seed, many, rows=40):
    rng = np.random.default_rng(seed)
    shares = [drawn(seed + i, rows=rows, many=many) for i in range(3)]
    if many:
        return rng.random((rows, 3)) < 0.4, shares
    return np.eye(3, dtype=bool)[rng.integers(3, size=rows)], shares


def log_loss(shares, weights, kind, gold, many):
    found = blended(shares, weights, kind, many=many)
    return -np.log(likelihoods([found], gold, many=many)).mean()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    many=st.booleans(),
    kind=st.sampled_from(["probabilities", "log"]),
)
def test_found_weights_are_the_likeliest(seed, many, kind):
    gold, shares = gold_and_shares(seed, many)
    assert likelihoods(shares, gold, many=many).shape == (3, 120 if many else 40)
    parts = [lifted(share, kind, many=many) for share in shares]
    weights = likeliest_weights(parts, gold, kind, many=many)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    best = log_loss(shares, weights, kind, gold, many)
    steps = np.linspace(0, 1, 21)
    for a, b in itertools.product(steps, steps):
        if a + b <= 1:
            tried = np.array([a, b, max(0, 1 - a - b)])
            assert best <= log_loss(shares, tried, kind, gold, many) + 2 * TOLERANCE


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("kind", ["probabilities", "log"])
def test_members_that_are_nearly_equal_have_weights_too(kind, many):
    gold, shares = gold_and_shares(3, many, rows=200)
    near = [shares[0], shares[0], 0.9999999 * shares[0] + 0.0000001 * shares[1], shares[2]]
    weights, pair = (
        likeliest_weights([lifted(s, kind, many=many) for s in of], gold, kind, many=many)
        for of in (near, [shares[0], shares[2]])
    )
    assert weights[:3].sum() == pytest.approx(pair[0], abs=2e-3)


def test_members_that_contradict_each_other_surely_have_weights_too():
    gold = np.eye(3, dtype=bool)[[0, 1, 2, 0]]
    sure = [np.eye(3)[[0, 1, 0, 1]], np.eye(3)[[1, 1, 2, 0]]]
    for kind in ("probabilities", "log"):
        parts = [lifted(share, kind, many=False) for share in sure]
        weights = likeliest_weights(parts, gold, kind, many=False)
        assert np.isfinite(weights).all() and weights[1] > weights[0] > 0


def test_ranks_have_no_likelihood():
    with pytest.raises(ValueError, match="likelihood"):
        likeliest_weights([A, B], np.eye(3, dtype=bool)[[0, 1]], "ranks", many=False)


@pytest.mark.parametrize("kind", ["probabilities", "log"])
def test_a_member_that_knows_nothing_gets_no_weight(kind):
    gold = np.arange(300) % 3
    rng = np.random.default_rng(0)
    good = np.full((300, 3), 0.05)
    good[np.arange(300), np.where(rng.random(300) < 0.9, gold, (gold + 1) % 3)] = 0.9
    parts = [lifted(share, kind, many=False) for share in (good, drawn(1, rows=300))]
    weights = likeliest_weights(parts, np.eye(3, dtype=bool)[gold], kind, many=False)
    assert weights[0] > 0.85


def test_selection_takes_the_best_first_and_one_may_come_again():
    parts = [np.array([[value]]) for value in (1.0, 3.0, 2.0)]
    calls = []

    def score(found):
        calls.append(float(found[0, 0]))
        return -abs(float(found[0, 0]) - 2.75), 0.0

    counts = selected(parts, score, 4)
    # 3, then 3+2 = 2.5 or 3+3 = 3 (first: the tie goes to the first), then 2.67, then 2.75.
    assert calls[:3] == [1.0, 3.0, 2.0]
    assert counts.tolist() == [0, 0.75, 0.25]
    assert selected(parts, score, 1).tolist() == [0, 1, 0]
    assert selected(parts, score, 5).tolist() == [0, 0.8, 0.2]  # five, though four score better
    calls.clear()
    assert selected(parts, score, None).tolist() == [0, 0.75, 0.25]
    assert len(calls) == 3 * MOST


def test_of_equal_scores_the_likelier_member_is_selected():
    parts = [np.array([[value]]) for value in (0.2, 0.4)]
    assert selected(parts, lambda found: (1.0, float(found[0, 0])), None).tolist() == [0, 1]


def test_a_blend_is_judged_as_scores_judge_it():
    rng = np.random.default_rng(5)
    gold, shares = rng.integers(3, size=80), drawn(6, rows=80)
    scores = ONE_OF.scores(gold, shares, LABELS)
    cells = np.eye(3, dtype=bool)[gold]
    for name in ("micro_f1", "macro_f1", "accuracy", "auprc"):
        of = Quality(cells, LABELS, ONE_OF, name).of(shares)
        assert 100 * of == pytest.approx(getattr(scores, name)), name
    many, likely = rng.random((80, 3)) < 0.4, drawn(7, rows=80, many=True)
    for least, measure_ in itertools.product((False, True), ("micro_f1", "macro_f1", "accuracy")):
        decision = any_of(DecideSection(labels="many", measure=measure_, at_least_one=least))
        cut = shared_cutoff(many, likely, measure_)
        assert cut == search(many, likely, "shared", measure_)[0]
        cut_at = decision.with_thresholds(Cutoffs((cut,) * 3, LABELS.names, least))
        scores = cut_at.scores(many, likely, LABELS)
        for name in ("micro_f1", "macro_f1", "accuracy", "auprc"):
            for judged in (decision, cut_at):  # searched anew, and given
                of = Quality(many, LABELS, judged, name).of(likely)
                assert 100 * of == pytest.approx(getattr(scores, name)), (name, measure_)


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
    assert found.unseen.scores().micro_f1 > found.equal.scores().micro_f1
    assert found.best == "m0" and abs(found.over_best.value) < 5
    assert found.interval.low < found.interval.value < found.interval.high
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
    assert "no better than equal ones: take --weights equal" in found.says
    right = np.stack([rows.predicted == gold for rows in alike])
    assert found.oracle == pytest.approx(100 * right.any(0).mean())


def test_each_part_is_blended_by_the_weights_of_the_others():
    members_ = good_and_noise(90)
    found = measure(members_, Blending("found"), draws=40)
    parts = parts_of([row.sentence for row in members_[0].examples], 10)
    shares, gold = [m.probabilities for m in members_], np.eye(3, dtype=bool)[members_[0].gold]
    own = parts == 4
    others = [share[~own] for share in shares]
    weights = likeliest_weights(others, gold[~own], "probabilities", many=False)
    expected = blended(shares, weights, "probabilities", many=False)[own]
    np.testing.assert_allclose(found.unseen.probabilities[own], expected)


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
            decision=decision,
        )
        for i, share in enumerate(shares)
    ]
    found = measure(both, Blending(), draws=40)
    mean = sum(shares) / 2
    expected = decision.fitted(gold, mean, [f"문장 {j}" for j in range(120)], LABELS)
    assert found.blend.decision.cutoffs == expected.cutoffs
    np.testing.assert_array_equal(found.blend.predicted, expected.choose_unseen(mean))
    assert found.gain is None and found.says == ""
    # A member is cut likewise: by cut-offs of its own that were searched on other rows.
    own = decision.fitted(gold, shares[1], [f"문장 {j}" for j in range(120)], LABELS)
    np.testing.assert_array_equal(found.members[1].predicted, own.choose_unseen(shares[1]))
    fixed = decision.with_thresholds(Cutoffs((0.2, 0.9, 0.4), LABELS.names, source="joint"))
    given_ = measure([replace(rows, decision=fixed) for rows in both], Blending(), draws=40)
    assert given_.blend.decision is fixed
    np.testing.assert_array_equal(given_.equal.predicted, mean >= [0.2, 0.9, 0.4])


def test_given_weights_are_compared_with_equal_ones():
    rows = good_and_noise(90)
    found = measure(rows, Blending("given", given=(8.0, 1.0, 1.0)), draws=60)
    assert found.unseen is found.blend and found.weights.tolist() == [0.8, 0.1, 0.1]
    mean = sum(w * m.probabilities for w, m in zip(found.weights, rows, strict=True))
    np.testing.assert_allclose(found.blend.probabilities, mean)
    f1 = found.blend.scores().micro_f1 - found.equal.scores().micro_f1
    assert found.gain.value == pytest.approx(f1)


def test_labels_in_another_order_are_brought_into_ours():
    gold, shares = np.array([0, 1, 2, 2]), drawn(1, rows=4)
    rows = rows_of(shares, gold)
    order = [2, 0, 1]
    names = LabelList(tuple(LABELS.names[i] for i in order), "none")
    theirs = replace(
        rows,
        labels=names,
        gold=np.argsort(order)[gold],
        predicted=np.argsort(order)[rows.predicted],
        probabilities=shares[:, order],
    )
    found = in_order(theirs, LABELS, ONE_OF)
    for name in ("gold", "predicted", "probabilities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(rows, name))
    assert theirs.scores().micro_f1 == pytest.approx(found.scores().micro_f1)
    cells = np.eye(3, dtype=bool)[gold]
    of_many = replace(rows, gold=cells, predicted=cells, decision=any_of(DecideSection()))
    moved = replace(of_many, labels=names, gold=cells[:, order], probabilities=shares[:, order])
    found = in_order(replace(moved, predicted=cells[:, order]), LABELS, of_many.decision)
    np.testing.assert_array_equal(found.gold, cells)
    np.testing.assert_array_equal(found.predicted, cells)
    np.testing.assert_array_equal(found.probabilities, shares)


@pytest.mark.parametrize(
    ("names", "negative", "says"),
    [
        (("none", "a", "c"), "none", r"it alone has \['c'\][\s\S]*x alone has \['b'\]"),
        (("none", "a"), "none", "other labels than x"),
        (("a", "none", "b"), "a", "another negative label"),
        (("none", "a", "b"), None, "another negative label"),
    ],
)
def test_other_labels_are_refused_and_named(names, negative, says):
    with pytest.raises(InputError, match=says):
        require_same_labels(LABELS, LabelList(names, negative), "x", "y")


@pytest.mark.parametrize(
    ("blending", "says"),
    [
        (Blending("given", given=(1.0,)), "each member needs a weight"),
        (Blending("given", given=(1.0, -1.0)), "numbers from 0 on"),
        (Blending("given", given=(0.0, 0.0)), "not all 0"),
        (Blending("given", given=(float("nan"), 1.0)), "numbers from 0 on"),
        (Blending("given", given=(float("inf"), 1.0)), "numbers from 0 on"),
        (Blending("found", "ranks"), "ranks are no probabilities"),
    ],
)
def test_what_does_not_go_together_is_refused(blending, says):
    with pytest.raises(InputError, match=says):
        blending.require(2)
