"""Stage 1's model and arrays: the loss is over the masked tokens, each counted once."""

import math

import numpy as np
import pytest
from keras import ops

from relx.data.batches import Batch, reading_plan
from relx.devices.device import open_device
from relx.models.encoder.load import load_encoder
from relx.recipe import DeviceSection, FreshSizes, FreshSource, TaptSection
from relx.training.fit import compile_for
from tapt.arrays import CorpusArrays
from tapt.corpus import CorpusText, tokenize_corpus
from tapt.masked_lm import masked_lm_model, pseudo_perplexity

SENTENCES = [f"가람은 {n}년에 나루시에서 태어나 바다대학교를 졸업했다." for n in range(1950, 1961)]
SENTENCES += ["짧은 글.", "하나"]
SIZES = FreshSizes(layers=1, hidden=12, heads=3, intermediate=20, vocabulary=150)


@pytest.fixture(scope="module")
def device():
    return open_device(DeviceSection(precision="float32"), 0)


@pytest.fixture(scope="module")
def loaded(device):
    source = FreshSource(fresh=SIZES)
    return load_encoder(source, sentences=lambda: SENTENCES, with_head=True, seed=1)


@pytest.fixture(scope="module")
def arrays(loaded):
    texts = [CorpusText(sentence) for sentence in SENTENCES]
    tokenizer = loaded.tokenizer
    return CorpusArrays(
        tokenize_corpus(texts, tokenizer, 64, "words"),
        rate=0.3,
        pad_id=tokenizer.pad_token_id,
        mask_id=tokenizer.mask_token_id,
        random_ids=np.arange(5, len(tokenizer), dtype=np.int32),
        segments=True,
    )


def test_weights_sum_to_one_and_leave_out_rows_that_fill_up(arrays):
    batch = Batch(np.array([0, 1, 2, 0]), 3, 40)
    inputs, targets, weights = arrays.training(batch, np.random.default_rng(0))
    assert weights.sum() == pytest.approx(1)
    assert (weights[3] == 0).all()
    rows, slots = np.nonzero(weights)
    originals = [
        arrays.rows[batch.rows[r]].token_ids[inputs["mask_positions"][r, s]]
        for r, s in zip(rows, slots, strict=True)
    ]
    assert targets[rows, slots].tolist() == originals
    assert inputs["padding_mask"].sum(1).tolist() == arrays.lengths[batch.rows].tolist()


def test_masks_are_drawn_anew_for_another_batch_seed(arrays):
    batch = Batch(np.arange(4), 4, 40)
    drawn = [
        arrays.training(batch, np.random.default_rng(seed))[0]["token_ids"] for seed in (0, 0, 1)
    ]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()


def test_pseudo_perplexity_is_that_of_every_gap_counted_once(device, loaded, arrays):
    model = masked_lm_model(loaded)
    compile_for(device, model, TaptSection(), steps=10)
    plan = reading_plan(arrays.lengths, 4)
    losses = []
    for inputs, targets, weights in arrays.measuring(plan, seed=5):
        logits = ops.convert_to_numpy(model(inputs, training=False)).astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        rows, slots = np.nonzero(weights)
        losses += (-logs[rows, slots, targets[rows, slots]]).tolist()
        positions = inputs["mask_positions"][rows, slots]
        assert (inputs["token_ids"][rows, positions] == arrays.mask_id).all()
    expected = math.exp(np.mean(losses))
    assert pseudo_perplexity(model, device, arrays, 4, 5) == pytest.approx(expected, rel=1e-4)


def test_the_head_sees_the_masked_positions_alone(loaded, arrays):
    model = masked_lm_model(loaded)
    inputs, _, _ = arrays.training(Batch(np.arange(3), 3, 40), np.random.default_rng(0))
    logits = model(inputs, training=False)
    assert tuple(logits.shape) == (
        *inputs["mask_positions"].shape,
        loaded.encoder.configuration.vocab_size,
    )
    hidden = {name: value for name, value in inputs.items() if name != "mask_positions"}
    full = ops.convert_to_numpy(loaded.head(loaded.encoder(hidden, training=False)))
    chosen = np.take_along_axis(full, inputs["mask_positions"][..., None], axis=1)
    assert np.abs(ops.convert_to_numpy(logits) - chosen).max() < 1e-5
