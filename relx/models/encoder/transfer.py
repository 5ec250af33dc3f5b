"""Weights from the tensors of a Hugging Face file, and tensors from weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from keras import ops

from relx.faults import Fault, InputError
from relx.models.encoder.architectures.weights import Weight
from relx.models.encoder.families.family import EncoderConfig
from relx.models.encoder.families.registry import FAMILIES
from relx.models.encoder.names import BUFFERS, TASK_HEADS, canonical_names
from relx.models.stored.folder import Array, Checkpoint, listed


def assign_weights(
    weights: Sequence[Weight], checkpoint: Checkpoint, configuration: EncoderConfig
) -> None:
    """Assigns every weight from a checkpoint, once both sides are fully accounted for.

    Args:
        weights: The weights of the encoder, and of its head where one is loaded.
        checkpoint: The tensors.
        configuration: The encoder's configuration.

    Raises:
        InputError: A weight has no tensor, a tensor no weight, a shape differs, or a head is not
            tied to the token embedding. Nothing is assigned then.
    """
    names = canonical_names(checkpoint, configuration)
    faults = list(_another_family(checkpoint, configuration)) or [
        *_absent(weights, names),
        *_superfluous(weights, names, configuration),
        *_misshapen(weights, names, checkpoint),
        *_untied(weights, names, checkpoint, configuration),
    ]
    if faults:
        where = str(checkpoint.folder)
        raise InputError(
            *(Fault(f.what, where, f.received, f.allowed, f.next_step, f.kind) for f in faults)
        )
    for weight in weights:
        tensors = [checkpoint.read(names[key]) for key in weight.keys]
        weight.variable.assign(weight.read(*tensors))


def tensors_of(
    weights: Sequence[Weight], configuration: EncoderConfig, with_head: bool
) -> Iterator[tuple[str, Array]]:
    """Yields the tensors that a Hugging Face file holds, so that one at a time is in memory.

    Args:
        weights: The weights of the encoder, and of its head where there is one.
        configuration: The encoder's configuration.
        with_head: Whether the file holds a head beside the encoder.

    Yields:
        Each tensor's name, and the tensor in float32.
    """
    for weight in weights:
        value = np.asarray(ops.convert_to_numpy(weight.variable), np.float32)
        for key, tensor in zip(weight.keys, weight.write(value), strict=True):
            yield _file_name(key, configuration, with_head), tensor


def shapes_of(
    weights: Sequence[Weight], configuration: EncoderConfig, with_head: bool
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of what `tensors_of` yields.

    Args:
        weights: The weights of the encoder, and of its head where there is one.
        configuration: The encoder's configuration.
        with_head: Whether the file holds a head beside the encoder.

    Returns:
        Name to shape.
    """
    return {
        _file_name(key, configuration, with_head): shape
        for weight in weights
        for key, shape in zip(weight.keys, weight.shapes, strict=True)
    }


def _file_name(key: str, configuration: EncoderConfig, with_head: bool) -> str:
    """In a file with a head the encoder's names have a prefix."""
    bare = not with_head or key.startswith(configuration.head_keys.prefixes)
    return key if bare else configuration.family.prefix + key


def _another_family(names: Iterable[str], configuration: EncoderConfig) -> Iterator[Fault]:
    """A RoBERTa file under a BERT configuration would leave the encoder random."""
    names = list(names)
    prefixed = {
        kind
        for kind, family in FAMILIES.items()
        if any(name.startswith(family.signs[0]) for name in names)
    }
    kinds = prefixed or {
        kind
        for kind, family in FAMILIES.items()
        if any(name.startswith(family.signs) for name in names)
    }
    if kinds and configuration.model_type not in kinds:
        what = "the weights belong to another architecture than config.json says"
        received = f"weights of {' or '.join(sorted(kinds))}; model_type {configuration.model_type}"
        step = "correct model_type in config.json, or fetch the config.json of these weights"
        yield Fault(what, "", received, "", step, "architecture")


def _absent(weights: Sequence[Weight], names: dict[str, str]) -> Iterator[Fault]:
    absent = [key for weight in weights for key in weight.keys if key not in names]
    if absent:
        what = "weights of the encoder are not in this checkpoint, and would stay unset"
        yield Fault(what, "", listed(absent), kind="missing weights")


def _superfluous(
    weights: Sequence[Weight], names: dict[str, str], configuration: EncoderConfig
) -> Iterator[Fault]:
    family, head = configuration.family, configuration.head_keys
    used = {key for weight in weights for key in weight.keys}
    passed_over = family.unused + family.announced + TASK_HEADS
    copies = {f"{head.decoder}.weight", f"{head.decoder}.bias"} - {head.bias}
    if f"{head.dense}.weight" not in used:
        passed_over += head.prefixes  # the head is not asked for
    left = [
        name
        for canonical, name in names.items()
        if canonical not in used | BUFFERS | copies and not canonical.startswith(passed_over)
    ]
    if left:
        what = "tensors of this checkpoint have no place in the encoder that config.json describes"
        yield Fault(what, "", listed(left), kind="unknown weights")


def _misshapen(
    weights: Sequence[Weight], names: dict[str, str], checkpoint: Checkpoint
) -> Iterator[Fault]:
    for weight in weights:
        for key, shape in zip(weight.keys, weight.shapes, strict=True):
            if key not in names:
                continue
            received = checkpoint.shape(names[key])
            if received != shape:
                what = f"{names[key]} does not have the shape that config.json implies"
                yield Fault(what, "", str(received), str(shape), kind="shape")
            elif not checkpoint.is_float(names[key]):
                yield Fault(f"{names[key]} does not hold floating-point numbers", kind="type")


def _untied(
    weights: Sequence[Weight],
    names: dict[str, str],
    checkpoint: Checkpoint,
    configuration: EncoderConfig,
) -> Iterator[Fault]:
    """A head with a projection of its own cannot be loaded into a tied one."""
    keys = configuration.head_keys
    if not any(f"{keys.dense}.weight" in weight.keys for weight in weights):
        return
    copies = {
        f"{keys.decoder}.weight": configuration.family.words,
        f"{keys.decoder}.bias": keys.bias,
    }
    untied = [
        names[copy]
        for copy, original in copies.items()
        if copy != original
        and copy in names
        and original in names
        and not np.array_equal(checkpoint.read(names[copy]), checkpoint.read(names[original]))
    ]
    if untied or not configuration.tie_word_embeddings:
        what = "this masked-LM head is not tied to the token embedding; only tied heads can be used"
        received = listed(untied) or "tie_word_embeddings: false"
        yield Fault(what, "", received, kind="untied head")
