"""Bootstrap intervals: weights against rows that are repeated in fact."""

from dataclasses import replace

import numpy as np
import pytest

from relx.data.labels import LabelList
from relx.score import ScoredRows
from relx.scoring.curves import class_auprc
from relx.scoring.decisions.one_of import scores
from relx.scoring.intervals import (
    CLASS_SCORES,
    SCORES,
    _drawn_weights,
    _Scorer,
    bootstrap,
    paired_bootstrap,
)
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example

LABELS = LabelList(("org:a", "no_relation", "per:b", "per:c", "per:never"), "no_relation")
ENTITY = Entity("가", Span(0, 1), "PER")


def scored(gold, probabilities, predicted=None, labels=LABELS):
    gold, probabilities = np.asarray(gold), np.asarray(probabilities, dtype=np.float64)
    examples = tuple(Example(str(i), "가", ENTITY, ENTITY, None) for i in range(len(gold)))
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    return ScoredRows("a", "gold.csv", examples, labels, gold, predicted, probabilities)


def random_rows(rng, count, steps, labels=LABELS):
    """Rows whose probabilities have few values, so that many are equal."""
    classes = len(labels)
    gold = rng.integers(0, classes - 1, count)
    probabilities = rng.integers(0, steps, (count, classes)) / steps
    probabilities[np.arange(count), gold] += rng.integers(0, 2, count) / 2
    predicted = np.where(rng.random(count) < 0.1, 0, probabilities.argmax(axis=1))
    return scored(gold, probabilities, predicted, labels)


def repeated(rows, weights):
    at = np.repeat(np.arange(len(rows.gold)), weights)
    return scores(rows.gold[at], rows.probabilities[at], rows.labels, rows.predicted[at])


@pytest.mark.parametrize("negative", ["no_relation", None])
@pytest.mark.parametrize(("count", "steps"), [(1, 2), (3, 2), (8, 3), (40, 4), (60, 1000)])
def test_weights_score_as_repeated_rows_do(count, steps, negative):
    rng = np.random.default_rng(count)
    rows = random_rows(rng, count, steps, LabelList(LABELS.names, negative))
    weights = rng.multinomial(count, np.full(count, 1 / count), 50).T.astype(np.int32)
    drawn = _Scorer(rows).score(weights)
    for draw, column in enumerate(weights.T):
        expected, lacks = repeated(rows, column), lacking(rows, column)
        for name in SCORES:
            if name != "auprc":
                assert drawn.scores[name][draw] == pytest.approx(getattr(expected, name))
        areas = [figures.auprc for figures in expected.classes.values()]
        assert drawn.scores["auprc"][draw] == pytest.approx(np.mean(np.array(areas)[~lacks]))
        for index, figures in enumerate(expected.classes.values()):
            for name in CLASS_SCORES:
                value = np.nan if name == "auprc" and lacks[index] else getattr(figures, name)
                found = drawn.classes[name][draw, index]
                assert found == pytest.approx(value, nan_ok=True), name


def lacking(rows, weights):
    """Says which classes the rows have, and the drawn rows have not."""
    classes = len(rows.labels)
    drawn = np.bincount(rows.gold, weights, classes)
    return (np.bincount(rows.gold, minlength=classes) > 0) & (drawn == 0)


def test_a_draw_without_a_class_says_nothing_of_its_auprc():
    rows = scored([0, 2], [[0.9, 0, 0.1, 0, 0], [0.2, 0, 0.8, 0, 0]])
    drawn = _Scorer(rows).score(np.array([[2], [0]], np.int32))
    assert drawn.classes["auprc"][0].tolist() == pytest.approx(
        [100, 50, np.nan, 50, 50], nan_ok=True
    )
    assert drawn.scores["auprc"].tolist() == [62.5]
    expected = class_auprc(np.zeros(2, int), rows.probabilities[[0, 0]])
    assert expected.tolist() == [100, 50, 50, 50, 50]


def test_rare_classes_do_not_push_the_interval_beside_the_value():
    """With 50 for a class that a draw lacks, the interval here would begin above the value."""
    classes, rng = 20, np.random.default_rng(1)
    labels = LabelList(tuple(f"c{i}" for i in range(classes)), None)
    gold = np.arange(classes).repeat([60] + [2] * (classes - 1))
    rows = scored(gold, rng.random((len(gold), classes)), labels=labels)
    auprc = bootstrap(rows, 400).scores["auprc"]
    assert auprc.low <= auprc.value <= auprc.high


