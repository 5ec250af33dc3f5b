"""Bootstrap intervals of any number of labels: weights against rows repeated in fact."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from relx.data.labels import LabelList
from relx.scoring.decisions.any_of import AnyOf
from relx.scoring.intervals import CLASS_SCORES, _Scorer, bootstrap, paired_bootstrap

LABELS = LabelList(("joy", "trust", "fear", "never"), None)
OVERALL = ("micro_f1", "macro_f1", "auprc", "precision", "recall", "accuracy")


@dataclass(frozen=True)
class Rows:
    """What was predicted for some rows."""

    gold_cells: Any
    predicted_cells: Any
    probabilities: Any
    labels: LabelList = LABELS

    def scores(self):
        chosen = self.predicted_cells
        return AnyOf().scores(self.gold_cells, self.probabilities, self.labels, chosen)


def random_rows(rng, count, steps, labels=LABELS, *, with_probabilities=True):
    """Rows whose probabilities have few values; the last label no row has."""
    gold = rng.random((count, len(labels))) < [0.6, 0.3, 0.1, 0]
    probabilities = (
        rng.integers(0, steps, gold.shape) / steps / 2 + gold * rng.random(gold.shape) / 2
    )
    predicted = (probabilities >= 0.4) ^ (rng.random(gold.shape) < 0.05)
    return Rows(gold, predicted, probabilities if with_probabilities else None, labels)


def repeated(rows, weights):
    at = np.repeat(np.arange(len(rows.gold_cells)), weights)
    found = None if rows.probabilities is None else rows.probabilities[at]
    return replace(
        rows,
        gold_cells=rows.gold_cells[at],
        predicted_cells=rows.predicted_cells[at],
        probabilities=found,
    ).scores()


def same(found, expected):
    return found == pytest.approx(np.nan if expected is None else expected, nan_ok=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("negative", ["trust", None])
@pytest.mark.parametrize(("count", "steps"), [(1, 2), (3, 2), (8, 3), (40, 4), (60, 1000)])
def test_weights_score_as_repeated_rows_do(count, steps, negative):
    rng = np.random.default_rng(count)
    rows = random_rows(rng, count, steps, LabelList(LABELS.names, negative))
    weights = rng.multinomial(count, np.full(count, 1 / count), 50).T.astype(np.int32)
    drawn = _Scorer(rows).score(weights)
    assert set(drawn.scores) == set(OVERALL)
    for draw, column in enumerate(weights.T):
        expected = repeated(rows, column)
        for name in OVERALL:
            assert same(drawn.scores[name][draw], getattr(expected, name)), name
        for index, figures in enumerate(expected.classes.values()):
            for name in CLASS_SCORES:
                assert same(drawn.classes[name][draw, index], getattr(figures, name)), name


def test_the_interval_is_about_the_value_and_as_wide_as_it_should_be():
    rows = random_rows(np.random.default_rng(3), 400, 1000)
    found, values = bootstrap(rows), rows.scores()
    assert tuple(found.scores) == tuple(values.titles) == OVERALL
    for name, interval in found.scores.items():
        assert interval.value == getattr(values, name)
        assert interval.low < interval.value < interval.high
    # Exact match is a share p of n rows: its standard error is sqrt(p (1 - p) / n).
    share = values.accuracy / 100
    error = 100 * np.sqrt(share * (1 - share) / 400)
    width = found.scores["accuracy"].high - found.scores["accuracy"].low
    assert width == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_what_rows_do_not_have_has_no_interval():
    rows = random_rows(np.random.default_rng(4), 60, 10)
    assert set(bootstrap(rows, 50).classes["never"]) == {"precision", "recall", "f1"}
    bare = random_rows(np.random.default_rng(4), 60, 10, with_probabilities=False)
    found = bootstrap(bare, 50)
    assert set(found.scores) == set(OVERALL) - {"auprc"}
    assert set(found.classes["joy"]) == {"precision", "recall", "f1"}
    known = bootstrap(rows, 50)
    assert found.scores["micro_f1"] == known.scores["micro_f1"]
    for one, other in ((rows, bare), (bare, rows)):
        overall, classes = paired_bootstrap(one, other, 50)
        assert set(overall) == set(OVERALL) - {"auprc"}
        assert set(classes["joy"]) == {"precision", "recall", "f1"}


def test_a_better_prediction_is_better():
    better = random_rows(np.random.default_rng(6), 200, 1000)
    shuffled = np.random.default_rng(7).permutation(better.predicted_cells)
    worse = replace(better, predicted_cells=shuffled)
    up, by_label = paired_bootstrap(worse, better, 200)
    assert up["micro_f1"].low > 0
    assert up["macro_f1"].value == better.scores().macro_f1 - worse.scores().macro_f1
    assert up["auprc"].value == up["auprc"].low == up["auprc"].high == 0
    assert by_label["joy"]["f1"].low > 0
    assert set(by_label) == set(LABELS.names)


def test_other_gold_labels_cannot_be_paired():
    rows = random_rows(np.random.default_rng(9), 10, 10)
    with pytest.raises(ValueError, match="same gold label"):
        paired_bootstrap(rows, replace(rows, gold_cells=~rows.gold_cells), 10)
