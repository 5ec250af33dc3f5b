import numpy as np
import pytest
from sklearn.metrics import multilabel_confusion_matrix, precision_recall_fscore_support

from relx.data.labels import KLUE, LabelList
from relx.faults import InputError
from relx.scoring.averages import averaged

RELATIONS = ("Cause-Effect", "Component-Whole", "Entity-Origin", "Message-Topic")
WAYS = ("(e1,e2)", "(e2,e1)")
SEMEVAL = LabelList(("Other", *(name + way for name in RELATIONS for way in WAYS)), "Other")


def drawn(count, rows=500, seed=3, right=0.5, kinds=None):
    """Classes that are right in about half of the rows, and often turned round in the others."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, kinds or count, rows)
    turned = np.where((gold > 0) & (rng.random(rows) < 0.5), ((gold - 1) ^ 1) + 1, gold)
    other = np.where(turned < count, turned, gold)
    return gold, np.where(rng.random(rows) < right, gold, rng.permutation(other))


def cells(values, labels):
    return np.eye(len(labels), dtype=bool)[values]


def found(gold, predicted, labels, average, **options):
    return averaged(cells(gold, labels), cells(predicted, labels), labels, average, **options)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("labels", [KLUE, SEMEVAL, LabelList(("a", "b", "c"), None)])
def test_averages_are_scikit_learns(average, labels):
    gold, predicted = drawn(len(labels))
    counted = [i for i in range(len(labels)) if i != labels.negative_index]
    expected = precision_recall_fscore_support(
        gold, predicted, labels=counted, average=average, zero_division=0
    )[:3]
    mean = found(gold, predicted, labels, average)
    assert (mean.precision, mean.recall, mean.f1) == pytest.approx([100 * x for x in expected])
    assert len(mean.classes) == len(counted)


@pytest.mark.parametrize("seed", range(5))
def test_directions_are_counted_as_semeval_2010_task_8_does(seed):
    """Both directions of a relation are one class, in which a wrong direction is a wrong row."""
    gold, predicted = drawn(9, seed=seed, kinds=9 - 2 * (seed % 2))
    tables = multilabel_confusion_matrix(gold, predicted, labels=range(1, 9))
    per_relation = tables.reshape(4, 2, 2, 2).sum(axis=1)  # (relations, not | is, not | said)
    extra, missed, hits = per_relation[:, 0, 1], per_relation[:, 1, 0], per_relation[:, 1, 1]
    there = hits + missed > 0
    precision = hits / np.maximum(hits + extra, 1)
    recall = hits / np.maximum(hits + missed, 1)
    f1 = 2 * hits / np.maximum(2 * hits + extra + missed, 1)
    mean = found(gold, predicted, SEMEVAL, "macro", direction=True)
    assert mean.f1 == pytest.approx(100 * f1[there].mean())
    assert mean.precision == pytest.approx(100 * precision[there].mean())
    assert mean.recall == pytest.approx(100 * recall[there].mean())
    assert [row.name for row in mean.classes] == [
        n for n, t in zip(RELATIONS, there, strict=True) if t
    ]
    assert f"over {there.sum()} relations" in mean.note()


def test_the_wrong_way_round_is_wrong():
    gold = np.array([1, 2, 3, 4])
    turned = np.array([2, 1, 4, 3])
    assert found(gold, turned, SEMEVAL, "macro", direction=True).f1 == 0
    assert found(gold, gold, SEMEVAL, "macro", direction=True).f1 == 100


def test_the_micro_average_is_that_of_all_scores_and_of_tacred():
    """TACRED: hits, guesses and gold rows of every relation but no_relation, added up."""
    gold, predicted = drawn(30)
    hits = ((gold == predicted) & (gold > 0)).sum()
    precision, recall = hits / (predicted > 0).sum(), hits / (gold > 0).sum()
    mean = found(gold, predicted, KLUE, "micro")
    assert mean.f1 == pytest.approx(100 * 2 * precision * recall / (precision + recall))
    assert mean.precision == pytest.approx(100 * precision)
    assert mean.recall == pytest.approx(100 * recall)


def test_any_number_of_labels_is_averaged_too():
    rng = np.random.default_rng(1)
    gold, predicted = rng.random((80, 3)) < 0.4, rng.random((80, 3)) < 0.5
    labels = LabelList(("a", "b", "c"), None)
    expected = precision_recall_fscore_support(gold, predicted, average="macro", zero_division=0)
    assert averaged(gold, predicted, labels, "macro").f1 == pytest.approx(100 * expected[2])


@pytest.mark.parametrize("labels", [KLUE, LabelList(("a(e1,e1)", "b"), None)])
def test_labels_without_directions_have_none_to_count(labels):
    gold, predicted = drawn(2)
    with pytest.raises(InputError, match="no label says a direction"):
        found(gold, predicted, labels, "macro", direction=True)


def test_where_only_the_negative_label_is_there_nothing_is_averaged():
    none = np.zeros(4, int)
    with pytest.raises(InputError, match="no class is left"):
        found(none, none, SEMEVAL, "macro")