def test_weights_are_rows_drawn_with_replacement(monkeypatch):
    monkeypatch.setattr("relx.scoring.intervals.CHUNK", 100)
    chunks = list(_drawn_weights(7, 3000, 1))
    assert len(chunks) > 1
    weights = np.concatenate(chunks, axis=1)
    assert weights.shape == (7, 3000)
    assert (weights.sum(axis=0) == 7).all()
    # A multinomial weight has mean 1 and variance 1 - 1/7.
    assert weights.mean() == 1
    assert weights.var(axis=1) == pytest.approx(np.full(7, 6 / 7), rel=0.15)


def test_chunks_change_nothing(monkeypatch):
    rows = random_rows(np.random.default_rng(2), 50, 10)
    whole = bootstrap(rows, 101)
    monkeypatch.setattr("relx.scoring.intervals.CHUNK", 1000)
    assert bootstrap(rows, 101) == whole


def test_the_interval_is_about_the_value_and_as_wide_as_it_should_be():
    rows = random_rows(np.random.default_rng(3), 400, 1000)
    found = bootstrap(rows)
    values = rows.scores()
    for name in SCORES:
        interval = found.scores[name]
        assert interval.value == getattr(values, name)
        assert interval.low < interval.value < interval.high
    # Accuracy is a share p of n rows: its standard error is sqrt(p (1 - p) / n).
    share = values.accuracy / 100
    error = 100 * np.sqrt(share * (1 - share) / 400)
    width = found.scores["accuracy"].high - found.scores["accuracy"].low
    assert width == pytest.approx(2 * 1.96 * error, rel=0.15)
    for label, figures in values.classes.items():
        assert found.classes[label]["f1"].value == figures.f1
        assert found.classes[label]["f1"].low <= figures.f1 <= found.classes[label]["f1"].high


def test_the_same_seed_draws_the_same_rows():
    rows = random_rows(np.random.default_rng(4), 30, 10)
    assert bootstrap(rows, 50, seed=1) == bootstrap(rows, 50, seed=1)
    assert bootstrap(rows, 50, seed=1) != bootstrap(rows, 50, seed=2)


def test_nothing_differs_from_itself():
    rows = random_rows(np.random.default_rng(5), 30, 10)
    overall, classes = paired_bootstrap(rows, rows, 50)
    assert set(overall) == set(SCORES)
    assert set(classes) == set(LABELS.names)
    every = [*overall.values(), *(d for by_name in classes.values() for d in by_name.values())]
    assert {(d.value, d.low, d.high, d.p) for d in every} == {(0.0, 0.0, 0.0, 1.0)}


def test_a_better_prediction_is_better_and_the_worse_one_as_much_worse():
    better = random_rows(np.random.default_rng(6), 200, 1000)
    shuffled = np.random.default_rng(7).permutation(better.predicted)
    worse = replace(better, predicted=shuffled)
    up, _ = paired_bootstrap(worse, better, 200)
    down, _ = paired_bootstrap(better, worse, 200)
    assert up["micro_f1"].low > 0
    assert up["micro_f1"].p == pytest.approx(2 / 201)
    assert down["micro_f1"].value == -up["micro_f1"].value
    assert down["micro_f1"].low == pytest.approx(-up["micro_f1"].high)
    # Only the predictions differ, and AUPRC does not go by them.
    assert up["auprc"].value == up["auprc"].low == up["auprc"].high == 0


def test_rows_are_drawn_together():
    """Two predictions that differ in one row differ little, however widely each may vary."""
    one = random_rows(np.random.default_rng(8), 100, 1000)
    predicted = one.predicted.copy()
    predicted[0] = (one.gold[0] + 1) % 4 if predicted[0] == one.gold[0] else one.gold[0]
    other = replace(one, predicted=predicted)
    found = paired_bootstrap(one, other, 300)[0]["accuracy"]
    alone = bootstrap(one, 300).scores["accuracy"]
    assert found.high - found.low < (alone.high - alone.low) / 3


def test_other_rows_cannot_be_paired():
    rows = random_rows(np.random.default_rng(9), 10, 10)
    with pytest.raises(ValueError, match="same gold label"):
        paired_bootstrap(rows, replace(rows, gold=(rows.gold + 1) % 5), 10)
    with pytest.raises(ValueError, match="same label list"):
        paired_bootstrap(rows, replace(rows, labels=LabelList(LABELS.names, None)), 10)
