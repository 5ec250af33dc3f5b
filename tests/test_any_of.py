"""Any number of labels in a row: every figure is scikit-learn's, and how labels are chosen."""

import itertools
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.recipe import DecideSection
from relx.scoring.curves import class_auprc
from relx.scoring.decisions.any_of import AnyOf, Asymmetric, any_of, balanced_weights
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.decisions.decision import Decision, Scores
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.label_scores import auroc, label_scores

MOODS = LabelList(("joy", "trust", "fear"), None)
GOLD = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], np.float32)
SURE = np.array([[0.9, 0.1, 0.2], [0.8, 0.4, 0.1], [0.3, 0.6, 0.2], [0.1, 0.7, 0.5]])


@dataclass(frozen=True)
class Mood:
    """A row, as far as a decision looks at it."""

    gold: frozenset[str] | str | None
    id: str = "r1"
    sentence: str = "가"
    spans: tuple = ()
    types: tuple = ()
    key: str = ""


def random_cells(rng, rows, count, share, ties):
    """Gold cells, some labels of which no row or every row may have, and probabilities."""
    gold = rng.random((rows, count)) < rng.choice([0, share, share, 1], count)
    probabilities = rng.random((rows, count)) * 0.6 + 0.4 * gold * rng.random((rows, count))
    return gold, np.round(probabilities, 1) if ties else probabilities


@st.composite
def predictions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, count = draw(st.integers(1, 60)), draw(st.integers(2, 10))
    share = draw(st.sampled_from([0, 0.02, 0.2, 0.9]))
    cells = random_cells(rng, rows, count, share, draw(st.booleans()))
    return *cells, draw(st.sampled_from([0.05, 0.3, 0.5, 0.95]))


def names(count):
    return LabelList(tuple(f"l{index}" for index in range(count)), None)


@given(predictions())
@settings(max_examples=150, deadline=None)
def test_f1_and_counts_are_scikit_learns(drawn):
    gold, probabilities, cut = drawn
    chosen = probabilities >= cut
    found = label_scores(gold, chosen, probabilities, names(gold.shape[1]))
    for average, value in (
        ("micro", found.micro_f1),
        ("macro", found.macro_f1),
        ("weighted", found.weighted_f1),
        ("samples", found.sample_f1),
    ):
        expected = metrics.f1_score(gold, chosen, average=average, zero_division=0)
        assert value == pytest.approx(100 * expected, abs=1e-9), average
    micro = metrics.precision_recall_fscore_support(gold, chosen, average="micro", zero_division=0)
    assert [found.precision, found.recall] == pytest.approx([100 * x for x in micro[:2]], abs=1e-9)
    assert found.accuracy == pytest.approx(100 * metrics.accuracy_score(gold, chosen))
    flat = metrics.accuracy_score(gold.ravel(), chosen.ravel())
    assert found.cell_accuracy == pytest.approx(100 * flat)
    tables = metrics.multilabel_confusion_matrix(gold, chosen)
    by_label = metrics.precision_recall_fscore_support(gold, chosen, zero_division=0)
    for index, row in enumerate(found.classes.values()):
        assert [[row.tn, row.fp], [row.fn, row.tp]] == tables[index].tolist()
        expected = [100 * figure[index] for figure in by_label[:3]]
        assert [row.precision, row.recall, row.f1] == pytest.approx(expected, abs=1e-9)
        assert row.support == by_label[3][index]
        assert row.predicted == chosen[:, index].sum()


@given(predictions())
@settings(max_examples=100, deadline=None)
def test_figures_of_probabilities_are_scikit_learns(drawn):
    gold, probabilities, cut = drawn
    found = label_scores(gold, probabilities >= cut, probabilities, names(gold.shape[1]))
    rows = list(found.classes.values())
    for row, has, score in zip(rows, gold.T, probabilities.T, strict=True):
        assert row.brier == pytest.approx(metrics.brier_score_loss(has, score, pos_label=1))
        assert row.ece == pytest.approx(sorted_into_bins(has, score))
        if has.any():
            precision, recall, _ = metrics.precision_recall_curve(has, score)
            assert row.auprc == pytest.approx(100 * metrics.auc(recall, precision))
        else:
            assert row.auprc is None
        if has.any() and not has.all():
            assert row.auroc == pytest.approx(100 * metrics.roc_auc_score(has, score))
        else:
            assert row.auroc is None
    for name in ("auprc", "auroc", "brier", "ece"):
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        expected = np.mean(known) if known else None
        assert getattr(found, name) == (expected and pytest.approx(expected)), name


