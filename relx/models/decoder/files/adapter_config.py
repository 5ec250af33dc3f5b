"""Which linear parts have adapters, and their settings, as PEFT's adapter_config.json has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, nearest, shorten
from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.configurations.families import FAMILIES
from relx.models.decoder.configurations.settings import Settings
from relx.models.decoder.layers.linear import Lora
from relx.models.stored.text_files import read_object

CONFIG_FILE = "adapter_config.json"
ALL_LINEAR = "all-linear"
_TARGETS = "decoder.lora.targets"
_READ = (
    *("peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "bias", "init_lora_weights"),
    *("target_modules", "exclude_modules", "rank_pattern", "alpha_pattern"),
)
# What says where a file comes from, or how adapters start: none of it changes what they compute.
_WITHOUT_EFFECT = (
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision"),
    *("task_type", "fan_in_fan_out", "megatron_core", "qalora_group_size", "runtime_config"),
    *("eva_config", "corda_config", "loftq_config", "lora_ga_config", "ensure_weight_tying"),
)
# Ways to start adapters that leave the base's weights as they are; true and false do too.
_STARTS = ("gaussian", "eva", "orthogonal")
_MERGED = "merge it in PEFT (merge_and_unload) and name the merged folder, or train plain LoRA"


def adapters_for(
    configuration: DecoderConfig, targets: str | Sequence[str], lora: Lora
) -> dict[str, Lora]:
    """Finds the linear parts that targets name.

    Args:
        configuration: The decoder's.
        targets: Names of linear modules as the family's files call them, such as `q_proj`; or
            `all-linear`, which as in PEFT is every one but the output head.
        lora: The settings of each adapter.

    Returns:
        The settings by part, as `Decoder` takes them, in the order of `linear_shapes`.

    Raises:
        InputError: The family has no linear module of a name, or no name is given.
    """
    if targets == ALL_LINEAR:
        return dict.fromkeys(configuration.linear_shapes(), lora)
    names = [targets] if isinstance(targets, str) else list(targets)
    known = {part: path.rsplit(".", 1)[1] for part, path in part_paths(configuration).items()}
    faults = [
        _unknown_target(name, _TARGETS, configuration)
        for name in names
        if name not in known.values()
    ]
    if not names:
        step = f"name some, or {ALL_LINEAR}"
        faults = [Fault("no linear module is named", _TARGETS, "[]", _allowed(known), step)]
    if faults:
        raise InputError(*faults)
    return {part: lora for part, name in known.items() if name in names}


def part_paths(configuration: DecoderConfig) -> dict[str, str]:
    """Lists what a family's files call the linear parts of a layer, such as `self_attn.q_proj`.

    Args:
        configuration: The decoder's.

    Returns:
        The path within a layer by part, in the order of `linear_shapes`.
    """
    keys = FAMILIES[configuration.model_type].keys
    return {part: keys.parts[part] for part in configuration.linear_shapes()}


def config_values(
    configuration: DecoderConfig, adapters: Mapping[str, Lora], base_name: str
) -> dict[str, Any]:
    """Makes the content of an adapter_config.json.

    Args:
        configuration: The decoder's.
        adapters: The settings by part; they share dropout and scaling rule.
        base_name: The folder or hub id of the base.

    Returns:
        What `json.dumps` takes.
    """
    paths = part_paths(configuration)
    usual = next(iter(adapters.values()))
    if len({(lora.dropout, lora.rank_stabilized) for lora in adapters.values()}) > 1:
        raise ValueError("PEFT has one dropout and one scaling rule for all adapters")
    ranks = {paths[n]: lora.rank for n, lora in adapters.items() if lora.rank != usual.rank}
    alphas = {paths[n]: lora.alpha for n, lora in adapters.items() if lora.alpha != usual.alpha}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": usual.rank,
        "lora_alpha": _plain(usual.alpha),
        "lora_dropout": usual.dropout,
        "use_rslora": usual.rank_stabilized,
        "rank_pattern": ranks,
        "alpha_pattern": {path: _plain(alpha) for path, alpha in alphas.items()},
        "bias": "none",
        "fan_in_fan_out": FAMILIES[configuration.model_type].keys.transposed,
        "target_modules": _shortest_targets(paths, adapters),
        "modules_to_save": None,
        "init_lora_weights": True,
        "inference_mode": True,
    }


def _plain(alpha: float) -> float:
    return int(alpha) if float(alpha).is_integer() else alpha


def _shortest_targets(paths: Mapping[str, str], adapters: Mapping[str, Lora]) -> list[str]:
    """Names parts by their last component, unless another part without adapter shares it."""
    others = {path.rsplit(".", 1)[1] for part, path in paths.items() if part not in adapters}
    last = {paths[part]: paths[part].rsplit(".", 1)[1] for part in adapters}
    return sorted({path if name in others else name for path, name in last.items()})


def read_lora(folder: Path, configuration: DecoderConfig) -> dict[str, Lora]:
    """Reads the settings of the adapters in a PEFT folder.

    Args:
        folder: The folder.
        configuration: The decoder's whose adapters they are.

    Returns:
        The settings by part, as `load_decoder` takes them.

    Raises:
        InputError: There is no adapter_config.json, or it asks for what the decoder cannot do; all
            of it at once.
    """
    settings = Settings(read_values(folder), str(folder / CONFIG_FILE))
    _refuse_others(settings)
    for name in ("target_modules", "exclude_modules"):
        _check_names(settings, name)
    for name in ("rank_pattern", "alpha_pattern"):
        _check_patterns(settings, name)
    usual = Lora(
        settings.size("r", 8),
        settings.number("lora_alpha", 8),
        _dropout(settings),
        settings.flag("use_rslora", False),
    )
    settings.require_good()
    _check_targets(settings, configuration)
    found = {part: _of_part(part, configuration, settings, usual) for part in _parts(configuration)}
    settings.require_good()
    return {part: lora for part, lora in found.items() if lora is not None}


def read_values(folder: Path) -> dict[str, Any]:
    """Reads the adapter_config.json of a folder.

    Args:
        folder: The folder.

    Returns:
        Its content.

    Raises:
        InputError: There is none, or it is no mapping.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        step = "name a folder that relx train or PEFT's save_pretrained wrote"
        raise InputError(Fault(f"this folder has no {CONFIG_FILE}", str(folder), next_step=step))
    return read_object(path)


