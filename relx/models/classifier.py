"""The relation model: an encoder, the hidden states at the two entities, and a small head."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from relx.data.token_rows import TokenRow
from relx.models.encoder.architectures.backbone import EncoderBackbone
from relx.recipe import Pooling
from relx.spans import Span


@keras.saving.register_keras_serializable("relx")
class EntityPooling(keras.layers.Layer):
    """Averages the hidden states over spans of tokens; a span of one token is its hidden state.

    Written as a product with a matrix of zeros and ones, so that the gradient is a product too: no
    scatter, and the same bits on every run.
    """

    def call(self, hidden: Any, spans: Any) -> Any:
        """Pools.

        Args:
            hidden: (batch, length, hidden).
            spans: First token and one past the last, (batch, spans, 2) int32.

        Returns:
            (batch, spans × hidden), the spans side by side.
        """
        places = ops.arange(ops.shape(hidden)[1], dtype="int32")[None, None, :]
        inside = ops.logical_and(places >= spans[:, :, :1], places < spans[:, :, 1:])
        sums = ops.matmul(ops.cast(inside, hidden.dtype), hidden)  # (batch, spans, hidden)
        sizes = ops.cast(spans[:, :, 1:] - spans[:, :, :1], hidden.dtype)
        return ops.reshape(sums / sizes, (-1, spans.shape[1] * hidden.shape[-1]))

    def compute_output_shape(self, hidden_shape: Any, spans_shape: Any) -> Any:
        """Returns (batch, spans × hidden)."""
        return (hidden_shape[0], spans_shape[1] * hidden_shape[2])


def pooled_spans(row: TokenRow, pooling: Pooling) -> list[Span]:
    """Names the token spans of a row that a pooling reads.

    `entity_starts` is the state of each entity's opening marker (Soares et al. 2019, arXiv
    1906.03158); `cls_entity_starts` puts the first token before them.

    Args:
        row: A tokenised example.
        pooling: The recipe's `train.pooling`.

    Returns:
        One to three spans.
    """
    first = Span(0, 1)
    starts = [Span(at, at + 1) for at in (row.subject_start, row.object_start)]
    kinds = {
        "entity_starts": starts,
        "cls_entity_starts": [first, *starts],
        "cls": [first],
        "entity_means": [row.subject, row.object],
    }
    return kinds[pooling]


def spans_of(pooling: Pooling) -> int:
    """Returns how many spans a pooling reads."""
    return {"entity_starts": 2, "cls_entity_starts": 3, "cls": 1, "entity_means": 2}[pooling]


def reads_single_tokens(pooling: Pooling) -> bool:
    """Says whether every span of a pooling is one token, whatever the row."""
    return pooling != "entity_means"


def relation_model(
    encoder: EncoderBackbone,
    *,
    classes: int,
    spans: int,
    single: bool = False,
    dropout: float,
    seed: int,
) -> keras.Model:
    """Builds the relation model on an encoder.

    The head is dropout, a dense layer with tanh, dropout, and the logits in float32.

    Args:
        encoder: The encoder; its weights are shared, not copied.
        classes: The number of labels.
        spans: The number of pooled spans.
        single: Whether every span is one token: the encoder's last layer is computed there alone.
        dropout: The head's dropout rate.
        seed: The seed of the head's weights and dropout.

    Returns:
        A model from the encoder's inputs and `spans` (batch, spans, 2) to logits (batch, classes).
    """
    places = keras.Input((spans, 2), dtype="int32", name="spans")
    seeds = [int(s) for s in np.random.default_rng(seed).integers(0, 2**31, 4)]
    if single:
        states = encoder.states_at(places[:, :, 0])
        pooled = keras.layers.Reshape((spans * encoder.hidden_dim,), name="side_by_side")(states)
    else:
        pooled = EntityPooling(name="entity_pooling")(encoder.output, places)
    x = keras.layers.Dropout(dropout, seed=seeds[0], name="pooled_dropout")(pooled)
    x = _dense(encoder.hidden_dim, "relation_dense", seeds[1], activation="tanh")(x)
    x = keras.layers.Dropout(dropout, seed=seeds[2], name="relation_dropout")(x)
    logits = _dense(classes, "relation_logits", seeds[3], dtype="float32")(x)
    return keras.Model({**encoder.input, "spans": places}, logits, name="relation_model")


def _dense(units: int, name: str, seed: int, **options: Any) -> keras.layers.Dense:
    start = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
    return keras.layers.Dense(units, kernel_initializer=start, name=name, **options)


def head_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the head's weights by name, such as `relation_dense/kernel`."""
    return {variable.path: ops.convert_to_numpy(variable) for variable in _head_variables(model)}


def assign_head(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Sets the head's weights.

    Args:
        model: A relation model.
        weights: What `head_weights` returned for a model of the same sizes.
    """
    for variable in _head_variables(model):
        variable.assign(weights[variable.path])


def _head_variables(model: keras.Model) -> list[Any]:
    layers = [model.get_layer(name) for name in ("relation_dense", "relation_logits")]
    return [variable for layer in layers for variable in layer.variables]