def sorted_into_bins(has, score):
    """The expected calibration error, a bin after another: (0, 1/15], and so on."""
    edges, gaps = np.linspace(0, 1, 16), 0.0
    for index, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (score > low) & (score <= high) if index else score <= high
        if inside.any():
            gaps += inside.sum() * abs(has[inside].mean() - score[inside].mean())
    return 100 * gaps / len(has)


def test_auprc_is_that_of_relation_where_gold_rows_have_the_label():
    rng = np.random.default_rng(1)
    gold, probabilities = rng.integers(0, 4, 80), rng.dirichlet(np.ones(4), 80)
    cells = ONE_OF.cells(gold, 4)
    found = label_scores(cells, cells, probabilities, names(4))
    areas = [row.auprc for row in found.classes.values()]
    assert areas == class_auprc(gold, probabilities).tolist()


def test_the_contests_score_is_not_that_of_both_answers():
    """With the contest's 1.1 labels of eight, a micro-F1 of 90 is .07 more over all cells."""
    rng = np.random.default_rng(2)
    gold = rng.random((4751, 8)) < 5202 / (4751 * 8)
    wrong = np.zeros_like(gold)
    for value, share in ((True, 0.1), (False, 0.1 * gold.mean() / (1 - gold.mean()))):
        wrong |= (gold == value) & (rng.random(gold.shape) < share)
    found = label_scores(gold, gold ^ wrong, None, names(8))
    both = metrics.f1_score(gold.ravel(), (gold ^ wrong).ravel(), average="micro")
    assert found.cell_accuracy == pytest.approx(100 * both)
    assert found.micro_f1 == pytest.approx(90, abs=1)
    assert found.cell_accuracy - found.micro_f1 == pytest.approx(7, abs=1)


def test_the_negative_label_is_left_out_of_f1_and_not_of_exact_match():
    labels = LabelList(("joy", "neutral", "fear"), "neutral")
    gold = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], bool)
    chosen = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    found = label_scores(gold, chosen, None, labels)
    kept = label_scores(gold[:, [0, 2]], chosen[:, [0, 2]], None, names(2))
    for name in ("micro_f1", "macro_f1", "weighted_f1", "sample_f1", "precision", "recall"):
        assert getattr(found, name) == getattr(kept, name), name
    assert found.accuracy == pytest.approx(100 / 3)
    assert found.cell_accuracy == pytest.approx(700 / 9)


def test_nothing_is_known_of_probabilities_where_there_are_none():
    found = AnyOf().scores(GOLD, None, MOODS, SURE > 0.5)
    known = AnyOf().scores(GOLD, SURE, MOODS, SURE > 0.5)
    assert found.micro_f1 == known.micro_f1
    unknown = [found.auprc, found.auroc, found.brier, found.ece]
    unknown += [row.auprc for row in found.classes.values()]
    assert unknown == [None] * 7
    with pytest.raises(ValueError, match="neither"):
        AnyOf().scores(GOLD, None, MOODS)


def test_what_is_printed_is_what_was_computed():
    found = AnyOf().scores(GOLD, SURE, MOODS)
    totals = dict(found.totals())
    assert totals["micro-F1"] == found.micro_f1 == pytest.approx(200 / 3)
    assert totals["exact match"] == found.accuracy == 25
    headings, rows = found.table()
    assert [row[0] for row in rows] == list(MOODS.names)
    assert {len(row) for row in rows} == {len(headings)}
    joy, fear = (dict(zip(headings, row, strict=True)) for row in (rows[0], rows[2]))
    assert [joy[kind] for kind in ("TP", "FP", "FN", "TN")] == ["2", "0", "0", "2"]
    assert (fear["AUPRC"], fear["AUROC"], fear["Brier"]) == ("-", "-", "0.0850")
    said = "\n".join(found.notes())
    assert "4 rows; 3 labels given" in said
    assert f"Brier score {found.brier:.4f}" in said
    assert "1 label has no gold rows" in said


def test_json_has_the_figures_by_name():
    found = AnyOf().scores(GOLD, SURE, MOODS)
    tree = found.to_json()
    assert json.loads(json.dumps(tree)) == tree
    assert tree["micro_f1"] == found.micro_f1
    assert tree["classes"]["fear"]["auprc"] is None
    assert tree["classes"]["joy"] | {"support": 2, "predicted": 2} == tree["classes"]["joy"]


def test_a_collapse_is_seen():
    same = np.tile([1, 0, 1], (4, 1)) > 0
    found = AnyOf().scores(GOLD, None, MOODS, same)
    assert found.collapsed
    assert found.collapsed_to == "joy, fear"
    none = AnyOf().scores(GOLD, None, MOODS, np.zeros((4, 3), bool))
    assert none.collapsed
    assert none.collapsed_to == "of no label"
    assert not AnyOf().scores(GOLD, SURE, MOODS).collapsed
    assert not AnyOf().scores(same, None, MOODS, same).collapsed


