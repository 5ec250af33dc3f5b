"""What the tensors of an encoder's file are called, whatever else is in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from relx.faults import Fault, InputError
from relx.models.encoder.families.family import EncoderConfig

# Files of older versions hold these, which are not weights.
BUFFERS = frozenset({"embeddings.position_ids", "embeddings.token_type_ids"})
# What the names of the heads of fine-tuned models begin with, whatever the task.
TASK_HEADS = ("classifier.", "pre_classifier.", "qa_outputs.", "score.", "sequence_summary.")


def canonical_names(names: Iterable[str], configuration: EncoderConfig) -> dict[str, str]:
    """Maps today's names without prefix to the names that a file uses.

    Args:
        names: The file's names.
        configuration: The encoder's configuration.

    Returns:
        The file's name for each canonical one. LayerNorm.gamma and .beta of old files become
        LayerNorm.weight and .bias.

    Raises:
        InputError: Two of the file's names mean the same weight.
    """
    found: dict[str, str] = {}
    for name in names:
        canonical = name.removeprefix(configuration.family.prefix)
        canonical = re.sub(r"(LayerNorm|layer_norm)\.gamma$", r"\1.weight", canonical)
        canonical = re.sub(r"(LayerNorm|layer_norm)\.beta$", r"\1.bias", canonical)
        if canonical in found:
            received = f"{found[canonical]}, {name}"
            raise InputError(Fault("two tensors name the same weight", received=received))
        found[canonical] = name
    keys = configuration.head_keys
    if keys.bias not in found and f"{keys.decoder}.bias" in found:
        found[keys.bias] = found.pop(f"{keys.decoder}.bias")
    return found


def has_head(names: Iterable[str], configuration: EncoderConfig) -> bool:
    """Says whether canonical names include a masked-LM head's.

    Args:
        names: Canonical names.
        configuration: The encoder's configuration.

    Returns:
        True where any weight of the head is there.
    """
    names, keys = list(names), configuration.head_keys
    if any(name.startswith(TASK_HEADS) for name in names):
        return keys.bias in names  # a classifier may have layers of the same names before it
    return any(name.startswith(keys.prefixes) for name in names)


def left_out(names: Iterable[str], configuration: EncoderConfig) -> list[str]:
    """Names the tensors that no masked LM uses and that are worth a note.

    Args:
        names: Canonical names.
        configuration: The encoder's configuration.

    Returns:
        The names, such as those of ELECTRA's discriminator, or of a fine-tuned model's head.
    """
    names, beginnings = list(names), configuration.family.announced + TASK_HEADS
    if any(name.startswith(TASK_HEADS) for name in names) and not has_head(names, configuration):
        beginnings += configuration.head_keys.prefixes
    return sorted(name for name in names if name.startswith(beginnings))
