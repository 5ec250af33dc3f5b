import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from relx.data.labels import KLUE, LabelList
from relx.faults import InputError
from relx.scoring.curves import class_auprc
from relx.scoring.decisions.cutoffs import Cutoffs
from relx.scoring.decisions.one_of import ONE_OF, scores

THREE = LabelList(("no_relation", "per:spouse", "나라:수도"), "no_relation")


def sklearn_auprc(gold, probabilities):
    """KLUE's definition, spelt out: one-hot gold, a curve a class, the mean of the areas."""
    areas = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index in range(probabilities.shape[1]):
            curve = sklearn_metrics.precision_recall_curve(gold == index, probabilities[:, index])
            areas.append(sklearn_metrics.auc(curve[1], curve[0]))
    return 100 * np.array(areas)


def sklearn_micro(gold, predicted, labels):
    counted = [index for index, name in enumerate(labels.names) if name != labels.negative]
    figures = sklearn_metrics.precision_recall_fscore_support(
        gold, predicted, labels=counted, average="micro", zero_division=0
    )
    return 100 * np.array(figures[:3])


def distributions(rng, rows, classes, ties):
    probabilities = rng.dirichlet(np.ones(classes), rows)
    return {
        "none": probabilities,
        "many": np.round(probabilities, 1),
        "constant": np.full((rows, classes), 1 / classes),
        "float32": probabilities.astype(np.float32),
    }[ties]


@st.composite
def predictions(draw):
    classes = draw(st.integers(2, 12))
    rows = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = rng.permutation(classes)[: draw(st.integers(1, classes))]
    names = tuple(f"r{index}" for index in rng.permutation(classes))
    negative = draw(st.sampled_from([None, *names]))
    ties = draw(st.sampled_from(["none", "many", "constant", "float32"]))
    gold = rng.choice(present, rows)
    return gold, distributions(rng, rows, classes, ties), LabelList(names, negative)


@given(predictions())
@settings(max_examples=150, deadline=None)
def test_equal_to_scikit_learn(drawn):
    gold, probabilities, labels = drawn
    predicted = probabilities.argmax(axis=1)
    found = scores(gold, probabilities, labels)
    areas = sklearn_auprc(gold, probabilities)
    micro = sklearn_micro(gold, predicted, labels)
    assert found.auprc == pytest.approx(areas.mean(), abs=1e-9)
    assert [found.precision, found.recall, found.micro_f1] == pytest.approx(micro, abs=1e-9)
    counted = [index for index, name in enumerate(labels.names) if name != labels.negative]
    macro = sklearn_metrics.f1_score(
        gold, predicted, labels=counted, average="macro", zero_division=0
    )
    assert found.macro_f1 == pytest.approx(100 * macro, abs=1e-9)
    assert found.accuracy == pytest.approx(100 * np.mean(gold == predicted), abs=1e-9)
    by_class = sklearn_metrics.precision_recall_fscore_support(
        gold, predicted, labels=range(len(labels)), zero_division=0
    )
    for index, name in enumerate(labels.names):
        row = found.classes[name]
        expected = [*(100 * figure[index] for figure in by_class[:3]), areas[index]]
        assert [row.precision, row.recall, row.f1, row.auprc] == pytest.approx(expected, abs=1e-9)
        assert row.support == by_class[3][index]
        assert row.predicted == np.sum(predicted == index)


@given(predictions(), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_labels_and_rows_does_not_matter(drawn, random):
    gold, probabilities, labels = drawn
    predicted = probabilities.argmax(axis=1)
    order = random.sample(range(len(labels)), len(labels))
    rows = random.sample(range(len(gold)), len(gold))
    new_place = np.argsort(order)
    shuffled = LabelList(tuple(labels.names[index] for index in order), labels.negative)
    first = scores(gold, probabilities, labels, predicted)
    second = scores(
        new_place[gold][rows], probabilities[rows][:, order], shuffled, new_place[predicted][rows]
    )
    assert second.micro_f1 == pytest.approx(first.micro_f1, abs=1e-9)
    assert second.auprc == pytest.approx(first.auprc, abs=1e-9)
    assert second.classes.keys() == first.classes.keys()
    for name, figures in first.classes.items():
        assert second.classes[name].f1 == pytest.approx(figures.f1, abs=1e-9)
        assert second.classes[name].auprc == pytest.approx(figures.auprc, abs=1e-9)


def test_thirty_classes_like_klue():
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 30, 400)
    probabilities = rng.dirichlet(np.ones(30), 400)
    found = scores(gold, probabilities, KLUE)
    assert found.auprc == pytest.approx(sklearn_auprc(gold, probabilities).mean(), abs=1e-9)
    expected = sklearn_micro(gold, probabilities.argmax(axis=1), KLUE)[2]
    assert found.micro_f1 == pytest.approx(expected, abs=1e-9)


