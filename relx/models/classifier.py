"""A classifier: a backbone, its states at a row's spans, and a small head."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from relx.data.tokenizing.pooling import Pooling
from relx.models.loaded import Backbone

# The head's layers. Its weights on disk have their names: with others, no run of before loads.
DENSE, LOGITS = "relation_dense", "relation_logits"


@keras.saving.register_keras_serializable("relx")
class SpanPooling(keras.layers.Layer):
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
        places = ops.arange(ops.shape(hidden)[1], dtype="int32")[None, None, :]  # (1, 1, length)
        # (batch, spans, length)
        inside = ops.logical_and(places >= spans[:, :, :1], places < spans[:, :, 1:])
        sums = ops.matmul(ops.cast(inside, hidden.dtype), hidden)  # (batch, spans, hidden)
        sizes = ops.cast(spans[:, :, 1:] - spans[:, :, :1], hidden.dtype)  # (batch, spans, 1)
        return ops.reshape(sums / sizes, (-1, spans.shape[1] * hidden.shape[-1]))

    def compute_output_shape(self, hidden_shape: Any, spans_shape: Any) -> Any:
        """Returns (batch, spans × hidden)."""
        return (hidden_shape[0], spans_shape[1] * hidden_shape[2])


@keras.saving.register_keras_serializable("relx")
class SampledDropout(keras.layers.Dropout):
    """Dropout of several masks at once, each of which makes a row of its own: training alone.

    Multi-sample dropout (Inoue 2019, https://arxiv.org/abs/1905.09788): what follows is computed
    for every mask, with the same weights. Prediction has one row, of all numbers.

    Args:
        rate: The dropout rate.
        samples: How many masks are drawn.
    """

    def __init__(self, rate: float, samples: int, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.samples = samples

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops: (batch, samples, hidden) of (batch, hidden) in training, else what came in."""
        if not training:
            return inputs
        rows = ops.repeat(ops.expand_dims(inputs, 1), self.samples, axis=1)
        return super().call(rows, training=True)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "samples": self.samples}


def span_classifier(
    backbone: Backbone,
    *,
    classes: int,
    pooling: Pooling,
    dropout: float,
    seed: int,
    dropout_samples: int = 1,
) -> keras.Model:
    """Builds a classifier on a backbone.

    The head is dropout, a dense layer with tanh, dropout, and the logits in float32. Where every
    place is one token, the backbone's last layer is computed there alone.

    Args:
        backbone: The backbone; its weights are shared, not copied.
        classes: The number of labels.
        pooling: The places whose states are read.
        dropout: The head's dropout rate.
        seed: The seed of the head's weights and dropout.
        dropout_samples: How many masks the last dropout has in training; see `SampledDropout`.

    Returns:
        A model from the backbone's inputs and `spans` (batch, places, 2) to logits
        (batch, classes); with several masks, in training, (batch, samples, classes).
    """
    count = pooling.count
    places = keras.Input((count, 2), dtype="int32", name="spans")
    seeds = [int(s) for s in np.random.default_rng(seed).integers(0, 2**31, 4)]
    if pooling.single:
        states = backbone.states_at(places[:, :, 0])  # (batch, places, hidden)
        side_by_side = keras.layers.Reshape((count * backbone.hidden_dim,), name="side_by_side")
        pooled = side_by_side(states)  # (batch, places × hidden)
    else:
        pooled = SpanPooling(name="span_pooling")(backbone.output, places)
    x = keras.layers.Dropout(dropout, seed=seeds[0], name="pooled_dropout")(pooled)
    x = _dense(backbone.hidden_dim, DENSE, seeds[1], activation="tanh")(x)  # (batch, hidden)
    last: dict[str, Any] = {"rate": dropout, "seed": seeds[2], "name": "head_dropout"}
    if dropout_samples > 1:
        x = SampledDropout(samples=dropout_samples, **last)(x)
    else:
        x = keras.layers.Dropout(**last)(x)
    logits = _dense(classes, LOGITS, seeds[3], dtype="float32")(x)  # (batch, classes)
    return keras.Model({**backbone.input, "spans": places}, logits, name="span_classifier")


def _dense(units: int, name: str, seed: int, **options: Any) -> keras.layers.Dense:
    initializer = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, **options)


def head_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the head's weights by the names that they have on disk."""
    return {variable.path: ops.convert_to_numpy(variable) for variable in _head_variables(model)}


def assign_head(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Sets the head's weights.

    Args:
        model: A classifier.
        weights: What `head_weights` returned for a model of the same sizes.
    """
    for variable in _head_variables(model):
        variable.assign(weights[variable.path])


def _head_variables(model: keras.Model) -> list[Any]:
    layers = [model.get_layer(name) for name in (DENSE, LOGITS)]
    return [variable for layer in layers for variable in layer.variables]
