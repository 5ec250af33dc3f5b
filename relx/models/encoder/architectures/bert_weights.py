"""The weights of an encoder of BERT's build, as its family's files name them."""

from __future__ import annotations

from dataclasses import dataclass

from relx.models.encoder.architectures.bert import Encoder, EncoderLayer
from relx.models.encoder.architectures.weights import (
    Weight,
    dense_weights,
    layer_norm_weights,
    position_weights,
    vocabulary_weight,
)


@dataclass(frozen=True, slots=True)
class LayerKeys:
    """How a file names the weights of an encoder of BERT's build.

    Args:
        path: A layer, with `{index}`, or with `{group}` and `{inner}` where groups share weights.
        query: The query's projection, inside the layer; so the next ones.
        key: The key's.
        value: The value's.
        attention_output: The projection behind attention.
        attention_norm: The layer norm behind it.
        intermediate: The first layer of the feed-forward block.
        output: The second.
        output_norm: The layer norm behind it.
        projection: The dense layer from the embeddings to the hidden states.
    """

    path: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str
    projection: str = ""


BERT_KEYS = LayerKeys(
    "encoder.layer.{index}",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
    "embeddings_project",
)
DISTILBERT_KEYS = LayerKeys(
    "transformer.layer.{index}",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)
ALBERT_KEYS = LayerKeys(
    "encoder.albert_layer_groups.{group}.albert_layers.{inner}",
    "attention.query",
    "attention.key",
    "attention.value",
    "attention.dense",
    "attention.LayerNorm",
    "ffn",
    "ffn_output",
    "full_layer_layer_norm",
    "encoder.embedding_hidden_mapping_in",
)


def bert_weights(encoder: Encoder, rows: int, seed: int, keys: LayerKeys) -> list[Weight]:
    """Lists the weights of an encoder of BERT's build.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk; the encoder's may have more.
        seed: The seed of the noise on rows that the disk does not have.
        keys: How its family names them.

    Returns:
        Every variable of the encoder, once.
    """
    configuration = encoder.configuration
    tokens = encoder.token_embedding.embeddings
    weights = [
        vocabulary_weight(tokens, configuration.family.words, rows, seed),
        *position_weights(encoder),
        *layer_norm_weights(encoder.embeddings_layer_norm, "embeddings.LayerNorm"),
    ]
    if encoder.embeddings_projection is not None:
        weights += dense_weights(encoder.embeddings_projection, keys.projection)
    inner = getattr(configuration, "inner_group_num", 1)
    for index, layer in enumerate(encoder.transformer_layers):
        path = keys.path.format(index=index, group=index // inner, inner=index % inner)
        weights += _layer_weights(layer, path, keys)
    return weights


def _layer_weights(layer: EncoderLayer, path: str, keys: LayerKeys) -> list[Weight]:
    return [
        *dense_weights(layer.query_dense, f"{path}.{keys.query}"),
        *dense_weights(layer.key_dense, f"{path}.{keys.key}"),
        *dense_weights(layer.value_dense, f"{path}.{keys.value}"),
        *dense_weights(layer.attention_output_dense, f"{path}.{keys.attention_output}"),
        *layer_norm_weights(layer.attention_layer_norm, f"{path}.{keys.attention_norm}"),
        *dense_weights(layer.intermediate_dense, f"{path}.{keys.intermediate}"),
        *dense_weights(layer.output_dense, f"{path}.{keys.output}"),
        *layer_norm_weights(layer.output_layer_norm, f"{path}.{keys.output_norm}"),
    ]
