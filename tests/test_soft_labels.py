"""Soft labels: joined by id, tempered, carried by the rows, mixed into the loss; and refused."""

from pathlib import Path

import keras
import numpy as np
import pytest
from class_losses import binary_divergence, classes, cross_entropy, divergence, shares
from hypothesis import given
from hypothesis import strategies as st
from label_losses import binary, cells
from toy_fit import CLASSES, ROWS, TARGETS, Rows

from relx.data.batches import Feeder
from relx.faults import InputError
from relx.recipe import TrainSection
from relx.scoring.predictions import Submission
from relx.scoring.soft_labels import agreement, soft_labels, tempered
from relx.training.mixed_losses import make_loss
from relx.training.objective import rows_of

FILE = Path("probs.csv")
SHARES = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])
NAMED = Submission(("c", "a", "b"), None, SHARES)


def soft(submission=NAMED, ids=("a", "b"), one=True):
    return soft_labels(submission, ids, FILE, "train.csv", one=one)


def fault(*arguments, **options):
    with pytest.raises(InputError) as caught:
        soft(*arguments, **options)
    (found,) = caught.value.faults
    return found


def test_rows_are_found_by_id_and_others_may_be_there():
    assert soft().tolist() == [[0.5, 0.5], [1.0, 0.0]]
    assert soft(ids=("c", "b", "a")).tolist() == SHARES[[0, 2, 1]].tolist()


def test_rows_without_soft_labels_are_counted_and_named():
    found = fault(ids=("a", "x", "y", "b"))
    assert found.what == "2 of 4 rows to train on have no soft labels here"
    assert (found.where, found.received) == ("probs.csv, column id", "x, y")


def test_a_file_without_ids_probabilities_or_names_is_refused():
    assert "no ids" in fault(Submission(None, None, SHARES)).what
    labels = Submission(("a", "b"), np.array([0, 1]), None)
    assert "labels, and no probabilities" in fault(labels).what
    unnamed = Submission(("a", "b"), None, SHARES[:2], named=False)
    assert "another order" in fault(unnamed).what


def test_rows_that_do_not_sum_to_one_are_refused_where_one_label_is_true():
    off = Submission(("a", "b"), None, np.array([[0.5, 0.5], [0.7, 0.4]]))
    found = fault(off)
    assert (found.where, found.received) == ("probs.csv, id b", "1.1")
    assert soft(off, one=False).tolist() == [[0.5, 0.5], [0.7, 0.4]]
    assert fault(off, ids=("b",)).what == "the soft labels of 1 rows to train on do not sum to 1"
    rounded = Submission(("a",), None, np.array([[0.333, 0.666]]))
    assert soft(rounded, ids=("a",)).sum() == pytest.approx(1, abs=1e-15)


def test_agreement_is_of_rows_or_of_cells():
    assert agreement(SHARES, np.array([1, 0, 1])) == pytest.approx(200 / 3)
    assert agreement(SHARES, np.array([[0.0, 1], [1, 1], [0, 0]])) == pytest.approx(500 / 6)


@given(st.integers(0, 2**16), st.floats(0.3, 8))
def test_tempered_probabilities_are_those_of_divided_logits(seed, temperature):
    _, logits, _ = classes(seed=seed)
    found = tempered(shares(logits), temperature, one=True)
    assert found == pytest.approx(shares(logits / temperature), abs=1e-6)
    of_each = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = 1 / (1 + np.exp(-logits.astype(np.float64) / temperature))
    assert tempered(of_each, temperature, one=False) == pytest.approx(expected, abs=1e-6)


def test_certainty_stays_certain_at_every_temperature():
    certain = np.array([[1.0, 0.0, 0.0]])
    for one in (True, False):
        assert (tempered(certain, 4.0, one=one) == certain).all()


def test_soft_labels_go_with_their_rows_through_batches_and_their_parts():
    own = np.random.default_rng(1).dirichlet(np.ones(CLASSES), ROWS)
    section = TrainSection.model_validate({"distill": {"file": "x"}, "class_weights": "balanced"})
    rows = rows_of(section, Rows, TARGETS, own)
    for parts in (1, 2):
        feeder = Feeder(rows.lengths, 8, 3, rows.training, accumulate=parts)
        found = [targets for _, targets, _ in feeder.arrays(1)]
        order = np.concatenate([batch.rows for batch in feeder.plan(1)])
        together = np.concatenate(found)
        assert (together[:, 0] == TARGETS[order]).all()
        assert (together[:, 1:] == own[order].astype(np.float32)).all()
        assert feeder.signature()[1] == ((8 // parts, 1 + CLASSES), np.float32)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_the_loss_of_one_label_is_the_papers(temperature, weight):
    true, logits, weights = classes(rows=7)
    own = np.random.default_rng(2).dirichlet(np.ones(5), 7)
    own[0] = [0, 1, 0, 0, 0]
    options = {"distilled": {"weight": weight, "temperature": temperature, "one": True}}
    targets = np.concatenate([true[:, None], tempered(own, temperature, one=True)], axis=1)
    ours = make_loss("cross_entropy", 0.1, options)(targets.astype(np.float32), logits, weights)
    usual, distance = cross_entropy(true, logits, 0.1), divergence(own, logits, temperature)
    expected = ((1 - weight) * usual + weight * distance).mean()
    assert float(ours) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_loss_of_many_labels_is_the_mean_of_binary_divergences(temperature):
    true, logits, weights = cells(rows=7)
    own = np.random.default_rng(2).uniform(size=(7, 5))
    own[0] = [0, 1, 0, 0, 1]
    options = {"distilled": {"weight": 0.4, "temperature": temperature, "one": False}}
    targets = np.concatenate([true, tempered(own, temperature, one=False)], axis=1)
    loss = make_loss("binary_cross_entropy", 0.0, options)
    ours = float(loss(targets.astype(np.float32), logits, weights))
    expected = 0.6 * binary(true, logits) + 0.4 * binary_divergence(own, logits, temperature).mean()
    assert ours == pytest.approx(expected, rel=1e-5)


def test_a_model_that_says_what_the_soft_labels_say_is_at_no_distance():
    true, logits, weights = classes()
    options = {"distilled": {"weight": 1.0, "temperature": 1.0, "one": True}}
    targets = np.concatenate([true[:, None], shares(logits)], axis=1).astype(np.float32)
    loss = make_loss("cross_entropy", 0.0, options)
    assert float(loss(targets, logits, weights)) == pytest.approx(0, abs=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()


def test_several_dropout_masks_share_a_rows_soft_labels():
    true, logits, weights = classes()
    options = {"distilled": {"weight": 0.5, "temperature": 2.0, "one": True}}
    targets = np.concatenate([true[:, None], shares(-logits)], axis=1).astype(np.float32)
    several = make_loss("cross_entropy", 0.0, {**options, "dropout_samples": 2})
    one = make_loss("cross_entropy", 0.0, options)
    both = [float(one(targets, scale * logits, weights)) for scale in (1, 2)]
    stacked = np.stack([logits, 2 * logits], axis=1)
    assert float(several(targets, stacked, weights)) == pytest.approx(np.mean(both), rel=1e-6)
