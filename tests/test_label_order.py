import numpy as np
import pytest

from relx.data.labels import KLUE, KLUE_RELATION_LIST, LabelList
from relx.scoring.label_order import doubt, known_orders, other_numbering, places

LABELS = LabelList(("no_relation", "b", "a", "d", "c"), "no_relation")


def drawn(count, rows=300, seed=1):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(count, 0.3), rows)


def test_klues_two_orders_are_of_the_same_labels():
    assert set(KLUE.names) == set(KLUE_RELATION_LIST.names) and KLUE != KLUE_RELATION_LIST
    assert len(KLUE_RELATION_LIST) == 30


@pytest.mark.parametrize(
    ("labels", "name"),
    [(KLUE, "klue-relation-list"), (KLUE_RELATION_LIST, "klue")],
)
def test_the_other_order_of_klue_is_named(labels, name):
    order = known_orders(labels)[name]
    theirs = drawn(30)  # in their order
    predicted = places(labels, order).argsort()[theirs.argmax(axis=1)]
    assert [labels.names[i] for i in predicted] == [order[i] for i in theirs.argmax(axis=1)]
    found = doubt(labels, predicted, theirs, known_orders(labels))
    assert found.many and found.order == name and found.fitting == 1
    assert f"--probs-order {name}" in str(found)
    ours = theirs[:, places(labels, order)]
    assert doubt(labels, predicted, ours, known_orders(labels)).other == 0


@pytest.mark.parametrize("name", ["alphabetical", "negative-first", "as-in-gold"])
def test_orders_of_any_labels_are_named(name):
    orders = known_orders(LABELS, ["c", "d", "a", "c", "no_relation", "b"])
    theirs = drawn(5)
    predicted = np.array([LABELS.index(orders[name][i]) for i in theirs.argmax(axis=1)])
    assert doubt(LABELS, predicted, theirs, orders).order == name


def test_an_order_that_nobody_knows_is_shown_by_its_labels():
    order = ("d", "a", "no_relation", "c", "b")
    theirs = drawn(5)
    predicted = np.array([LABELS.index(order[i]) for i in theirs.argmax(axis=1)])
    found = doubt(LABELS, predicted, theirs, known_orders(LABELS))
    assert found.order is None and found.columns == order
    assert "d, a, no_relation" in str(found) and "--probs-order FILE" in str(found)


def test_a_few_rows_of_an_author_are_no_other_order():
    rows = drawn(5, 1000)
    predicted = rows.argmax(axis=1)
    predicted[:10] = (predicted[:10] + 1) % 5
    found = doubt(LABELS, predicted, rows, known_orders(LABELS))
    assert found.other == 10 and not found.many
    predicted[:80] = (rows.argmax(axis=1)[:80] + 1) % 5
    found = doubt(LABELS, predicted, rows, known_orders(LABELS))
    assert found.many and found.order is None and not found.columns


def test_a_tie_is_no_doubt():
    rows = np.array([[0.4, 0.4, 0.1, 0.05, 0.05]])
    assert doubt(LABELS, np.array([1]), rows, {}).other == 0


def test_named_columns_have_no_other_order():
    theirs = drawn(5)
    predicted = (theirs.argmax(axis=1) + 1) % 5
    found = doubt(LABELS, predicted, theirs, known_orders(LABELS), named=True)
    assert found.many and found.order is None and not found.columns


@pytest.mark.parametrize("trained_by_ours", [True, False])
def test_labels_looked_up_in_another_list_are_recognised(trained_by_ours):
    orders = known_orders(KLUE)
    theirs = orders["klue-relation-list"]
    trained, read = (KLUE.names, theirs) if trained_by_ours else (theirs, KLUE.names)
    ids = np.random.default_rng(4).integers(0, 30, 400)
    gold = np.array([KLUE.index(trained[i]) for i in ids])
    predicted = np.array([KLUE.index(read[i]) for i in ids])
    pair, share = other_numbering(KLUE, gold, predicted, orders)
    assert share == 1 and "klue-relation-list" in pair
    assert pair.index("klue-relation-list") == (1 if trained_by_ours else 0)
    assert other_numbering(KLUE, gold, gold, orders) is None
    noise = np.random.default_rng(5).integers(0, 30, 400)
    assert other_numbering(KLUE, gold, noise, orders) is None
