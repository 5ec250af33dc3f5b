"""How far each weight of a classifier lies below its head: its learning rate may fall with it."""

from __future__ import annotations

import keras

from relx.faults import Fault, InputError
from relx.models.encoder.architectures.backbone import EncoderBackbone

# What every layer, or the first one, reads.
_BELOW = (
    "token_embedding",
    "position_embedding",
    "segment_embedding",
    "embeddings_layer_norm",
    "embeddings_projection",
    "distance_embedding",
)
# What reads the last layer.
_ABOVE = ("final_layer_norm",)


def layer_depths(encoder: EncoderBackbone, model: keras.Model) -> list[int]:
    """Counts the layers from the head down to each weight that trains.

    The head has depth 0, the encoder's last layer 1, its first as many as there are layers, and the
    embeddings one more. Layers that share their weights, as ALBERT's do, are one. A layer norm
    behind the last layer is the last layer's; relative positions, which all layers read, are among
    the embeddings.

    Args:
        encoder: The encoder.
        model: The classifier on it: what it has besides the encoder is its head.

    Returns:
        The depths, in the order of `model.trainable_variables`.

    Raises:
        InputError: The place of one of the encoder's weights is not known.
    """
    count = len(encoder.transformer_layers)
    known: dict[int, int] = {}
    for index, layer in enumerate(encoder.transformer_layers):
        known |= _at(layer, count - index)
    for names, depth in ((_BELOW, count + 1), (_ABOVE, 1)):
        for name in names:
            if (part := getattr(encoder, name, None)) is not None:
                known |= _at(part, depth)
    own = {id(variable) for variable in encoder.variables}
    return [_depth(variable, known, own) for variable in model.trainable_variables]


def _at(layer: keras.layers.Layer, depth: int) -> dict[int, int]:
    return {id(variable): depth for variable in layer.variables}


def _depth(variable: keras.Variable, known: dict[int, int], own: set[int]) -> int:
    if id(variable) in known:
        return known[id(variable)]
    if id(variable) not in own:
        return 0
    what = "the layer of one of the encoder's weights cannot be told, nor its learning rate"
    step = "set train.layer_decay to null"
    raise InputError(Fault(what, "train.layer_decay", variable.path, next_step=step))