def test_figures_worked_by_hand():
    gold = np.array([0, 1, 1, 2])
    probabilities = np.array([[0.6, 0.4, 0], [0.2, 0.8, 0], [0.5, 0.3, 0.2], [0.1, 0.7, 0.2]])
    found = scores(gold, probabilities, THREE)
    # Predicted 0, 1, 0, 1: of two positive predictions one is right, of three positive rows one.
    assert (found.precision, found.accuracy) == (50, 50)
    assert found.recall == pytest.approx(100 / 3)
    assert found.micro_f1 == pytest.approx(40)
    assert found.predicted_classes == 2
    assert found.classes["나라:수도"].predicted == 0


def test_a_class_without_gold_rows_counts_a_half():
    gold = np.array([0, 0, 1])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.8, 0.1, 0.1], [0.1, 0.9, 0.0]])
    assert class_auprc(gold, probabilities).tolist() == [100, 100, 50]
    assert scores(gold, probabilities, THREE).auprc == pytest.approx(250 / 3)


def test_micro_f1_is_zero_where_nothing_positive_is_in_gold_or_predicted():
    nothing, sure = np.zeros(5, dtype=np.int64), np.tile([1.0, 0.0, 0.0], (5, 1))
    assert scores(nothing, sure, THREE).micro_f1 == 0
    assert scores(nothing, sure, LabelList(THREE.names, None)).micro_f1 == 100


def test_f1_goes_by_predicted_and_auprc_by_probabilities():
    gold = np.array([1, 2])
    probabilities = np.array([[0.2, 0.5, 0.3], [0.5, 0.1, 0.4]])
    assert scores(gold, probabilities, THREE).micro_f1 == pytest.approx(200 / 3)
    assert scores(gold, probabilities, THREE, gold).micro_f1 == 100
    by_class = class_auprc(gold, probabilities)
    assert scores(gold, probabilities, THREE, gold).auprc == by_class.mean()


def test_a_collapse_is_seen():
    constant = np.tile([0.8, 0.1, 0.1], (4, 1))
    assert scores(np.array([0, 1, 2, 0]), constant, THREE).collapsed
    assert not scores(np.array([0, 0, 0, 0]), constant, THREE).collapsed
    spread = np.eye(3)[[0, 1, 2, 0]]
    assert not scores(np.array([0, 1, 2, 0]), spread, THREE).collapsed


def test_json_has_the_figures_by_name():
    tree = scores(np.array([0, 1]), np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1]]), THREE).to_json()
    names = ["micro_f1", "auprc", "accuracy", "precision", "recall", "rows", "classes"]
    assert list(tree) == names
    assert tree["rows"] == 2
    figures = {"precision", "recall", "f1", "auprc", "support", "predicted"}
    assert set(tree["classes"]["per:spouse"]) == figures
    assert json.loads(json.dumps(tree)) == tree


def test_without_probabilities_there_is_no_auprc_and_all_else_is_the_same():
    gold, predicted = np.array([0, 1, 2]), np.array([0, 1, 1])
    found = ONE_OF.scores(gold, None, THREE, predicted)
    known = ONE_OF.scores(gold, np.eye(3)[predicted], THREE)
    assert found.auprc is None
    assert {figures.auprc for figures in found.classes.values()} == {None}
    for name in ("micro_f1", "macro_f1", "accuracy", "precision", "recall"):
        assert getattr(found, name) == getattr(known, name)
    assert dict(found.totals()) == dict(known.totals()) | {"AUPRC": None}
    assert found.table()[1][0] == ("no_relation", "100.00", "100.00", "100.00", "-", "1", "1")
    with pytest.raises(ValueError, match="neither"):
        ONE_OF.scores(gold, None, THREE)


def test_classes_as_cells():
    cells = ONE_OF.cells(np.array([2, 0]), 3)
    assert cells.dtype == bool
    assert cells.tolist() == [[False, False, True], [True, False, False]]


def test_there_is_nothing_to_search_and_cutoffs_are_refused():
    gold, probabilities = np.array([1, 2]), np.array([[0.2, 0.5, 0.3], [0.5, 0.1, 0.4]])
    assert ONE_OF.fitted(gold, probabilities, ["a", "b"], THREE) is ONE_OF
    assert ONE_OF.inputs() == ONE_OF.loss_options(gold) == {}
    assert ONE_OF.cutoffs is None
    cutoffs = Cutoffs(values=(0.5,) * 3, labels=THREE.names, at_least_one=False, source="given")
    with pytest.raises(InputError, match="cut-offs decide nothing"):
        ONE_OF.with_thresholds(cutoffs)


def test_scoring_imports_no_framework():
    heavy = "keras,tensorflow,torch,jax,pandas,sklearn,transformers,tokenizers,scipy"
    code = (
        "import sys, relx.scoring.decisions.one_of, relx.tasks.relation.answers, relx.score;"
        "import relx_cli.score;"
        f"print([name for name in {heavy.split(',')!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
