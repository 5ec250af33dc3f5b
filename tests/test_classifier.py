"""The classifier: it pools where the spans are; padding and neighbours change nothing."""

import numpy as np
import pytest
from keras import ops

from relx.data.batches import Batch
from relx.data.tokenizing.token_rows import TokenRow, TokenRows
from relx.dataset import token_rows
from relx.devices.device import open_device
from relx.models.arrays import SpanArrays
from relx.models.classifier import (
    SpanPooling,
    assign_head,
    head_weights,
    span_classifier,
)
from relx.models.encoder.load import load_encoder
from relx.recipe import (
    DataSection,
    DecideSection,
    DeviceSection,
    FreshSizes,
    FreshSource,
    MarkersSection,
)
from relx.spans import Span
from relx.tasks.relation.sentence import example_of
from relx.tasks.relation.task import POOLINGS, RelationTask

SENTENCES = [
    "가람은 나루시에서 태어났다.",
    "나루시의 시장 가람이 말했다.",
    "가람이 나루시를 떠났다.",
]
SIZES = FreshSizes(layers=2, hidden=12, heads=3, intermediate=20, vocabulary=120)


@pytest.fixture(scope="module")
def loaded():
    open_device(DeviceSection(precision="float32"), 0)
    return load_encoder(FreshSource(fresh=SIZES), sentences=lambda: SENTENCES, seed=1)


@pytest.fixture(scope="module")
def rows(loaded):
    examples = [example_of(s, ("가람", "PER", None), ("나루시", "LOC", None)) for s in SENTENCES]
    markers = MarkersSection(style="typed_entity_marker_punct")
    task = RelationTask(DataSection(), markers, "entity_starts", DecideSection())
    return token_rows(examples, task, loaded.tokenizer, 64)


def token_row():
    ids = np.arange(9, dtype=np.int32)
    return TokenRow(ids, ids * 0, (Span(2, 4), Span(6, 7)), (1, 5))


def test_each_pooling_reads_its_spans():
    spans = {name: places_of(token_row(), name) for name in POOLINGS}
    assert spans["entity_starts"] == [[1, 2], [5, 6]]
    assert spans["cls_entity_starts"] == [[0, 1], [1, 2], [5, 6]]
    assert spans["cls"] == [[0, 1]]
    assert spans["entity_means"] == [[2, 4], [6, 7]]
    assert spans["entity_ends"] == [[1, 2], [3, 4], [5, 6], [6, 7]]
    assert spans["cls_entity_ends"] == [[0, 1], *spans["entity_ends"]]
    assert all(len(spans[name]) == pooling.count for name, pooling in POOLINGS.items())


def places_of(row, pooling):
    return POOLINGS[pooling].places(TokenRows.of([row]))[0].tolist()


def test_pooling_averages_each_span_of_each_row():
    hidden = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    spans = np.array([[[0, 1], [2, 5]], [[6, 7], [1, 3]]], np.int32)
    pooled = ops.convert_to_numpy(SpanPooling(dtype="float32")(hidden, spans))
    for row in range(2):
        parts = [hidden[row, start:end].mean(0) for start, end in spans[row]]
        assert np.abs(pooled[row] - np.concatenate(parts)).max() < 1e-6


@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_are_the_heads_of_the_hidden_states_at_the_entities(loaded, rows, pooling):
    model = pooling_model(loaded, pooling, dropout=0.5)
    arrays = SpanArrays(rows, POOLINGS[pooling], loaded.tokenizer.pad_token_id, segments=True)
    inputs = arrays.inputs(Batch(np.arange(3), 3, 40))
    logits = ops.convert_to_numpy(model(inputs, training=False))
    weights = head_weights(model)
    for i, row in enumerate(rows):
        alone = {
            "token_ids": row.token_ids[None],
            "padding_mask": np.ones_like(row.token_ids)[None],
            "segment_ids": row.segment_ids[None],
        }
        hidden = ops.convert_to_numpy(loaded.encoder(alone, training=False))[0]
        pooled = np.concatenate([hidden[a:b].mean(0) for a, b in places_of(row, pooling)])
        dense = np.tanh(pooled @ weights["relation_dense/kernel"] + weights["relation_dense/bias"])
        expected = dense @ weights["relation_logits/kernel"] + weights["relation_logits/bias"]
        assert np.abs(logits[i] - expected).max() < 1e-5


def pooling_model(loaded, pooling, dropout):
    return classifier(loaded, POOLINGS[pooling], dropout=dropout)


def classifier(loaded, pooling=POOLINGS["entity_starts"], dropout=0.1, seed=3):
    sizes = {"classes": 5, "pooling": pooling, "dropout": dropout, "seed": seed}
    return span_classifier(loaded.encoder, **sizes)


def test_the_last_layer_is_computed_at_single_tokens_alone(loaded):
    """What is left out is the encoder's own output, which nothing else needs."""
    for pooling in POOLINGS:
        model = pooling_model(loaded, pooling, dropout=0.1)
        whole = any(tensor is loaded.encoder.output for tensor in tensors_of(model))
        assert whole == (pooling == "entity_means")


def tensors_of(model):
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
    return [tensor for node in nodes for tensor in node.outputs]


def test_the_pooled_token_is_the_entitys_marker(loaded, rows):
    for row, sentence in zip(rows, SENTENCES, strict=True):
        tokens = loaded.tokenizer.convert_ids_to_tokens(row.token_ids.tolist())
        assert tokens[row.starts[0]] in ("@", "[UNK]")
        words = tokens[row.spans[0].start : row.spans[0].end]
        assert "".join(word.removeprefix("##") for word in words) == "가람"
        assert sentence.startswith("나루시") == (row.starts[1] < row.starts[0])


def test_the_head_goes_to_arrays_and_back(loaded):
    one, other = (classifier(loaded, seed=seed) for seed in (3, 4))
    assert any((a != b).any() for a, b in pairs(one, other))
    assign_head(other, head_weights(one))
    assert all((a == b).all() for a, b in pairs(one, other))


def pairs(one, other):
    return zip(head_weights(one).values(), head_weights(other).values(), strict=True)


def test_every_weight_gets_a_gradient(loaded, rows):
    import tensorflow as tf

    model = pooling_model(loaded, "entity_starts", dropout=0.0)
    arrays = SpanArrays(
        rows, POOLINGS["entity_starts"], loaded.tokenizer.pad_token_id, True, np.zeros(3, np.int32)
    )
    inputs, _, weights = arrays.training(Batch(np.array([0, 1, 2, 0]), 3, 40), None)
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(inputs, training=True)))
    variables = [v.value for v in model.trainable_variables]
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        largest = float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient))))
        assert largest > 0 or "key/bias" in variable.path, variable.path
