"""Cut-offs: the best of all, exactly; what they are worth on other rows; and their file."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from relx.faults import InputError
from relx.scoring.decisions.cross_fitting import search_all
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.decisions.thresholds import METHODS, cuts_of, measured, place, search

MEASURES = ("micro_f1", "macro_f1", "accuracy")


@st.composite
def scored(draw, most_rows=6, most_labels=3):
    """Gold cells and probabilities, most of them ties, 0 and 1 among them."""
    rows, labels = draw(st.integers(1, most_rows)), draw(st.integers(2, most_labels))
    share = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
    cells = draw(st.lists(st.booleans(), min_size=rows * labels, max_size=rows * labels))
    shares = draw(st.lists(share, min_size=rows * labels, max_size=rows * labels))
    return np.array(cells).reshape(rows, labels), np.array(shares).reshape(rows, labels)


def candidates(scores):
    """A cut-off for every cut of some scores."""
    return [*np.unique(scores), np.nextafter(1.0, 2.0)]


def best_by_brute_force(gold, shares, method, measure):
    if method == "shared":
        tried = ([cut] * gold.shape[1] for cut in candidates(shares))
    else:
        tried = itertools.product(*(candidates(column) for column in shares.T))
    return max(measured(gold, shares >= np.array(cuts), measure) for cuts in tried)


def by_scikit_learn(gold, chosen, measure):
    if measure == "accuracy":
        return accuracy_score(gold.ravel(), chosen.ravel())
    return f1_score(gold, chosen, average=measure.removesuffix("_f1"), zero_division=0)


@settings(max_examples=150, deadline=None)
@given(scored(), st.sampled_from(MEASURES))
def test_measures_are_those_of_scikit_learn(cells, measure):
    gold, shares = cells
    chosen = shares >= 0.3
    assert measured(gold, chosen, measure) == pytest.approx(by_scikit_learn(gold, chosen, measure))


@settings(max_examples=300, deadline=None)
@given(scored(), st.sampled_from(MEASURES), st.sampled_from(["shared", "joint"]))
def test_no_cut_offs_are_better_than_those_found(cells, measure, method):
    gold, shares = cells
    found = search(gold, shares, method, measure)
    best = best_by_brute_force(gold, shares, method, measure)
    assert measured(gold, shares >= found, measure) == pytest.approx(best, abs=1e-12)
    assert ((found >= 0) & (found <= np.nextafter(1.0, 2.0))).all()


@settings(max_examples=200, deadline=None)
@given(scored(), st.sampled_from(MEASURES))
def test_each_label_has_its_own_best(cells, measure):
    gold, shares = cells
    found = search(gold, shares, "per_label", measure)
    own = "accuracy" if measure == "accuracy" else "macro_f1"
    for label in range(gold.shape[1]):
        one_gold, one = gold[:, [label]], shares[:, [label]]
        best = max(measured(one_gold, one >= cut, own) for cut in candidates(one))
        assert measured(one_gold, one >= found[label], own) == pytest.approx(best, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(scored(), st.sampled_from(MEASURES), st.sampled_from(METHODS))
def test_a_label_that_no_row_has_is_given_to_none(cells, measure, method):
    gold, shares = cells
    gold[:, 0] = False
    if method == "shared":
        gold[:] = False
    found = search(gold, shares, method, measure)
    assert not (shares[:, 0] >= found[0]).any()


def test_the_middle_of_the_widest_plateau_is_taken():
    score = np.array([0.9, 0.8, 0.2, 0.1])
    cuts = cuts_of(score, np.array([True, True, False, False]))
    assert place(cuts, 2.0 * cuts.hits - cuts.given) == pytest.approx(0.5)  # of .2 and .8
    narrow_and_wide = np.array([1.0, 0.0, 1.0, 1.0, 0.0])  # above .9; and from .1 to .8
    assert place(cuts, narrow_and_wide) == pytest.approx(0.45)


def test_between_neighbouring_floats_the_upper_one_cuts():
    below = 0.3
    above = np.nextafter(below, 1)
    cuts = cuts_of(np.array([above, below]), np.array([True, False]))
    assert place(cuts, np.array([0.0, 1.0, 0.0])) == above


def test_equal_scores_fall_on_one_side():
    cuts = cuts_of(np.array([0.5, 0.5, 0.2]), np.array([True, False, True]))
    assert cuts.given.tolist() == [0, 2, 3]
    assert cuts.hits.tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match="0 to 1"):
        search(np.ones((1, 2), bool), np.array([[0.5, wrong]]), "shared", "micro_f1")


# ---- cross-fitting


def noisy(rows=400, labels=4, seed=5):
    rng = np.random.default_rng(seed)
    gold = rng.random((rows, labels)) < [0.5, 0.2, 0.1, 0.05]
    logits = 2.0 * gold - 1.5 + rng.normal(0, 1, gold.shape)
    return gold, 1 / (1 + np.exp(-logits)), [f"sentence {i // 2}" for i in range(rows)]


@pytest.mark.parametrize("measure", MEASURES)
def test_what_a_search_gains_on_its_own_rows_is_more_than_on_others(measure):
    found = search_all(*noisy(), measure)
    assert (found.rows, found.folds, list(found.methods)) == (400, 10, list(METHODS))
    for method, result in found.methods.items():
        assert result.in_sample >= result.cross_fitted.value
        assert result.cross_fitted.low < result.cross_fitted.value < result.cross_fitted.high
        values = search(*noisy()[:2], method, measure).tolist()
        assert list(result.cutoffs) == values
    best = max(result.cross_fitted.value for result in found.methods.values())
    assert found.methods[found.preferred].cross_fitted.value == best
    assert found.methods["shared"].gain.value == 0
    joint = found.methods["joint"]
    gain = joint.cross_fitted.value - found.methods["shared"].cross_fitted.value
    assert joint.gain.value == pytest.approx(gain)


def test_no_row_is_cut_by_what_was_searched_on_its_own_sentence():
    """All rows of one sentence are told right by a cut that the other rows never show."""
    gold = np.zeros((6, 2), bool)
    gold[:2, 0] = True
    shares = np.array([[0.2, 0.1]] * 2 + [[0.1, 0.1]] * 4)
    found = search_all(gold, shares, ["a", "a", "b", "c", "d", "e"], "micro_f1")
    assert found.folds == 5
    assert found.methods["joint"].in_sample == 100
    assert found.methods["joint"].cross_fitted.value == 0


def test_equal_calls_find_equal_things_and_one_sentence_is_not_parted():
    assert search_all(*noisy(), "micro_f1") == search_all(*noisy(), "micro_f1")
    gold, shares, _ = noisy(20)
    alone = search_all(gold, shares, ["one"] * 20, "micro_f1")
    assert alone.methods["joint"].cross_fitted is None
    assert alone.preferred == "shared"


@pytest.mark.parametrize("measure", MEASURES)
def test_the_interval_is_that_of_really_drawn_sentences(measure):
    gold, shares, sentences = noisy(120)
    found = search_all(gold, shares, sentences, measure).methods["shared"].cross_fitted
    # One cut-off hardly differs from fold to fold: the in-sample one stands for all of them.
    chosen = shares >= search(gold, shares, "shared", measure)
    rng, drawn = np.random.default_rng(1), []
    for _ in range(1000):
        picked = rng.integers(0, 60, 60)
        rows = np.concatenate([2 * picked, 2 * picked + 1])
        drawn.append(100 * measured(gold[rows], chosen[rows], measure))
    low, high = np.percentile(drawn, [2.5, 97.5])
    width = high - low
    assert found.high - found.low == pytest.approx(width, rel=0.25)


# ---- the file


CUTS = Cutoffs((0.25, 0.5000000000000001), ("joy", "fear"), True, "joint")


def test_a_file_gives_back_what_was_saved(tmp_path):
    path = tmp_path / "thresholds.json"
    gold, shares, sentences = noisy(40, 4)
    CUTS.save(path, search_all(gold, shares, sentences, "micro_f1"))
    assert Cutoffs.load(path, ("joy", "fear")) == CUTS
    tree = json.loads(path.read_text("utf-8"))
    assert tree["search"]["methods"]["joint"]["cross_fitted"]["low"] > 0
    swapped = Cutoffs.load(path, ("fear", "joy"))
    assert swapped.values == (0.5000000000000001, 0.25)


def test_cut_offs_from_elsewhere_need_only_the_numbers(tmp_path):
    path = tmp_path / "cuts.json"
    path.write_text('{"cutoffs": {"joy": 0, "fear": 1}}')
    assert Cutoffs.load(path, ("joy", "fear")) == Cutoffs((0.0, 1.0), ("joy", "fear"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[0.5, 0.5]", "no file of cut-offs"),
        ("{", "JSON"),
        ('{"cutoffs": {"joy": 0.5}}', "other labels"),
        ('{"cutoffs": {"joy": 0.5, "fear": 0.5, "awe": 0.5}}', "other labels"),
        ('{"cutoffs": {"joy": 0.5, "fear": "0.5"}}', "no cut-off"),
        ('{"cutoffs": {"joy": 0.5, "fear": true}}', "no cut-off"),
        ('{"cutoffs": {"joy": 0.5, "fear": NaN}}', "no cut-off"),
        ('{"cutoffs": {"joy": -0.5, "fear": 0.5}}', "no cut-off"),
        ('{"format": 9, "cutoffs": {"joy": 0.5, "fear": 0.5}}', "no file of cut-offs"),
        ('{"source": "guess", "cutoffs": {"joy": 0.5, "fear": 0.5}}', "no file of cut-offs"),
        ('{"at_least_one": 1, "cutoffs": {"joy": 0.5, "fear": 0.5}}', "no file of cut-offs"),
    ],
)
def test_a_file_that_is_none_is_a_message(tmp_path, text, said):
    path = tmp_path / "cuts.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        Cutoffs.load(path, ("joy", "fear"))
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_a_message(tmp_path):
    with pytest.raises(InputError, match="no such file of cut-offs"):
        Cutoffs.load(tmp_path / "none.json", ("joy", "fear"))
