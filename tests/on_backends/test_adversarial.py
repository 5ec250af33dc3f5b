"""FGM's step is that of the paper's formula, whatever the parts of a batch are."""

import keras
import numpy as np
import pytest
from keras import ops
from label_losses import differences

from relx.faults import InputError
from relx.recipe import TrainSection
from relx.training.losses import CrossEntropy
from relx.training.steps.adversarial import along
from relx.training.steps.choose import stepping

RADIUS, ROWS, LENGTH, WIDTH, WORDS, CLASSES = 0.7, 5, 3, 4, 9, 3
NOISE = np.random.default_rng(5)
TOKENS = NOISE.integers(0, WORDS, (ROWS, LENGTH)).astype(np.int32)
TARGETS = np.array([0, 2, 1, 1, 0], np.int32)
WEIGHTS = np.array([1, 1, 1, 1, 0], np.float32) / 4
TABLE = NOISE.normal(size=(WORDS, WIDTH)).astype(np.float32)
KERNEL = NOISE.normal(size=(LENGTH * WIDTH, CLASSES)).astype(np.float32)


def model_for(device):
    with device.scope():
        tokens = keras.Input((LENGTH,), dtype="int32", name="token_ids")
        table = keras.layers.Embedding(WORDS, WIDTH, name="token_embedding")
        last = keras.layers.Dense(CLASSES, use_bias=False)
        logits = last(ops.tanh(keras.layers.Flatten()(table(tokens))))
        plain = keras.Model({"token_ids": tokens}, logits)
        table.embeddings.assign(TABLE)
        last.kernel.assign(KERNEL)
        section = TrainSection(adversarial="fgm", adversarial_radius=RADIUS)
        model = stepping(plain, device, section, softmax=True)
        options = {"jit_compile": device.compiles, "auto_scale_loss": False}
        model.compile(keras.optimizers.SGD(1.0), CrossEntropy(), **options)
    return model, table, last


def loss_of(vectors, kernel):
    logits = np.tanh(vectors.reshape(ROWS, -1)) @ kernel
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -WEIGHTS @ logs[np.arange(ROWS), TARGETS]


def moves():
    vectors = TABLE[TOKENS].astype(np.float64)
    gradient = differences(lambda at: loss_of(at, KERNEL.astype(np.float64)), vectors)
    norms = np.sqrt((gradient**2).sum((1, 2), keepdims=True))
    return RADIUS * gradient / np.where(norms > 1e-9, norms, np.inf)


def papers_loss(table, kernel, moved):
    vectors = table[TOKENS]
    return loss_of(vectors, kernel) + loss_of(vectors + moved, kernel)


def stepped(model, table, last, rows=slice(None)):
    table.embeddings.assign(TABLE)
    last.kernel.assign(KERNEL)
    inputs = {"token_ids": TOKENS[rows]}
    value = model.train_on_batch(inputs, TARGETS[rows], sample_weight=WEIGHTS[rows])
    moved = [ops.convert_to_numpy(v) for v in (table.embeddings, last.kernel)]
    return float(np.ravel(value)[0]), moved[0] - TABLE, moved[1] - KERNEL


def test_a_step_adds_the_gradients_of_the_row_and_of_the_moved_row(open_):
    model, table, last = model_for(open_())
    value, of_table, of_kernel = stepped(model, table, last)
    moved, wide = moves(), (TABLE.astype(np.float64), KERNEL.astype(np.float64))
    assert value == pytest.approx(papers_loss(*wide, moved), rel=1e-5)
    slopes = differences(lambda at: papers_loss(at, wide[1], moved), TABLE)
    assert of_table == pytest.approx(-slopes, abs=5e-6)
    slopes = differences(lambda at: papers_loss(wide[0], at, moved), KERNEL)
    assert of_kernel == pytest.approx(-slopes, abs=5e-6)
    measured = model.evaluate({"token_ids": TOKENS}, TARGETS, sample_weight=WEIGHTS, verbose=0)
    kernel, rows = (ops.convert_to_numpy(v) for v in (last.kernel, table.embeddings))
    assert float(measured) == pytest.approx(loss_of(rows[TOKENS], kernel), rel=1e-4)


def test_the_parts_of_a_batch_add_up(open_):
    model, table, last = model_for(open_())
    whole = stepped(model, table, last)
    parts = [stepped(model, table, last, rows) for rows in (slice(0, 2), slice(2, 5))]
    for of_all, of_parts in zip(whole, zip(*parts, strict=True), strict=True):
        assert sum(of_parts) == pytest.approx(of_all, abs=2e-6)


def test_a_row_moves_by_the_radius_or_not_at_all(open_):
    open_()
    gradient = NOISE.normal(size=(3, 2, 2)).astype(np.float32)
    gradient[1], gradient[2] = 0, gradient[2] * 1e-25
    moved = ops.convert_to_numpy(along(gradient, 2.0))
    lengths = np.sqrt((moved**2).sum((1, 2)))
    assert lengths == pytest.approx([2, 0, 2], rel=1e-5)


def test_an_encoder_is_cut_at_its_token_vectors_and_learns(open_, trainer, tmp_path):
    trained = trainer(open_(), dropout=0.1, adversarial="fgm", epochs=1)
    plain = trainer(open_(), dropout=0.1, epochs=1)
    assert len(trained.model.variables) == len(plain.model.variables)
    before = trained.weights()
    assert np.isfinite(trained.fit(tmp_path / "fit").history[0]["loss"])
    assert any((a != b).any() for a, b in zip(before, trained.weights(), strict=True))


def test_float16_is_refused(open_, trainer, backend):
    if backend == "jax":
        pytest.skip("it is refused float16 already")
    with pytest.raises(InputError, match="can vanish"):
        trainer(open_("mixed_float16"), adversarial="fgm")
