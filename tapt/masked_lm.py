"""The masked-LM model: an encoder and its tied head, computed at the masked positions alone."""

from __future__ import annotations

import math
from typing import Any

import keras

from relx.data.batches import Feeder, reading_plan
from relx.devices.device import Device
from relx.devices.memory import BatchWatch, memory_faults
from relx.models.encoder.load import LoadedEncoder
from tapt.arrays import CorpusArrays


def masked_lm_model(loaded: LoadedEncoder) -> keras.Model:
    """Builds the masked-LM model on an encoder and its head.

    Args:
        loaded: An encoder loaded with its head; weights are shared, not copied.

    Returns:
        A model from the encoder's inputs and `mask_positions` (batch, slots) to logits (batch,
        slots, vocabulary).
    """
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    assert loaded.head is not None, "the encoder was loaded without its head"
    logits = loaded.head(loaded.encoder.states_at(positions))
    inputs = {**loaded.encoder.input, "mask_positions": positions}
    return keras.Model(inputs, logits, name="masked_lm")


def pseudo_perplexity(
    model: keras.Model, device: Device, arrays: CorpusArrays, batch_size: int, seed: int
) -> float:
    """Measures how well a model fills gaps in held-out sentences.

    Salazar et al. (2020, arXiv 1910.14659) mask every token in turn; here the gaps of one draw are
    filled, the same at every call, which costs one pass and serves to compare.

    Args:
        model: A compiled masked-LM model.
        device: What the model was built on.
        arrays: The held-out rows.
        batch_size: Rows a batch.
        seed: The seed of the gaps.

    Returns:
        The exponential of the mean cross-entropy in nats over the gaps.

    Raises:
        InputError: The memory does not suffice for a batch.
    """
    bucket_lengths = device.bucket_lengths(arrays.lengths, batch_size)
    plan = reading_plan(
        arrays.lengths, batch_size, bucket_lengths=bucket_lengths, multiple=device.replicas
    )
    feeder = Feeder(arrays.lengths, batch_size, seed, arrays.training, multiple=device.replicas)
    data: Any = device.stream(lambda: arrays.measuring(plan, seed), feeder.signature(), len(plan))
    watch = BatchWatch(plan)
    with memory_faults(device, "tapt", watch):
        loss = float(model.evaluate(data, verbose=0, callbacks=[watch]))
    # The weights sum to 1 over all batches, and Keras averages over batches of one size.
    return math.exp(min(len(plan) * loss, 700.0))
