"""Which variable is which tensor of a Hugging Face file, for each kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import keras
import numpy as np

from relx.models.encoder.architectures.backbone import EncoderBackbone
from relx.models.encoder.architectures.head import MaskedLMHead
from relx.models.encoder.families.family import EncoderConfig
from relx.models.stored.folder import Array

Dense: TypeAlias = "keras.layers.Dense | keras.layers.EinsumDense"

NEW_ROW_NOISE = 0.02
POSITIONS = "embeddings.position_embeddings.weight"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable and the tensors that it is made of.

    Args:
        variable: The Keras variable.
        keys: The tensors' names, without the family's prefix.
        shapes: The tensors' shapes on disk.
        read: Tensors to the variable's value.
        write: The variable's value to tensors.
    """

    variable: keras.Variable
    keys: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    read: Callable[..., Array]
    write: Callable[[Array], tuple[Array, ...]]


def masked_lm_head_weights(
    head: MaskedLMHead, configuration: EncoderConfig, rows: int, seed: int
) -> list[Weight]:
    """Lists the weights of a masked-LM head; its projection is the encoder's token embedding.

    Args:
        head: The head.
        configuration: The encoder's configuration.
        rows: Rows of the vocabulary on disk; the head's may have more.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable that the head has besides the token embedding.
    """
    keys = configuration.head_keys
    weights = dense_weights(head.dense, keys.dense)
    weights += layer_norm_weights(head.layer_norm, keys.layer_norm)
    if head.bias is not None:
        weights.append(vocabulary_weight(head.bias, keys.bias, rows, seed))
    return weights


def extend_table(table: Array, rows: int, seed: int) -> Array:
    """Adds rows to a table: the mean of its rows, with noise so that no two new rows are equal.

    A vector, such as the head's bias, is a table of width one and gets the mean alone.

    Args:
        table: `(known rows, width)` or `(known rows,)`.
        rows: The rows wanted, at least as many as there are.
        seed: The seed of the noise, whose deviation is `NEW_ROW_NOISE` of the table's own.

    Returns:
        The table with the new rows at its end.
    """
    new = rows - table.shape[0]
    if not new:
        return table
    mean = table.mean(axis=0, dtype=np.float64)
    noise = np.random.default_rng(seed).standard_normal((new, *table.shape[1:]))
    deviation = NEW_ROW_NOISE * table.std() if table.ndim > 1 else 0.0
    return np.concatenate([table, (mean + deviation * noise).astype(np.float32)])


def plain_weight(variable: keras.Variable, key: str) -> Weight:
    """Describes a weight that is stored as it is; here a bias may be split into heads.

    Args:
        variable: The variable.
        key: The tensor's name.

    Returns:
        The weight.
    """
    shape = tuple(variable.shape)
    size = (int(np.prod(shape)),) if key.endswith(".bias") else shape
    return Weight(
        variable, (key,), (size,), lambda x: x.reshape(shape), lambda x: (x.reshape(size),)
    )


def vocabulary_weight(variable: keras.Variable, key: str, rows: int, seed: int) -> Weight:
    """Describes a weight with a row for each token; rows that the disk does not have are made up.

    Args:
        variable: `(vocabulary, width)` or `(vocabulary,)`.
        key: The tensor's name.
        rows: Rows on disk.
        seed: See `extend_table`.

    Returns:
        The weight.
    """
    size = variable.shape[0]
    shape = (rows, *variable.shape[1:])
    return Weight(variable, (key,), (shape,), lambda x: extend_table(x, size, seed), lambda x: (x,))


def _kernel(variable: keras.Variable, key: str, inputs: int) -> Weight:
    """Describes a matrix: (outputs, inputs) on disk, here inputs first and split into heads."""
    shape = tuple(variable.shape)
    width = int(np.prod(shape[:inputs]))
    disk = (int(np.prod(shape[inputs:])), width)
    return Weight(
        variable,
        (key,),
        (disk,),
        lambda x: x.T.reshape(shape),
        lambda x: (x.reshape(width, -1).T,),
    )


def dense_weights(layer: Dense, key: str, inputs: int = 1) -> list[Weight]:
    """Describes the weights of a dense layer.

    Args:
        layer: A layer with a kernel such as `(in, out)`, `(in, heads, head size)` or `(heads, head
            size, out)`, and a bias or none.
        key: The layer's name on disk.
        inputs: How many of the kernel's axes are inputs.

    Returns:
        Kernel and bias.
    """
    kernel = _kernel(layer.kernel, f"{key}.weight", inputs)
    return [kernel] if layer.bias is None else [kernel, plain_weight(layer.bias, f"{key}.bias")]


def layer_norm_weights(layer: keras.layers.LayerNormalization, key: str) -> list[Weight]:
    """Describes the weights of a layer norm.

    Args:
        layer: The layer norm, with a bias or without.
        key: Its name on disk.

    Returns:
        Scale and bias.
    """
    scale = plain_weight(layer.gamma, f"{key}.weight")
    return [scale] if layer.beta is None else [scale, plain_weight(layer.beta, f"{key}.bias")]


def position_weights(encoder: EncoderBackbone) -> list[Weight]:
    """Describes positions and token types; a single type, equal for all tokens, joins the former.

    It must not be added to the token table, which the masked-LM head projects with.

    Args:
        encoder: An encoder with absolute positions.

    Returns:
        The weights of the position table, and of the token types where there are several.
    """
    configuration = encoder.configuration
    offset = configuration.position_offset
    variable = encoder.position_embedding.position_embeddings
    length, width = variable.shape
    shape = (length + offset, width)
    unused = np.zeros((offset, width), np.float32)

    def write(positions: Array) -> Array:
        return np.concatenate([unused, positions])

    if configuration.type_vocab_size == 1:
        no_type = np.zeros((1, width), np.float32)
        return [
            Weight(
                variable,
                (POSITIONS, TOKEN_TYPES),
                (shape, (1, width)),
                lambda x, types: x[offset:] + types[0],
                lambda x: (write(x), no_type),
            )
        ]
    positions = Weight(
        variable, (POSITIONS,), (shape,), lambda x: x[offset:], lambda x: (write(x),)
    )
    types = encoder.segment_embedding
    if types is None:
        return [positions]
    return [positions, plain_weight(types.embeddings, TOKEN_TYPES)]
