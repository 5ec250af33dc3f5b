"""Training over all words: probabilities and gradients are those of the whole vocabulary."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from relx.devices.device import BACKENDS
from relx.models.decoder import others
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.heads import WordHead
from relx.models.decoder.others import OtherWords
from relx.recipe_file import recipe_from_tree
from relx.training.losses import LOSSES
from tests.decoder_models import VOCABULARY, write_reference
from tests.processes_by_backend import on_backend

torch = pytest.importorskip("torch")
TOKENS = [11, 12, 13, 14]
RNG = np.random.default_rng(0)


def table_of(values):
    return keras.Variable(values, dtype="float32", trainable=False)


@pytest.mark.parametrize("at_once", [1 << 14, 7])
@pytest.mark.parametrize("cap", [0.0, 5.0])
def test_labels_have_their_probabilities_among_all_words(monkeypatch, at_once, cap):
    monkeypatch.setattr(others, "_AT_ONCE", at_once)
    table = RNG.standard_normal((50, 8)).astype(np.float32)
    states = 3 * RNG.standard_normal((5, 8)).astype(np.float32)
    logits = states @ table.T
    logits = cap * np.tanh(logits / cap) if cap else logits
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rest = ops.convert_to_numpy(OtherWords(table_of(table), TOKENS, cap)(states))
    ours = np.concatenate([logits[:, TOKENS], rest], axis=1)
    ours = np.exp(ours) / np.exp(ours).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ours[:, :-1], shares[:, TOKENS], rtol=1e-5)
    np.testing.assert_allclose(ours[:, -1], 1 - shares[:, TOKENS].sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", ["llama-biases", "gpt_neox", "gemma2", "gpt2"])
@pytest.mark.parametrize("loss", ["cross_entropy", "soft_cross_entropy"])
def test_the_loss_is_that_of_transformers_whole_vocabulary(name, loss, tmp_path):
    model = write_reference(name, tmp_path)
    ids = RNG.integers(3, VOCABULARY, (6, 9)).astype(np.int32)
    true = RNG.integers(0, len(TOKENS), 6)
    with torch.no_grad():
        whole = model(input_ids=torch.tensor(ids.astype(np.int64))).logits[:, -1]
    theirs = torch.nn.functional.cross_entropy(
        whole, torch.tensor(np.array(TOKENS)[true]), reduction="none"
    ).numpy()
    loaded = load_decoder(tmp_path)
    cap = loaded.decoder.configuration.logit_cap
    head = WordHead(len(TOKENS), loaded.decoder.configuration.hidden_size, cap=cap)
    head.rows.assign(loaded.output_rows(TOKENS))
    states = loaded.decoder(ids, last=np.full(6, 8, np.int32))
    rest = OtherWords(loaded.output_table(), TOKENS, cap)(states)
    logits = ops.concatenate([head(states), rest], axis=-1)
    targets = true if loss == "cross_entropy" else np.eye(len(TOKENS), dtype=np.float32)[true]
    ours = ops.convert_to_numpy(LOSSES[loss]().call(ops.convert_to_tensor(targets), logits))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_gradient_is_the_mean_of_rows_by_their_shares(backend):
    assert float(on_backend(backend, "decoder_word_sums")) <= 1e-5


def tree(**decoder):
    data = {"train": "t.jsonl", "dev": "d.jsonl", "labels": ["joy", "anger"]}
    own = {"from": "x/y", "softmax": "vocabulary"} | decoder
    return {"name": "a", "task": "target", "data": data, "decoder": own}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decoder": {"head": "classes"}}, "label_words"),
        ({"decide": {"loss": "asymmetric"}}, "decide.loss is asymmetric"),
        ({"train": {"label_smoothing": 0.1}}, "label_smoothing to 0"),
    ],
)
def test_what_is_no_plain_cross_entropy_is_refused(change, said):
    recipe_from_tree(tree())  # as it is, it is fine
    changed = tree(**change.pop("decoder", {})) | change
    with pytest.raises(Exception, match=said):
        recipe_from_tree(changed)


def test_runs_from_before_the_choice_are_still_the_same():
    assert "softmax" not in recipe_from_tree(tree(softmax="labels")).decoder.inputs()
    assert recipe_from_tree(tree()).decoder.inputs()["softmax"] == "vocabulary"