def _refuse_others(settings: Settings) -> None:
    """Notes whatever would change the computation in a way that is not built here."""

    def refuse(name: str, what: str, allowed: str) -> None:
        place, received = f"{settings.where}: {name}", shorten(settings.get(name))
        settings.faults.append(Fault(what, place, received, allowed, _MERGED, "unsupported"))

    if settings.get("peft_type") != "LORA":
        refuse("peft_type", "these adapters are not LoRA", "LORA")
    if settings.get("bias", "none") != "none":
        refuse("bias", "adapters that train biases are not built", "none")
    start = settings.get("init_lora_weights", True)
    if not isinstance(start, bool) and start not in _STARTS:
        refuse("init_lora_weights", "this start changes the base too", "true, false")
    for name in sorted(set(settings.values) - {*_READ, *_WITHOUT_EFFECT}):
        value = settings.get(name)
        # 0 is a layer's number: equal to False, but not empty.
        if not (value is None or value is False or value in ("", [], {})):
            refuse(name, "adapters with this option are not built", "null, or no such key")


def _check_names(settings: Settings, name: str) -> None:
    value = settings.get(name, "" if name == "exclude_modules" else None)
    place, allowed = f"{settings.where}: {name}", "a list of names, or a regular expression"
    if isinstance(value, str):
        if not _is_expression(value):
            what = "this is no regular expression"
            settings.faults.append(Fault(what, place, shorten(value), allowed, kind="value"))
    elif not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        what = "this does not say where adapters are"
        settings.faults.append(Fault(what, place, shorten(value), allowed, kind="value"))


def _check_patterns(settings: Settings, name: str) -> None:
    pattern, place = settings.get(name, {}), f"{settings.where}: {name}"
    if not isinstance(pattern, dict) or not all(_is_expression(_ending(key)) for key in pattern):
        what, allowed = "this is no mapping of names to numbers", "a mapping"
        settings.faults.append(Fault(what, place, shorten(pattern), allowed, kind="value"))
        return
    inner = Settings(pattern, place)
    read: Callable[[str], float] = inner.size if name == "rank_pattern" else inner.number
    for key in pattern:
        read(key)
    settings.faults += inner.faults


