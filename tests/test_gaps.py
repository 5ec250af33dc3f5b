"""What stage 1 logs of held-out sentences: the gaps, the original tokens, and the guesses."""

import random

import numpy as np
import pytest
from keras import ops

from relx.devices.device import open_device
from relx.models.encoder.load import load_encoder
from relx.recipe import DeviceSection, FreshSizes, FreshSource, TaptSection
from relx.training.fit import compile_for
from tapt.arrays import CorpusArrays
from tapt.corpus import CorpusText, tokenize_corpus
from tapt.gaps import Gap, GapRow, fill_gaps, gap_rows, gaps_text
from tapt.masked_lm import masked_lm_model

SENTENCES = [f"가람은 {n}년에 나루시에서 태어나 대학교를 졸업했다." for n in range(1950, 1967)]
SENTENCES += ["짧은 글.", "하나"]
SIZES = FreshSizes(layers=1, hidden=12, heads=3, intermediate=20, vocabulary=150)


def started(**section):
    """Returns a device, the masked-LM model on it, and its tokenizer; the same on every device."""
    device = open_device(DeviceSection(precision="float32", **section), 0)
    source = FreshSource(fresh=SIZES)
    with device.scope():
        loaded = load_encoder(source, sentences=lambda: SENTENCES, with_head=True, seed=1)
        model = masked_lm_model(loaded)
    compile_for(device, model, TaptSection(), steps=10)
    return device, model, loaded.tokenizer


@pytest.fixture(scope="module")
def one():
    return started()


@pytest.fixture(scope="module")
def arrays(one):
    tokenizer = one[2]
    return CorpusArrays(
        tokenize_corpus([CorpusText(sentence) for sentence in SENTENCES], tokenizer, 64, "words"),
        rate=0.3,
        pad_id=tokenizer.pad_token_id,
        mask_id=tokenizer.mask_token_id,
        random_ids=np.arange(5, len(tokenizer), dtype=np.int32),
        segments=True,
    )


def test_guesses_are_the_models_own(one, arrays):
    device, model, _ = one
    for row in fill_gaps(model, device, arrays, 5, seed=3):
        masked = row.token_ids.copy()
        positions = np.array([gap.position for gap in row.gaps], np.int32)
        assert [gap.original for gap in row.gaps] == row.token_ids[positions].tolist()
        masked[positions] = arrays.mask_id
        inputs = {"token_ids": masked, "padding_mask": np.ones_like(masked)}
        inputs |= {"segment_ids": np.zeros_like(masked), "mask_positions": positions}
        logits = model({name: array[None] for name, array in inputs.items()}, training=False)
        expected = ops.convert_to_numpy(ops.softmax(logits))[0]
        assert [gap.guessed for gap in row.gaps] == expected.argmax(axis=1).tolist()
        assert [gap.probability for gap in row.gaps] == pytest.approx(expected.max(axis=1), 1e-3)


def test_it_is_the_same_at_every_call_and_touches_no_random_state(one, arrays):
    device, model, _ = one
    first = fill_gaps(model, device, arrays, 4, seed=3)
    before = random.getstate(), np.random.get_state()[1].tolist()
    seeds = [np.array(ops.convert_to_numpy(state)) for state in seed_states(model)]
    again = fill_gaps(model, device, arrays, 4, seed=3)
    assert [row.gaps for row in again] == [row.gaps for row in first]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    now = [np.array(ops.convert_to_numpy(state)) for state in seed_states(model)]
    assert seeds and all((old == new).all() for old, new in zip(seeds, now, strict=True))


def seed_states(model):
    """The states of all dropouts, which training must find as it left them."""
    layers = [model, *model._flatten_layers()]
    return [v for layer in layers for v in layer.non_trainable_variables if "seed" in v.path]


def test_replicas_fill_the_same_gaps(one, arrays):
    device, model, _ = one
    alone = fill_gaps(model, device, arrays, 5, seed=3)
    both, mirrored, _ = started(strategy="mirrored", virtual_devices=2)
    shared = fill_gaps(mirrored, both, arrays, 5, seed=3)
    assert len(shared) == len(gap_rows(arrays.lengths))  # rows that fill up a batch are left out
    assert [row.token_ids.tolist() for row in shared] == [row.token_ids.tolist() for row in alone]
    ours, theirs = ([gap for row in rows for gap in row.gaps] for rows in (shared, alone))
    assert [(gap.position, gap.original) for gap in ours] == [
        (g.position, g.original) for g in theirs
    ]


def test_the_rows_are_of_the_shorter_half_and_at_most_a_dozen():
    lengths = np.random.default_rng(0).integers(5, 100, 300)
    rows = gap_rows(lengths)
    assert len(rows) == 12 and (np.diff(rows) > 0).all()
    assert lengths[rows].max() <= np.median(lengths)
    assert gap_rows(np.array([7])).tolist() == [0]
    assert gap_rows(np.array([9, 3, 5])).tolist() == [1, 2]


def test_the_text_shows_the_original_and_the_guess(one):
    tokenizer = one[2]
    ids = np.array(tokenizer("가람은 나루시에서")["input_ids"], np.int32)
    words = [tokenizer.decode([i]) for i in ids]
    gaps = (Gap(1, int(ids[1]), int(ids[2]), 0.25), Gap(2, int(ids[2]), int(ids[2]), 0.5))
    text = gaps_text([GapRow(ids, gaps)], tokenizer).replace("&#35;", "#")
    assert "1 of 2 gaps in 1 held-out sentences" in text
    assert f"**{words[1]} → {words[2]}** (25 %) **{words[2]} ✓** (50 %)" in text
    assert "| 1 of 2 |" in text
    assert tokenizer.cls_token not in text


def test_rows_with_most_wrong_guesses_come_first(one, arrays):
    device, model, _ = one
    wrong = [row.wrong for row in fill_gaps(model, device, arrays, 50, seed=3)]
    assert wrong == sorted(wrong, reverse=True)
