"""DeBERTa's attention: to content and to distance, each with vectors of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.models.encoder.architectures.attention import additive_mask, attend_by_scores
from relx.models.encoder.architectures.layers import PACKAGE, Shape, Tensor
from relx.models.encoder.architectures.sublayers import ConfiguredLayer, Sublayers
from relx.models.encoder.families.deberta import DebertaConfig
from relx.models.encoder.families.registry import configuration_of

DebertaSettings = DebertaConfig | Mapping[str, Any]


def distance_rows(configuration: DebertaConfig) -> NDArray[np.int32]:
    """Says which row of the distance table each distance has.

    Near distances have a row each, far ones share rows on a logarithmic scale. The numbers are
    computed as the published code computes them, in float32: otherwise a distance at the edge of
    a bucket would fall into another.

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
class DistanceEmbedding(ConfiguredLayer):
    """The vectors of the distances that occur in a text of some length.

    Args:
        configuration: The encoder's configuration.
        initializer: How the table starts; see `Encoder`.
    """

    def __init__(
        self, configuration: DebertaSettings, initializer: str | None = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, DebertaConfig)
        super().__init__(settings, **kwargs)
        new = Sublayers(settings, initializer, self.dtype_policy)
        self.embedding = new.table(2 * settings.span, settings.hidden_size, "embedding")
        normed = settings.norm_rel_ebd == "layer_norm"
        self.layer_norm = new.layer_norm("layer_norm") if normed else None
        self._rows = distance_rows(settings)

    def build(self, input_shape: Shape) -> None:
        """Creates the table and its norm."""
        self.embedding.build(None)
        if self.layer_norm is not None:
            self.layer_norm.build((None, None, self.configuration.hidden_size))
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Looks the distances up.

        Args:
            x: Hidden states, `(batch, length, hidden)`, of which the length alone is read.

        Returns:
            `(1, 2 * length - 1, hidden)`: the vectors of `1 - length` to `length - 1`.
        """
        length, farthest = ops.shape(x)[1], len(self._rows) // 2
        distances = ops.clip(ops.arange(1 - length, length, dtype="int32"), -farthest, farthest)
        rows = ops.take(ops.convert_to_tensor(self._rows), distances + farthest, axis=0)
        vectors = self.embedding(ops.expand_dims(rows, 0))  # (1, 2 * length - 1, hidden)
        return vectors if self.layer_norm is None else self.layer_norm(vectors)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """Returns `(1, 2 * length - 1, hidden)`."""
        distances = None if x_shape[1] is None else 2 * x_shape[1] - 1
        return (1, distances, self.configuration.hidden_size)


@keras.saving.register_keras_serializable(PACKAGE)
class DisentangledAttention(ConfiguredLayer):
    """Attention whose scores add content to content, content to position, position to content.

    He et al. 2020, arXiv 2006.03654. A score against a position depends on query and distance.
    There are only `2 * length - 1` distances, so the products are taken with those and then
    shifted into place, which needs no gather.

    Args:
        configuration: The encoder's configuration.
        initializer: How matrices start; see `Encoder`.
    """

    configuration: DebertaConfig

    def __init__(
        self, configuration: DebertaSettings, initializer: str | None = None, **kwargs: Any
    ) -> None:
        settings = configuration_of(configuration, DebertaConfig)
        super().__init__(settings, **kwargs)
        new = Sublayers(settings, initializer, self.dtype_policy)
        own, kinds = not settings.share_att_key, settings.pos_att_type
        self.query_dense = self._projection(new, "query")
        self.key_dense = self._projection(new, "key")
        self.value_dense = self._projection(new, "value")
        self.position_key_dense = self.position_query_dense = None
        if own and "c2p" in kinds:
            self.position_key_dense = self._projection(new, "position_key")
        if own and "p2c" in kinds:
            self.position_query_dense = self._projection(new, "position_query")
        self.output_dense = new.einsum_dense(
            "acbd,cde->abe", (None, settings.hidden_size), "attention_output", bias_axes="e"
        )
        self.position_dropout = new.dropout(settings.hidden_dropout_prob, "position_dropout")
        self.dropout = new.dropout(settings.attention_probs_dropout_prob, "attention_dropout")

    def _projection(self, new: Sublayers, name: str) -> keras.layers.EinsumDense:
        """Builds a projection to `(batch, heads, length, head size)`."""
        shape = (self.configuration.num_attention_heads, None, self.head_size)
        return new.einsum_dense("abc,cde->adbe", shape, name, bias_axes="de")

    def build(
        self,
        x_shape: Shape,
        distances_shape: Shape | None = None,
        padding_mask_shape: Shape | None = None,
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

    def call(self, x: Tensor, distances: Tensor, padding_mask: Tensor) -> Tensor:
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
        distances = self.position_dropout(distances)  # (1, 2 * length - 1, hidden)
        # (batch, heads, length, length)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        if "c2p" in kinds:
            # (heads, 2 * length - 1, head size)
            positions = (self.position_key_dense or self.key_dense)(distances)[0]
            # From a query, keys lie at falling distances.
            scores += _relative_shift(ops.einsum("bhqd,hrd->bhqr", query, ops.flip(positions, 1)))
        if "p2c" in kinds:
            positions = (self.position_query_dense or self.query_dense)(distances)[0]
            by_key = _relative_shift(ops.einsum("bhkd,hrd->bhkr", key * scale, positions))
            scores += ops.transpose(by_key, (0, 1, 3, 2))  # from (batch, heads, keys, queries)
        added = additive_mask(padding_mask[:, None, None, :])  # (batch, 1, 1, length)
        return self.output_dense(attend_by_scores(scores, added, self.value_dense(x), self.dropout))

    def compute_output_shape(self, x_shape: Shape, *_: Shape) -> Shape:
        """Returns the shape of the hidden states."""
        return x_shape


def _relative_shift(scores: Tensor) -> Tensor:
    """Shifts each row one place further to the left than the row above it.

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
