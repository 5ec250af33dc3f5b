"""The memory of a recipe's training: its model's config.json is read, and nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relx.faults import Fault, InputError, nearest
from relx.footprint.decoder import Adapter, decoder_footprint
from relx.footprint.encoder import encoder_footprint
from relx.footprint.parts import Footprint, Precision
from relx.model_sections import DecoderSection, FreshDecoder, FreshDecoderSizes, FreshSizes
from relx.models.decoder.configurations import families as decoders
from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.encoder import configuration as encoders
from relx.models.encoder.families.family import EncoderConfig
from relx.models.stored.source import find_configuration
from relx.recipe import Recipe
from relx.tasks.task import task_of

Configuration = EncoderConfig | DecoderConfig
_LABELS = 30  # where they stand in a file: no number of labels makes a head that counts


def footprint_of(
    recipe: Recipe, configuration: Configuration | None = None, *, on_gpu: bool = False
) -> Footprint:
    """Tells the memory of `relx train` on one device, for batches of the longest rows.

    Args:
        recipe: The recipe.
        configuration: What `configuration_of` gave for it, if that was called already.
        on_gpu: Whether a GPU computes: it decides what `device.precision: auto` chooses.

    Returns:
        The footprint.

    Raises:
        InputError: The configuration cannot be found, or asks for what is not supported.
    """
    read = configuration or configuration_of(recipe)
    labels = recipe.data.labels
    how: dict[str, Any] = {
        "batch_size": recipe.train.batch_size,
        "length": recipe.tokens.max_length,
        "precision": precision_of(recipe, on_gpu=on_gpu),
        "accumulate": recipe.train.accumulate,
        "backend": recipe.device.backend,
        "labels": len(labels) if isinstance(labels, list) else _LABELS,
        "dev_batch": recipe.predict.batch_size,
    }
    if isinstance(read, EncoderConfig):
        pooling = task_of(recipe).pooling
        return encoder_footprint(read, places=pooling.count if pooling.single else None, **how)
    section = recipe.decoder
    assert section is not None
    parts = adapted_parts(read, section)
    how |= {"remat": recipe.train.remat, "over_vocabulary": section.softmax == "vocabulary"}
    return decoder_footprint(read, section.format, parts, **how)


def precision_of(recipe: Recipe, *, on_gpu: bool) -> Precision:
    """Returns the dtype policy; a GPU of today computes bfloat16, which auto then chooses.

    Args:
        recipe: The recipe.
        on_gpu: Whether a GPU computes.
    """
    asked = recipe.device.precision
    if asked != "auto":
        return asked
    return "mixed_bfloat16" if on_gpu else "float32"


def configuration_of(recipe: Recipe) -> Configuration:
    """Reads the configuration of a recipe's model.

    Args:
        recipe: The recipe.

    Returns:
        The configuration.

    Raises:
        InputError: It cannot be found, or asks for what is not supported.
    """
    section, source = recipe.started_from, recipe.source
    if isinstance(source, FreshDecoder):
        return _fresh_decoder(source.fresh)
    if not isinstance(source, str):
        return _fresh_encoder(source.fresh)
    found = find_configuration(source, section.revision, recipe.family)
    if recipe.decoder is not None:
        return decoders.read_configuration(found.folder)
    if found.kind == "keras":
        from relx.models.encoder.presets import preset_configuration

        return preset_configuration(found.folder)
    return encoders.read_configuration(found.folder)


def _fresh_encoder(sizes: FreshSizes) -> EncoderConfig:
    return encoders.configuration_from_dict(
        {
            "model_type": sizes.architecture,
            "vocab_size": sizes.vocabulary,
            "hidden_size": sizes.hidden,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": sizes.positions,
            "type_vocab_size": 2 if sizes.architecture == "bert" else 1,
        },
        "encoder.from.fresh",
    )


def _fresh_decoder(sizes: FreshDecoderSizes) -> DecoderConfig:
    return decoders.configuration_from_dict(
        {
            "model_type": "llama",
            "vocab_size": sizes.vocabulary,
            "hidden_size": sizes.hidden,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "num_key_value_heads": sizes.kv_heads,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": sizes.positions,
        },
        "decoder.from.fresh",
    )


def adapted_parts(c: DecoderConfig, section: DecoderSection) -> dict[str, Adapter]:
    """Finds the linear parts that have an adapter, without the framework that builds them.

    Args:
        c: The decoder's configuration.
        section: The recipe's section; its `lora` says which.

    Returns:
        The adapter's settings by part.

    Raises:
        InputError: The family has no linear module of a name.
    """
    keys, targets = decoders.FAMILIES[c.model_type].keys, section.lora.targets
    names = {part: keys.parts[part].rpartition(".")[2] for part in c.linear_shapes()}
    if isinstance(targets, str):
        return dict.fromkeys(names, section.lora)
    _require_known(targets, [*dict.fromkeys(names.values())], c.model_type)
    return {part: section.lora for part, name in names.items() if name in targets}


def _require_known(targets: Sequence[str], known: Sequence[str], model_type: str) -> None:
    faults = []
    for target in targets:
        if target not in known:
            guess = nearest(target, known)
            step = f"did you mean {guess}?" if guess else ""
            what, where = f"{model_type} has no such linear module", "decoder.lora.targets"
            faults.append(Fault(what, where, target, ", ".join(known), step, "targets"))
    if faults:
        raise InputError(*faults)
