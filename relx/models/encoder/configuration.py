"""Reading config.json: every setting is honoured, or all that cannot be are named at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, nearest, shorten
from relx.models.encoder.families.family import EncoderConfig, Family
from relx.models.encoder.families.registry import CONFIGURATIONS
from relx.models.encoder.rules import RULES, is_number
from relx.models.stored.text_files import read_object

_ASKS: Mapping[str, tuple[Any, str]] = {
    "position_embedding_type": (
        "absolute",
        "only positions that are added to the tokens are supported",
    ),
    "is_decoder": (False, "this is an encoder: every token sees every other"),
    "add_cross_attention": (False, "cross-attention is not supported"),
    "pruned_heads": ({}, "pruned heads are not supported"),
    "quantization_config": (None, "quantized weights are not supported"),
}


def read_configuration(folder: Path) -> EncoderConfig:
    """Reads the config.json of a Hugging Face folder.

    Args:
        folder: The folder.

    Returns:
        The configuration.

    Raises:
        InputError: There is no config.json, or asks for what the encoder cannot do.
    """
    path = folder / "config.json"
    if not path.is_file():
        step = "name a folder written by transformers' save_pretrained, or by relx tapt"
        raise InputError(Fault("this folder has no config.json", str(folder), next_step=step))
    return configuration_from_dict(read_object(path), str(path))


def configuration_from_dict(values: Mapping[str, Any], where: str) -> EncoderConfig:
    """Builds a configuration from the content of a config.json.

    Args:
        values: The content.
        where: Its name in messages.

    Returns:
        The configuration; keys that do not change what the encoder computes are ignored.

    Raises:
        InputError: Every value that the encoder cannot honour, at once.
    """
    model_type = str(values.get("model_type") or "")
    if model_type not in CONFIGURATIONS:
        raise InputError(_unknown_model_type(model_type, where))
    kind = CONFIGURATIONS[model_type]
    family, fields = kind.family, dataclasses.fields(kind)
    settings = _settings(values, family, [field.name for field in fields])
    faults = [
        Fault("this key is required", f"{where}: {_named(field.name, family)}", kind="missing key")
        for field in fields
        if field.default is dataclasses.MISSING and field.name not in settings
    ]
    faults += _wrong_values(settings, family, where)
    faults += _wrong_relations(settings, values, family, where)
    faults += _unsupported(values, family, where)
    if faults:
        raise InputError(*faults)
    return kind(**settings)


def _settings(values: Mapping[str, Any], family: Family, names: Sequence[str]) -> dict[str, Any]:
    """Collects the settings: fixed ones first, then config.json's, then defaults."""
    own = family.read(values)
    given = {
        name: values[_named(name, family)]
        for name in names
        if values.get(_named(name, family)) is not None
    }
    defaults = {"pad_token_id": family.pad_token_id, **family.defaults}
    return {**defaults, **given, **own, **family.fixed}


def _named(name: str, family: Family) -> str:
    return family.names.get(name, name)


def _unknown_model_type(model_type: str, where: str) -> Fault:
    what = "this model_type is not supported"
    guess = nearest(model_type, CONFIGURATIONS)
    step = f"did you mean {guess}?" if guess else "name a checkpoint of one of these"
    allowed = ", ".join(CONFIGURATIONS)
    return Fault(what, f"{where}: model_type", model_type, allowed, step, "unknown model_type")


def _wrong_values(settings: Mapping[str, Any], family: Family, where: str) -> Iterator[Fault]:
    what = "the encoder cannot be built with this value"
    rules = {**RULES, **family.rules}
    for name, value in settings.items():
        if name in rules and name not in family.fixed and not rules[name].holds(value):
            place, received = f"{where}: {_named(name, family)}", shorten(value)
            yield Fault(what, place, received, rules[name].allowed, kind="value")


def _wrong_relations(
    settings: Mapping[str, Any], values: Mapping[str, Any], family: Family, where: str
) -> Iterator[Fault]:
    """Yields sizes that do not fit each other; values wrong by themselves have been reported."""
    hidden, heads = settings.get("hidden_size", 0), settings.get("num_attention_heads", 0)
    if is_number(hidden, int, 1) and is_number(heads, int, 1) and hidden % heads:
        what = "the attention heads do not divide the hidden size"
        place = f"{where}: {_named('num_attention_heads', family)}"
        yield Fault(what, place, f"{heads} heads, hidden size {hidden}")
    for name, what, received in family.relations(settings, values):
        yield Fault(what, f"{where}: {_named(name, family)}", received)
    positions, pad = settings.get("max_position_embeddings", 0), settings["pad_token_id"]
    if not family.positions_after_padding or not is_number(positions, int, 1):
        return
    if is_number(pad, int, 0) and positions < pad + 2:
        what = "no position is left after the padding id"
        received = f"{positions} positions, pad_token_id {pad}"
        yield Fault(what, f"{where}: max_position_embeddings", received)


def _unsupported(values: Mapping[str, Any], family: Family, where: str) -> Iterator[Fault]:
    """Yields settings that would change the computation and are not supported."""
    asks = {**_ASKS, **family.asks}
    if "embedding_size" in family.fixed:
        size = values.get(_named("hidden_size", family))
        asks["embedding_size"] = (size, "this architecture's embeddings have the hidden size")
    for name, (allowed, what) in asks.items():
        value = values.get(name)
        if value is not None and value != allowed:
            yield Fault(what, f"{where}: {name}", shorten(value), repr(allowed), kind="unsupported")