def test_labels_at_or_above_their_cutoff_are_chosen():
    assert AnyOf().choose(np.array([[0.5, 0.49]])).tolist() == [[True, False]]
    given_one = AnyOf(thresholds=0.3)
    assert given_one.choose(np.array([[0.3, 0.29]])).tolist() == [[True, False]]
    each = AnyOf().with_thresholds(cutoffs((0.2, 0.9, 0.5)))
    assert each.choose(np.array([[0.2, 0.8, 0.5]])).tolist() == [[True, False, True]]


def cutoffs(values, *, at_least_one=False):
    return Cutoffs(values=values, labels=MOODS.names, at_least_one=at_least_one, source="per_label")


def test_at_least_one_label_only_where_none_passes():
    probabilities = np.array([[0.1, 0.4, 0.4], [0.6, 0.1, 0.7]])
    assert not AnyOf().choose(probabilities)[0].any()
    chosen = AnyOf(at_least_one=True).choose(probabilities)
    assert chosen.tolist() == [[False, True, False], [True, False, True]]
    told = AnyOf().with_thresholds(cutoffs((0.5,) * 3, at_least_one=True))
    assert told.choose(probabilities).tolist() == chosen.tolist()


def test_targets_are_cells_and_cells_are_targets():
    rows = [Mood(frozenset({"fear", "joy"})), Mood(frozenset()), Mood("trust")]
    targets = AnyOf().targets(rows, MOODS)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert AnyOf().cells(targets, 3).tolist() == (targets > 0).tolist()
    with pytest.raises(ValueError, match="4 labels"):
        AnyOf().cells(targets, 4)
    with pytest.raises(InputError, match="not in the list of labels"):
        AnyOf().targets([Mood(frozenset({"hope"}))], MOODS)
    with pytest.raises(InputError, match="no labels"):
        AnyOf().targets([Mood(None)], MOODS)


def test_probabilities_are_the_sigmoid_whatever_the_logits():
    logits = np.array([[-1000, -2.0, 0.0], [2.0, 40.0, 1000]], np.float32)
    found = AnyOf().probabilities(logits)
    assert found.dtype == np.float64
    assert found[1, 0] + found[0, 1] == pytest.approx(1)
    assert found[[0, 0, 1], [0, 2, 2]].tolist() == [0, 0.5, 1]
    assert found[1, 0] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_given_cutoffs_are_not_searched():
    by_name = {"fear": 0.7, "joy": 0.2, "trust": 0.4}
    found = AnyOf(thresholds=by_name, at_least_one=True).fitted(GOLD, SURE, list("abcd"), MOODS)
    assert found.cutoffs.values == (0.2, 0.4, 0.7)
    assert (found.cutoffs.source, found.cutoffs.at_least_one) == ("given", True)
    number = AnyOf(thresholds=0.25).fitted(GOLD, SURE, list("abcd"), MOODS)
    assert number.cutoffs.values == (0.25,) * 3
    assert number.fitted(1 - GOLD, SURE, list("abcd"), MOODS) == number


def test_cutoffs_by_label_are_never_taken_in_another_order():
    decision = AnyOf(thresholds={"fear": 0.7, "joy": 0.2, "trust": 0.4})
    with pytest.raises(ValueError, match="fitted"):
        decision.choose(SURE)
    scored = decision.scores(GOLD, SURE, MOODS)
    expected = decision.fitted(GOLD, SURE, list("abcd"), MOODS).scores(GOLD, SURE, MOODS)
    assert scored == expected


@pytest.mark.parametrize("rows", [[], [Mood(frozenset())]])
def test_cutoffs_are_of_exactly_the_labels(rows):
    decision = AnyOf(thresholds={"joy": 0.5, "fears": 0.5, "trust": 0.1})
    with pytest.raises(InputError) as raised:
        decision.targets(rows, MOODS)
    unknown, missing = raised.value.faults
    assert unknown.where == missing.where == "decide.thresholds"
    assert unknown.received == "fears"
    assert "fear" in unknown.next_step
    assert missing.what == "there is no cut-off for fear"


@pytest.mark.parametrize("method", ["auto", "shared", "per_label", "joint"])
def test_searched_cutoffs_are_used(method):
    rng = np.random.default_rng(3)
    gold, probabilities = random_cells(rng, 300, 3, 0.3, ties=False)
    sentences = [f"s{row}" for row in range(300)]
    fitted = AnyOf(thresholds=method).fitted(gold, probabilities, sentences, MOODS)
    assert fitted.cutoffs.labels == MOODS.names
    expected = probabilities >= np.array(fitted.cutoffs.values)
    assert (fitted.choose(probabilities) == expected).all()
    wanted = fitted.search.preferred if method == "auto" else method
    assert fitted.cutoffs.source == wanted
    assert fitted.cutoffs.values == fitted.search.methods[wanted].cutoffs
    # What was searched is not searched for in vain: another fit begins anew.
    again = fitted.fitted(gold[:200], probabilities[:200], sentences[:200], MOODS)
    fresh = AnyOf(thresholds=method).fitted(gold[:200], probabilities[:200], sentences[:200], MOODS)
    assert again.cutoffs == fresh.cutoffs


