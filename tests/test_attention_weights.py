"""Attention read out: the weights are those of transformers, and maps of them are what they say."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import encoder_models as models  # noqa: E402
from encoder_models import CASES, batch, theirs, write  # noqa: E402

from relx.attention import layer_means, overall_mean, rollout  # noqa: E402
from relx.models.encoder.architectures.attention import attention_weights, recorded_weights  # noqa: E402
from relx.models.encoder.load import load_encoder  # noqa: E402

LIMIT = 1e-4
SHARED = Path(__file__).parents[1] / ".." / "shared"


def their_weights(folder, inputs):
    """`output_attentions` of transformers: (layers, batch, heads, queries, keys)."""
    model = transformers.AutoModel.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    tensors = {name: torch.tensor(values) for name, values in inputs.items()}
    with torch.no_grad():
        return np.stack([w.numpy() for w in model(**tensors, output_attentions=True).attentions])


def our_weights(folder, inputs):
    encoder = load_encoder(str(folder), seed=1).encoder
    with recorded_weights() as layers:
        models.our_hidden(encoder, inputs)
    return np.stack(layers)


def difference(ours, other, inputs):
    """The largest difference at queries that are tokens; padding asks nothing."""
    inside = inputs["attention_mask"].astype(bool)  # (batch, queries)
    apart = np.abs(ours - other).max(axis=(0, 2, 4))
    return float(apart[inside].max())


@pytest.mark.parametrize("case", CASES)
def test_weights_are_those_of_transformers(case, tmp_path):
    model = theirs(case)
    write(model, tmp_path)
    inputs = batch(model, lengths=(29, 9, 14))  # 7 tokens is the window of local attention
    ours, expected = our_weights(tmp_path, inputs), their_weights(tmp_path, inputs)
    assert ours.dtype == np.float32 and ours.shape == expected.shape
    assert difference(ours, expected, inputs) < LIMIT
    for row, length in enumerate((29, 9, 14)):
        assert ours[:, row, :, :length, length:].max(initial=0) == 0
    assert (
        np.abs(ours - ours[:, :, ::-1]).max(axis=(1, 2, 3, 4)).min() > 100 * LIMIT
    )  # heads differ


def test_layers_of_local_attention_see_their_window_alone(tmp_path):
    model = theirs("modernbert")
    write(model, tmp_path)
    inputs = batch(model, lengths=(29,))
    weights = our_weights(tmp_path, inputs)[:, 0]
    places = np.arange(29)
    far = np.abs(places[:, None] - places) > 3
    seen = [bool((layer[:, far] > 1e-6).any()) for layer in weights]
    assert seen == [True, False, True]


def test_what_is_computed_stays_the_same_while_weights_are_kept(tmp_path):
    write(theirs("bert"), tmp_path)
    encoder = load_encoder(str(tmp_path), seed=1).encoder
    inputs = batch(theirs("bert"))
    plain = models.our_hidden(encoder, inputs)
    with recorded_weights() as layers:
        kept = models.our_hidden(encoder, inputs)
    again = models.our_hidden(encoder, inputs)
    np.testing.assert_allclose(plain, kept, atol=1e-6)
    np.testing.assert_array_equal(plain, again)
    assert len(layers) == 3  # and none of the third time


def test_weights_are_kept_before_dropout(tmp_path):
    model = theirs("bert")
    write(model, tmp_path)
    encoder = load_encoder(str(tmp_path), seed=1).encoder
    inputs = batch(model)
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    names["segment_ids"] = "token_type_ids"
    ours = {mine: inputs[name].astype("int32") for mine, name in names.items()}
    with recorded_weights() as layers:
        encoder(ours, training=True)
    np.testing.assert_allclose(np.stack(layers).sum(axis=-1), 1, atol=1e-5)


def test_one_sentence_gives_layers_heads_queries_and_keys(tmp_path):
    model = theirs("electra")
    write(model, tmp_path)
    inputs = batch(model, lengths=(11,))
    encoder = load_encoder(str(tmp_path), seed=1).encoder
    ours = {
        "token_ids": inputs["input_ids"].astype("int32"),
        "padding_mask": inputs["attention_mask"].astype("int32"),
        "segment_ids": inputs["token_type_ids"].astype("int32"),
        "spans": np.zeros((1, 2, 2), "int32"),
    }
    weights = attention_weights(encoder, ours)
    assert weights.shape == (3, 7, 11, 11)
    assert np.abs(weights - their_weights(tmp_path, inputs)[:, 0]).max() < LIMIT


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="../shared is absent")
def test_weights_of_a_real_encoder_are_those_of_transformers():
    folder = SHARED / "models" / "e5-small-ko24k"
    tokenizer = load_encoder(str(folder), seed=1).tokenizer
    encoded = tokenizer(
        ["이순신은 조선의 무신이다.", "한강은 서울을 지나 서해로 흐르는 강이다.", "세종"],
        padding=True,
    )
    inputs = {name: np.array(encoded[name]) for name in ("input_ids", "attention_mask")}
    inputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])
    ours, expected = our_weights(folder, inputs), their_weights(folder, inputs)
    assert difference(ours, expected, inputs) < LIMIT


def some_weights(shape=(4, 3, 6, 6), seed=0):
    scores = np.random.default_rng(seed).normal(0, 2, shape)
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_every_map_sum_to_one(seed):
    weights = some_weights(seed=seed)
    for numbers in (layer_means(weights), overall_mean(weights), rollout(weights)):
        assert (numbers >= 0).all()
        np.testing.assert_allclose(numbers.sum(axis=-1), 1)


def test_rollout_of_the_identity_is_the_identity():
    same = np.broadcast_to(np.eye(5), (3, 2, 5, 5))
    np.testing.assert_array_equal(rollout(same), np.eye(5))


def test_rollout_of_one_layer_is_half_its_mean_and_half_the_identity():
    weights = some_weights((1, 2, 4, 4))
    np.testing.assert_allclose(rollout(weights), 0.5 * weights[0].mean(axis=0) + 0.5 * np.eye(4))


def test_rollout_goes_from_the_last_layer_to_the_first():
    """Token 0 of the last layer reads token 1 alone, and token 1 of the first reads token 2."""
    first, last = np.eye(3), np.eye(3)
    last[0], first[1] = [0, 1, 0], [0, 0, 1]
    flow = rollout(np.stack([first, last])[:, None])
    np.testing.assert_allclose(flow[0], [0.5, 0.25, 0.25])


def test_means_are_over_heads_and_over_all():
    weights = some_weights()
    np.testing.assert_allclose(layer_means(weights)[2], weights[2].sum(axis=0) / 3)
    np.testing.assert_allclose(overall_mean(weights), layer_means(weights).sum(axis=0) / 4)
