"""Curves, calibration and the confusion matrix against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, confusion_matrix, precision_recall_curve

from relx.scoring.curves import class_auprc, confusion, precision_recall, reliability


def ranked_rows(seed, count, steps):
    """Scores of few values, so that many are equal."""
    rng = np.random.default_rng(seed)
    return rng.random(count) < 0.3, rng.integers(0, steps, count) / steps


@pytest.mark.parametrize(("count", "steps"), [(1, 2), (5, 3), (60, 4), (300, 100000)])
def test_curves_equal_scikit_learns(count, steps):
    positive, score = ranked_rows(count, count, steps)
    positive[0] = True
    found = precision_recall(positive, score)
    precision, recall, thresholds = precision_recall_curve(positive, score)
    np.testing.assert_allclose(found.precision[::-1], precision)
    np.testing.assert_allclose(found.recall[::-1], recall)
    np.testing.assert_array_equal(found.thresholds[::-1][:-1], thresholds)


@pytest.mark.filterwarnings("ignore:No positive class")
def test_the_curve_of_a_class_that_no_row_has_equals_scikit_learns():
    positive, score = np.zeros(4, bool), np.array([0.1, 0.5, 0.5, 0.9])
    found = precision_recall(positive, score)
    precision, recall, _ = precision_recall_curve(positive, score)
    np.testing.assert_array_equal(found.precision[::-1], precision)
    np.testing.assert_array_equal(found.recall[::-1], recall)


@pytest.mark.parametrize("seed", range(5))
def test_corners_leave_the_curve_as_it_is(seed):
    positive, score = ranked_rows(seed, 200, 50)
    whole = precision_recall(positive, score)
    corners = whole.corners()
    assert len(corners.recall) < len(whole.recall)
    area = auc(corners.recall, corners.precision)
    assert area == pytest.approx(auc(whole.recall, whole.precision))
    assert 100 * area == pytest.approx(class_auprc(1 - positive.astype(int), score[:, None])[0])
    for point in zip(corners.recall, corners.precision, corners.thresholds, strict=True):
        assert point in set(zip(whole.recall, whole.precision, whole.thresholds, strict=True))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("count", [1, 7, 400])
def test_bins_equal_scikit_learns(count, strategy):
    rng = np.random.default_rng(count)
    confidence = rng.random(count).round(1)  # many on an edge
    right = rng.random(count) < confidence
    right[0] = True  # scikit-learn wants two classes, or none that is unusual
    found = reliability(confidence, right, 10, equal_mass=strategy == "quantile")
    if right.all():
        assert found.accuracy.tolist() == [1.0]
        return
    accuracy, mean = calibration_curve(right, confidence, n_bins=10, strategy=strategy)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, mean)
    assert found.count.sum() == count


@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(0, 1)), st.booleans())
def test_every_row_is_in_the_bin_whose_edges_enclose_it(confidence, equal_mass):
    found = reliability(confidence, np.ones(len(confidence), bool), equal_mass=equal_mass)
    assert found.count.sum() == len(confidence)
    assert (found.low - 1e-12 <= found.confidence).all()
    assert (found.confidence <= found.high + 1e-12).all()


def test_the_calibration_error_is_the_mean_gap_by_rows():
    confidence = np.array([0.95, 0.95, 0.95, 0.55])
    found = reliability(confidence, np.array([True, True, False, True]), 10)
    # Three rows of .95, two right; one of .55, right.
    assert found.ece == pytest.approx(100 * (3 * (0.95 - 2 / 3) + (1 - 0.55)) / 4)
    assert found.largest_gap == pytest.approx(45)
    assert found.low.tolist() == pytest.approx([0.5, 0.9])


def test_what_is_right_as_often_as_it_says_has_no_error():
    confidence = np.full(10, 0.7)
    right = np.arange(10) < 7
    assert reliability(confidence, right).ece == pytest.approx(0)
    assert reliability(confidence, right, equal_mass=True).ece == pytest.approx(0)


def test_the_confusion_matrix_equals_scikit_learns():
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 4, (2, 100))
    found = confusion(gold, predicted, 6)  # two classes that no row has
    np.testing.assert_array_equal(found, confusion_matrix(gold, predicted, labels=range(6)))