def test_searching_does_not_lower_the_measure():
    rng = np.random.default_rng(4)
    gold, probabilities = random_cells(rng, 400, 3, 0.2, ties=True)
    fitted = AnyOf(thresholds="shared").fitted(gold, probabilities, ["s"] * 400, MOODS)
    before = AnyOf().scores(gold, probabilities, MOODS)
    assert fitted.scores(gold, probabilities, MOODS).micro_f1 >= before.micro_f1


def test_balanced_weights_make_both_kinds_weigh_alike():
    targets = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]], np.float32)
    assert balanced_weights(targets) == [3, 1, 1]
    decision = AnyOf(positive_weights="balanced")
    assert decision.loss_options(targets) == {"positive_weights": [3, 1, 1]}
    assert AnyOf().loss_options(targets) == {}
    given_ones = AnyOf(positive_weights=(1, 2.5, 4))
    assert given_ones.loss_options(targets) == {"positive_weights": [1, 2.5, 4]}
    asymmetric = AnyOf(loss="asymmetric", asymmetric=Asymmetric(0.5, 2, 0.1))
    options = {"positive": 0.5, "negative": 2, "margin": 0.1}
    assert asymmetric.loss_options(targets) == options


def test_weights_are_one_a_label():
    decision = AnyOf(positive_weights=(1, 2))
    for call in (lambda: decision.targets([], MOODS), lambda: decision.loss_options(GOLD)):
        with pytest.raises(InputError, match="not one weight for each label") as raised:
            call()
        assert raised.value.faults[0].where == "decide.positive_weights"


def test_inputs_tell_apart_what_trains_differently():
    changed = [
        AnyOf(),
        AnyOf(loss="asymmetric"),
        AnyOf(loss="asymmetric", asymmetric=Asymmetric(margin=0)),
        AnyOf(positive_weights="balanced"),
        AnyOf(positive_weights=(1.0, 2.0)),
        AnyOf(thresholds=0.5),
        AnyOf(thresholds={"joy": 0.5, "fear": 0.1}),
        AnyOf(measure="macro_f1"),
        AnyOf(at_least_one=True),
    ]
    written = [json.dumps(decision.inputs()) for decision in changed]
    assert len(set(written)) == len(changed)
    # What was searched is a result, and no input.
    searched = replace(AnyOf(), cutoffs=cutoffs((0.1,) * 3))
    assert searched.inputs() == AnyOf().inputs()


def test_auroc_is_a_half_where_all_scores_are_equal():
    assert auroc(np.array([True, False, True]), np.full(3, 0.2)) == 50


def test_both_decisions_are_one_protocol():
    """What mypy checks, at run time: every member of the protocols is there."""
    for decision in (AnyOf(), ONE_OF):
        for name in members(Decision):
            assert hasattr(decision, name), name
    cells = GOLD.astype(bool)
    for scored in (
        AnyOf().scores(GOLD, SURE, MOODS),
        ONE_OF.scores(np.array([0, 1, 2, 0]), SURE, MOODS),
        AnyOf().scores(GOLD, None, MOODS, cells),
    ):
        for name in members(Scores):
            assert hasattr(scored, name), name


def members(protocol):
    return [name for name in vars(protocol) if not name.startswith("_")]


def test_every_key_of_a_recipe_reaches_the_decision():
    assert any_of(DecideSection(labels="many")) == AnyOf()
    changed = {
        "loss": ("asymmetric", "asymmetric"),
        "positive_weights": ([1, 2.5], (1, 2.5)),
        "thresholds": ({"joy": 0.5, "fear": 0.1}, {"joy": 0.5, "fear": 0.1}),
        "measure": ("accuracy", "accuracy"),
        "at_least_one": (True, True),
    }
    for name, (written, meant) in changed.items():
        decision = any_of(DecideSection(labels="many", **{name: written}))
        assert decision == AnyOf(**{name: meant})
    settings = {"positive": 0.5, "negative": 2.0, "margin": 0.1}
    decision = any_of(DecideSection(labels="many", loss="asymmetric", asymmetric=settings))
    assert decision == AnyOf(loss="asymmetric", asymmetric=Asymmetric(**settings))
    known = {*changed, "asymmetric", "labels"}
    assert known == set(DecideSection.model_fields)
