"""The last layers of a pretrained encoder, started again from fresh weights."""

from __future__ import annotations

import keras
import numpy as np

from relx.faults import Fault, InputError
from relx.models.encoder.architectures.backbone import EncoderBackbone
from relx.models.encoder.fresh import draw_weights

WHERE = "train.reinit_layers"
# What biases and layer norms start at; matrices are drawn.
STARTS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}


def redraw_last_layers(encoder: EncoderBackbone, count: int, seed: int) -> str:
    """Starts an encoder's last layers from fresh weights, as they were before pretraining.

    Zhang et al. 2021, https://arxiv.org/abs/2006.05987, section 5: the last layers are specialised
    in the pretraining's own task, and few rows do not suffice to undo that. Matrices are drawn as
    the configuration says, biases start at 0 and layer norms at 1. What is not a layer's own, such
    as the embeddings, a DeBERTa's distances or a ModernBERT's last layer norm, stays.

    Args:
        encoder: The encoder, its weights loaded.
        count: How many layers, from the last one back.
        seed: The seed; every layer has numbers of its own.

    Returns:
        What was done, in words.

    Raises:
        InputError: The encoder has fewer layers, or its layers share weights.
    """
    layers, sequence = encoder.transformer_layers, encoder.configuration.layer_sequence
    if len(set(sequence)) < len(sequence):
        kind = encoder.configuration.model_type
        what = f"the layers of this {kind} share their weights: its last ones are its first ones"
        raise InputError(Fault(what, WHERE, str(count), "0", kind="reinit"))
    if count > len(layers):
        what = f"this encoder has {len(layers)} layers"
        raise InputError(Fault(what, WHERE, str(count), f"0 to {len(layers)}", kind="reinit"))
    for index in range(len(layers) - count, len(layers)):
        own = int(np.random.default_rng((seed, index)).integers(2**31))
        _redraw(layers[index], encoder.configuration.initializer_range, own)
    return f"the last {count} of {len(layers)} layers start from fresh weights ({WHERE})"


def _redraw(layer: keras.layers.Layer, deviation: float, seed: int) -> None:
    draw_weights(layer, deviation, seed)
    for variable in layer.weights:
        if variable.name != "kernel":
            variable.assign(np.full(variable.shape, STARTS[variable.name], np.float32))
