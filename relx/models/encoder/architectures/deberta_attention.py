"""Attention to content and to distance, each with its own vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.encoder.architectures.attention import forbidden, weighed
from relx.models.encoder.architectures.backbone import starts
from relx.models.encoder.architectures.layers import PACKAGE, Dropout, LayerNorm
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.registry import configuration_of

Settings = DebertaConfig | Mapping[str, Any]


def distance_rows(configuration: DebertaConfig) -> NDArray[np.int32]:
    """Says which row of the distance table stands for each distance.

    Near distances have a row each, far ones share rows on a logarithmic scale. The numbers are
    computed as the published code computes them, in float32, since a distance at the edge of a
    bucket would fall to another otherwise.

    Args:
        configuration: The configuration.

    Returns:
        `(2 * farthest + 1,)`: the row for each distance from query to key, from `-farthest` to
        `farthest`, which no text exceeds.
    """
    longest, span = configuration.longest_distance, configuration.span
    farthest = max(longest, configuration.max_sequence_length)
    distances = np.arange(-farthest, farthest + 1)
    if configuration.position_buckets > 0:
        distances = _bucketed(distances, configuration.position_buckets, longest)
    return np.clip(distances + span, 0, 2 * span - 1).astype(np.int32)


def _bucketed(distances: NDArray[Any], buckets: int, longest: int) -> NDArray[Any]:
    near = buckets // 2
    size = np.maximum(np.abs(distances), near).astype(np.float32)
    ratio = np.log(size / np.float32(near)) / np.log(np.float32((longest - 1) / near))
    far = np.ceil(ratio * np.float32(near - 1)) + near
    return np.where(np.abs(distances) <= near, distances, far * np.sign(distances))


@keras.saving.register_keras_serializable(PACKAGE)
class DistanceEmbedding(keras.layers.Layer):
    """The vectors of the distances that occur in a text of some length.

    Args:
        configuration: The encoder's configuration.
        initializer: How the table starts.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration_of(configuration, DebertaConfig)
        self.embedding = keras.layers.Embedding(
            2 * self.configuration.span,
            self.configuration.hidden_size,
            embeddings_initializer=starts(initializer, self.configuration),
            dtype=self.dtype_policy,
            name="embedding",
        )
        self.layer_norm = None
        if self.configuration.norm_rel_ebd == "layer_norm":
            self.layer_norm = LayerNorm(
                epsilon=self.configuration.layer_norm_eps,
                dtype=self.dtype_policy,
                name="layer_norm",
            )
        self._rows = distance_rows(self.configuration)

    def build(self, input_shape: Any) -> None:
        """Creates the table and its norm."""
        self.embedding.build(None)
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.configuration.hidden_size))
        self.built = True

    def call(self, x: Any) -> Any:
        """Looks the distances up.

        Args:
            x: Hidden states, `(batch, length, hidden)`, of which the length alone is read.

        Returns:
            `(1, 2 * length - 1, hidden)`: the vectors of `1 - length` to `length - 1`.
        """
        length, farthest = ops.shape(x)[1], len(self._rows) // 2
        distances = ops.clip(ops.arange(1 - length, length, dtype="int32"), -farthest, farthest)
        rows = ops.take(ops.convert_to_tensor(self._rows), distances + farthest, axis=0)
        vectors = self.embedding(ops.expand_dims(rows, 0))
        return vectors if self.layer_norm is None else self.layer_norm(vectors)

    def compute_output_shape(self, x_shape: Any) -> tuple[Any, ...]:
        """Returns `(1, 2 * length - 1, hidden)`."""
        distances = None if x_shape[1] is None else 2 * x_shape[1] - 1
        return (1, distances, self.configuration.hidden_size)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


