"""Encoders and heads that start from random weights."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from relx.models.encoder.architectures.head import MaskedLMHead
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import CONFIGURATIONS
from relx.recipe import FreshSizes


def fresh_configuration(sizes: FreshSizes, rows: int, pad_token_id: int) -> EncoderConfig:
    """Returns the configuration of a fresh encoder.

    Args:
        sizes: Its sizes, as a recipe gives them.
        rows: Rows of the token embedding.
        pad_token_id: The tokenizer's padding id.

    Returns:
        A BERT with two token types, or a RoBERTa with one and positions after the padding id.
    """
    kind = CONFIGURATIONS[sizes.architecture]
    after = kind.family.positions_after_padding
    return kind(
        vocab_size=rows,
        hidden_size=sizes.hidden,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.intermediate,
        max_position_embeddings=sizes.positions + (pad_token_id + 1 if after else 0),
        type_vocab_size=2 if sizes.architecture == "bert" else 1,
        layer_norm_eps=1e-12 if sizes.architecture == "bert" else 1e-5,
        pad_token_id=pad_token_id,
    )


def draw_weights(layer: keras.layers.Layer, deviation: float, seed: int) -> None:
    """Draws the matrices of an encoder or head; biases start at 0, layer norms at 1.

    The numbers depend on the seed alone: not on the backend, nor on what was drawn before.

    Args:
        layer: A built encoder or dense layer.
        deviation: The standard deviation of the normal that is cut at two deviations.
        seed: The seed.
    """
    for index, variable in enumerate(layer.weights):
        if variable.name in ("kernel", "embeddings"):
            rng = np.random.default_rng((seed, index))
            variable.assign(deviation * _truncated_normal(rng, tuple(variable.shape)))


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    values = rng.standard_normal(shape, dtype=np.float32)
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = rng.standard_normal(int(beyond.sum()), dtype=np.float32)
    return values


def draw_head(head: MaskedLMHead, deviation: float, seed: int) -> None:
    """Draws a masked-LM head; its projection is the encoder's and stays as it is.

    Args:
        head: The head.
        deviation: See `draw_weights`.
        seed: The seed.
    """
    draw_weights(head.dense, deviation, seed)