def _is_expression(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _dropout(settings: Settings) -> float:
    value = settings.get("lora_dropout", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        what, place = "this is no share of inputs to drop", f"{settings.where}: lora_dropout"
        fault = Fault(what, place, shorten(value), "from 0 and below 1", kind="value")
        settings.faults.append(fault)
        return 0.0
    return float(value)


def _parts(configuration: DecoderConfig) -> list[str]:
    return list(configuration.linear_shapes())


def _modules(part: str, configuration: DecoderConfig) -> Iterator[str]:
    """Yields a part's full name in each layer, such as `model.layers.0.self_attn.q_proj`."""
    keys = FAMILIES[configuration.model_type].keys
    for i in range(configuration.num_layers):
        yield keys.layer.format(i) + keys.parts[part]


def _names(module: str, named: str | list[str]) -> bool:
    """Says whether names of PEFT's, or a regular expression, mean a module."""
    if isinstance(named, str):
        return re.fullmatch(named, module) is not None
    return any(f".{module}".endswith(f".{name}") for name in named)


def _check_targets(settings: Settings, configuration: DecoderConfig) -> None:
    """Notes every target that no linear part of the decoder has."""
    targets = settings.get("target_modules")
    if targets == ALL_LINEAR:
        return
    modules = [m for part in _parts(configuration) for m in _modules(part, configuration)]
    for name in [targets] if isinstance(targets, str) else targets:
        named = name if isinstance(targets, str) else [name]
        if not any(_names(module, named) for module in modules):
            place = f"{settings.where}: target_modules"
            settings.faults.append(_unknown_target(name, place, configuration))


def _of_part(
    part: str, configuration: DecoderConfig, settings: Settings, usual: Lora
) -> Lora | None:
    """Finds the settings of a part's adapters, which every layer has to share."""
    modules = _modules(part, configuration)
    found = list(dict.fromkeys(_of_module(module, settings, usual) for module in modules))
    if len(found) > 1:
        name = part_paths(configuration)[part]
        what = f"the layers differ in their adapters of {name}"
        received = "; ".join("none" if lora is None else described(lora) for lora in found)
        allowed = "one setting for all layers, none left out"
        fault = Fault(what, settings.where, received, allowed, _MERGED, "unsupported")
        settings.faults.append(fault)
    return found[0]


def _of_module(module: str, settings: Settings, usual: Lora) -> Lora | None:
    targets, excluded = settings.get("target_modules"), settings.get("exclude_modules", [])
    if (targets != ALL_LINEAR and not _names(module, targets)) or (
        excluded and _names(module, excluded)
    ):
        return None
    rank = _by_pattern(settings.get("rank_pattern", {}), module, usual.rank)
    alpha = _by_pattern(settings.get("alpha_pattern", {}), module, usual.alpha)
    return Lora(int(rank), float(alpha), usual.dropout, usual.rank_stabilized)


def _by_pattern(pattern: Mapping[str, float], module: str, usual: float) -> float:
    """Looks up a module: the first pattern that its name ends with, from a dot on, counts."""
    matches = (n for key, n in pattern.items() if re.fullmatch(_ending(key), module))
    return next(matches, usual)


def _ending(key: str) -> str:
    return rf"(.*\.)?({key})"


def described(lora: Lora) -> str:
    """Says for a message what an adapter computes with."""
    rule = " over the rank's root" if lora.rank_stabilized else ""
    return f"rank {lora.rank}, alpha {lora.alpha:g}{rule}"


def _unknown_target(name: str, where: str, configuration: DecoderConfig) -> Fault:
    known = {part: path.rsplit(".", 1)[1] for part, path in part_paths(configuration).items()}
    guess = nearest(name, [*known.values(), ALL_LINEAR])
    step = f"did you mean {guess}?" if guess else f"name some of these, or {ALL_LINEAR}"
    what = f"{configuration.model_type} has no linear module of this name in its layers"
    return Fault(what, where, shorten(name), _allowed(known), step, "unknown target")


def _allowed(known: Mapping[str, str]) -> str:
    return ", ".join([*dict.fromkeys(known.values()), ALL_LINEAR])
