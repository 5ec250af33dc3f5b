"""Class weights: their arithmetic, what rows carry of them, and from which epoch on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_stages import toy_stage
from toy_fit import CLASSES, TARGETS, Rows, toy_model

from relx.data.batches import Batch, Feeder, training_plan
from relx.devices.device import open_device
from relx.recipe import CheckpointSection, DeviceSection, TrainSection
from relx.training import fit as fits
from relx.training.fit import compile_for, fit
from relx.training.objective import rows_of
from relx.training.weighted_rows import WeightedRows, class_weights

KINDS = ("balanced", "effective")
ROWS = np.array([0] * 6 + [1] * 3 + [3])  # no row has class 2


def test_balanced_weights_are_rows_over_classes_and_count():
    # 10 rows, 3 classes that have any: 10 / (3 · 6), 10 / (3 · 3), 10 / (3 · 1)
    assert class_weights(ROWS, "balanced") == pytest.approx([10 / 18, 10 / 9, 1, 10 / 3])


def test_effective_weights_are_the_papers():
    beta, counts = 0.9999, np.array([6, 3, 1])
    plain = (1 - beta) / (1 - beta**counts)  # equation 2's inverse
    expected = plain * 10 / (counts * plain).sum()
    assert class_weights(ROWS, "effective")[[0, 1, 3]] == pytest.approx(expected, rel=1e-9)
    assert class_weights(ROWS, "effective")[2] == 1


def test_more_rows_than_the_effective_number_counts_weigh_no_less():
    many = np.repeat([0, 1, 2], [200_000, 400_000, 10])
    effective, balanced = (class_weights(many, kind) for kind in reversed(KINDS))
    assert effective[0] == pytest.approx(effective[1], rel=1e-6)  # both are 1 / (1 - beta) rows
    assert balanced[0] == pytest.approx(2 * balanced[1])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=300), st.sampled_from(KINDS))
def test_the_mean_row_weighs_one_and_a_rarer_class_more(classes, kind):
    rows = np.array(classes)
    weights = class_weights(rows, kind)
    assert weights[rows].mean() == pytest.approx(1)
    counts = np.bincount(rows)
    for one in np.flatnonzero(counts):
        for other in np.flatnonzero(counts):
            assert counts[one] <= counts[other] or weights[one] < weights[other]


@given(st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_row_of_a_batch_weighs_its_class_over_the_number_of_rows(epoch, first, fill):
    weights = np.array([0.5, 1.0, 3.0])
    taken = np.array([3, 0, 7, 3] if fill else [3, 0, 7, 5])
    batch = Batch(taken, 3 if fill else 4, 9, epoch)
    _, targets, found = WeightedRows(Rows, TARGETS, weights, first).training(batch, None)
    assert (targets == TARGETS[taken]).all()
    plain = batch.weights() / batch.real
    expected = plain * weights[TARGETS[taken]] if epoch >= first else plain
    assert found.dtype == np.float32
    assert found == pytest.approx(expected)


def test_a_plans_batches_know_their_epoch():
    plans = [training_plan(Rows.lengths, 8, seed=0, epoch=epoch) for epoch in (0, 3)]
    assert [{batch.epoch for batch in plan} for plan in plans] == [{0}, {3}]


def test_rows_stay_themselves_where_no_option_is_set():
    assert rows_of(TrainSection(), Rows, TARGETS) is Rows


SECTION = TrainSection(
    epochs=2,
    learning_rate=0.02,
    label_smoothing=0.0,
    class_weights="effective",
    class_weights_from=2,
)


class Toy:
    """A toy model whose rows weigh what their classes do from the second epoch on."""

    def __init__(self, runs_dir, section=SECTION):
        self.runs_dir, self.device = runs_dir, open_device(DeviceSection(precision="float32"), 0)
        self.kept = {}
        rows = rows_of(section, Rows, TARGETS)
        self.feeder = Feeder(rows.lengths, 8, 0, rows.training)
        with self.device.scope():
            self.model = toy_model()
        compile_for(self.device, self.model, section, self.feeder.steps)

    def fit(self):
        def keep(state):
            self.kept[state.epoch] = self.weights()
            return {}

        with toy_stage(self.runs_dir) as stage:
            return fit(
                self.model,
                self.feeder,
                self.device,
                epochs=SECTION.epochs,
                stage=stage,
                title="train",
                after_epoch=keep,
                checkpoint=CheckpointSection(steps=1),
            )

    def weights(self):
        return np.concatenate([np.ravel(weight) for weight in self.model.get_weights()])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What was never stopped, and its losses."""
    toy = Toy(tmp_path_factory.mktemp("whole"))
    return toy, [figures["loss"] for figures in toy.fit().history]


@pytest.mark.parametrize("saves", [3, 5], ids=["as the weights begin", "after they began"])
def test_deferred_weights_survive_a_kill_to_the_same_bits(whole, saves, tmp_path, monkeypatch):
    unbroken, losses = whole
    save, left = fits.save_checkpoint, iter(range(saves - 1, -1, -1))

    def save_and_stop(*arguments):
        save(*arguments)
        if next(left) == 0:
            raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(fits, "save_checkpoint", save_and_stop)
        Toy(tmp_path / "stopped").fit()
    resumed = Toy(tmp_path / "stopped")
    assert [figures["loss"] for figures in resumed.fit().history] == losses
    assert (resumed.weights() == unbroken.weights()).all()


def test_deferred_weights_change_nothing_before_their_epoch(whole, tmp_path):
    plain = SECTION.model_copy(update={"class_weights": "none", "class_weights_from": 1})
    without = Toy(tmp_path, plain)
    without.fit()
    same = [(whole[0].kept[e] == without.kept[e]).all() for e in range(SECTION.epochs)]
    assert same == [True, False]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_batch_costs_its_rows_weighted_losses_over_their_number(parts):
    section = TrainSection(class_weights="balanced", label_smoothing=0.1)
    device = open_device(DeviceSection(precision="float32"), 0)
    rows = rows_of(section, Rows, TARGETS)
    feeder = Feeder(rows.lengths, 22, 0, rows.training, accumulate=parts)
    model = toy_model()
    compile_for(device, model, section, feeder.steps, label_smoothing=0.1)
    inputs, _, _ = next(Feeder(rows.lengths, 22, 0, rows.training).arrays(0))
    logits = model.predict(inputs, verbose=0)
    order = training_plan(Rows.lengths, 22, seed=0, epoch=0)[0].rows
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    true = TARGETS[order]
    truth = 0.9 * np.eye(CLASSES)[true] + 0.1 / CLASSES
    counts = np.bincount(TARGETS)
    costs = (22 / (CLASSES * counts))[true] * -(truth * logs).sum(axis=1)
    total = sum(
        model.compute_loss(inputs, targets, model(inputs), weights)
        for inputs, targets, weights in feeder.arrays(0)
    )
    assert float(total) / parts == pytest.approx(costs.mean(), rel=1e-5)