@keras.saving.register_keras_serializable(PACKAGE)
class DisentangledAttention(keras.layers.Layer):
    """Attention whose scores add content to content, content to position, position to content.

    He et al. 2020, arXiv 2006.03654. A score against a position depends on query and distance;
    there are only `2 * length - 1` distances, so those are multiplied and then shifted into place,
    which needs no gather.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start.
    """

    def __init__(self, configuration: Settings, initializer: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration_of(configuration, DebertaConfig)
        self.initializer = initializer
        self.query_dense = self._projection("query")
        self.key_dense = self._projection("key")
        self.value_dense = self._projection("value")
        self.position_key_dense = self.position_query_dense = None
        if not self.configuration.share_att_key:
            if "c2p" in self.configuration.pos_att_type:
                self.position_key_dense = self._projection("position_key")
            if "p2c" in self.configuration.pos_att_type:
                self.position_query_dense = self._projection("position_query")
        self.output_dense = keras.layers.EinsumDense(
            "acbd,cde->abe",
            (None, self.configuration.hidden_size),
            bias_axes="e",
            kernel_initializer=starts(initializer, self.configuration),
            dtype=self.dtype_policy,
            name="attention_output",
        )
        rates = self.configuration
        self.position_dropout = self._dropout(rates.hidden_dropout_prob, "position_dropout")
        self.dropout = self._dropout(rates.attention_probs_dropout_prob, "attention_dropout")

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.configuration.hidden_size // self.configuration.num_attention_heads

    def _projection(self, name: str) -> Any:
        return keras.layers.EinsumDense(
            "abc,cde->adbe",
            (self.configuration.num_attention_heads, None, self.head_size),
            bias_axes="de",
            kernel_initializer=starts(self.initializer, self.configuration),
            dtype=self.dtype_policy,
            name=name,
        )

    def _dropout(self, rate: float, name: str) -> Any:
        return Dropout(rate, dtype=self.dtype_policy, name=name)

    def build(
        self, x_shape: Any, distances_shape: Any = None, padding_mask_shape: Any = None
    ) -> None:
        """Creates the projections for hidden states of shape `(batch, length, hidden)`."""
        for projection in (
            self.query_dense,
            self.key_dense,
            self.value_dense,
            self.position_key_dense,
            self.position_query_dense,
        ):
            if projection is not None:
                projection.build((None, None, self.configuration.hidden_size))
        heads = self.configuration.num_attention_heads
        self.output_dense.build((None, heads, None, self.head_size))
        self.built = True

    def call(self, x: Any, distances: Any, padding_mask: Any) -> Any:
        """Attends.

        Args:
            x: Hidden states, `(batch, length, hidden)`.
            distances: See `DistanceEmbedding.call`.
            padding_mask: `(batch, length)`.

        Returns:
            `(batch, length, hidden)`.
        """
        kinds = self.configuration.pos_att_type
        scale = 1 / math.sqrt(self.head_size * (1 + len(kinds)))
        # (batch, heads, length, head size)
        query, key = self.query_dense(x) * scale, self.key_dense(x)
        distances = self.position_dropout(distances)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if "c2p" in kinds:
            positions = (self.position_key_dense or self.key_dense)(distances)[0]
            # From a query, keys lie at falling distances.
            scores += _shifted(ops.einsum("bhqd,hrd->bhqr", query, ops.flip(positions, 1)))
        if "p2c" in kinds:
            positions = (self.position_query_dense or self.query_dense)(distances)[0]
            by_key = _shifted(ops.einsum("bhkd,hrd->bhkr", key * scale, positions))
            scores += ops.transpose(by_key, (0, 1, 3, 2))
        added = forbidden(padding_mask[:, None, None, :])
        return self.output_dense(weighed(scores, added, self.value_dense(x), self.dropout))

    def compute_output_shape(self, x_shape: Any, *_: Any) -> Any:
        """Returns the shape of the hidden states."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "configuration": self.configuration.to_dict()}


def _shifted(scores: Any) -> Any:
    """Moves each row one further to the left than the row above it.

    Args:
        scores: `(batch, heads, length, 2 * length - 1)`; at `(i, r)` of the last two axes the score
            of row `i` with offset `r - (length - 1)`.

    Returns:
        `(batch, heads, length, length)`; at `(i, j)` the score of row `i` with offset `j - i`.
    """
    _, heads, length, offsets = ops.shape(scores)
    scores = ops.pad(scores, [[0, 0], [0, 0], [0, 0], [0, 1]])
    scores = ops.reshape(scores, (-1, heads, length * (offsets + 1)))
    scores = ops.reshape(scores[:, :, length - 1 : -1], (-1, heads, length, offsets))
    return scores[:, :, :, :length]
