"""Low-rank adapters in PEFT's own files: what trains here loads there, and the other way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from keras import ops
from numpy.typing import NDArray
from safetensors import SafetensorError

from relx.faults import Fault, InputError, nearest
from relx.files import read_json
from relx.models.decoder.configuration import DecoderConfig
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.families import FAMILIES
from relx.models.decoder.linear import FrozenLinear, Lora
from relx.models.decoder.weights import head_order
from relx.models.stored.folder import listed
from relx.tensors import open_tensors

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
# Settings of PEFT that change what an adapter computes and are not built here, with their usual
# values.
_USUAL = {
    "bias": "none",
    "use_dora": False,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "layers_to_transform": None,
    "trainable_token_indices": None,
}

Array = NDArray[Any]


def adapters_for(
    configuration: DecoderConfig, targets: Sequence[str] | Literal["all-linear"], lora: Lora
) -> dict[str, Lora]:
    """Chooses the linear parts that are given an adapter.

    Args:
        configuration: The decoder's.
        targets: `all-linear`, or modules as the family's files call them, such as `q_proj`.
        lora: The adapter's settings.

    Returns:
        The settings by part, for `Decoder`.

    Raises:
        InputError: The family has no such module.
    """
    modules = module_names(configuration)
    if isinstance(targets, str):
        return dict.fromkeys(configuration.linear_shapes(), lora)
    faults = []
    for name in targets:
        if name not in modules:
            guess = nearest(name, modules)
            step = f"did you mean {guess}?" if guess else ""
            what = f"{configuration.model_type} has no such linear module"
            where, allowed = "decoder.lora.targets", ", ".join(modules)
            faults.append(Fault(what, where, name, allowed, step, "targets"))
    if faults:
        raise InputError(*faults)
    return {part: lora for name in targets for part in modules[name]}


def module_names(configuration: DecoderConfig) -> dict[str, list[str]]:
    """Returns our names of linear parts by the one of their family's files, such as `q_proj`.

    Two parts of a layer may have one name, such as gpt2's `c_proj`.
    """
    names: dict[str, list[str]] = {}
    for path, part in _by_path(configuration).items():
        names.setdefault(path.rpartition(".")[2], []).append(part)
    return names


def write_adapters(decoder: Decoder, folder: Path, base: str) -> None:
    """Writes a decoder's adapters: PEFT's adapter_config.json and adapter_model.safetensors.

    Args:
        decoder: The decoder.
        folder: A folder that exists; equal adapters give equal bytes.
        base: What the base is called, as `decoder.from` names it.
    """
    from safetensors.numpy import save_file

    configuration, parts = decoder.configuration, decoder.adapted_parts()
    lora = next(iter(parts.values())).lora
    assert lora is not None
    keys = FAMILIES[configuration.model_type].keys
    used = {keys.parts[name.partition(".")[2]].rpartition(".")[2] for name in parts}
    tree = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.rank_stabilized,
        "bias": "none",
        "fan_in_fan_out": keys.transposed,
        "inference_mode": True,
        "target_modules": sorted(used),
    }
    text = json.dumps(tree, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    tensors = {name: tensor for name, _, tensor in _tensors(decoder)}
    save_file(dict(sorted(tensors.items())), folder / WEIGHTS, metadata={"format": "pt"})


def read_adapters(decoder: Decoder, folder: Path) -> None:
    """Sets a decoder's adapters to those of a folder, all of them or none.

    Args:
        decoder: A decoder with adapters of the same settings.
        folder: A folder with PEFT's files.

    Raises:
        InputError: The files are gone, cut short, of another kind of adapter, or of another base.
    """
    require_settings(decoder, folder)
    path = folder / WEIGHTS
    try:
        _, stored = open_tensors(path)
    except (SafetensorError, OSError) as error:
        what, step = "these adapters cannot be read", "bring the file back, or train again"
        raise InputError(Fault(what, str(path), str(error), next_step=step)) from error
    expected = {name: (variable, tensor.shape) for name, variable, tensor in _tensors(decoder)}
    faults = []
    for what, names in (
        ("adapters are missing", sorted(set(expected) - set(stored))),
        ("adapters belong to nothing in this base", sorted(set(stored) - set(expected))),
    ):
        if names:
            faults.append(Fault(f"{len(names)} {what}", str(path), listed(names), kind="adapters"))
    for name, (_, shape) in expected.items():
        if name in stored and stored[name].shape != shape:
            what = f"{name} is of another base: its shape does not fit"
            faults.append(Fault(what, str(path), str(stored[name].shape), str(shape)))
    if faults:
        raise InputError(*faults)
    order = head_order(decoder.configuration) if decoder.configuration.fused_qkv else None
    for name, (variable, _) in expected.items():
        values = stored[name].read().astype(np.float32)
        if order is not None and _is_reordered(name, decoder.configuration):
            values = values[order]
        variable.assign(values.T)


def require_settings(decoder: Decoder, folder: Path) -> None:
    """Makes sure that a folder's adapters are of the kind and the settings of a decoder's.

    Args:
        decoder: The decoder.
        folder: The folder.

    Raises:
        InputError: They are not; every difference at once.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(Fault("this folder has no adapters", str(folder), "", CONFIG))
    tree = read_json(path)
    lora = next(iter(decoder.adapted_parts().values())).lora
    assert lora is not None and isinstance(tree, dict)
    wanted = {
        "peft_type": "LORA",
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "use_rslora": lora.rank_stabilized,
    }
    faults = [
        Fault("these adapters have another setting", f"{path}: {name}", str(found), str(value))
        for name, value in wanted.items()
        if (found := tree.get(name, False)) != value
    ]
    faults += [
        Fault("this setting of adapters is not built here", f"{path}: {name}", str(tree[name]))
        for name, usual in _USUAL.items()
        if tree.get(name) not in (None, usual)
    ]
    if faults:
        raise InputError(*faults)


def _by_path(configuration: DecoderConfig) -> dict[str, str]:
    """Returns our name of each linear part by its module's place in a layer, as PEFT matches it."""
    parts = FAMILIES[configuration.model_type].keys.parts
    return {parts[name]: name for name in configuration.linear_shapes()}


def _tensors(decoder: Decoder) -> Iterator[tuple[str, Any, Array]]:
    """Yields the name in PEFT's file, the variable, and the tensor as the file has it."""
    c = decoder.configuration
    keys = FAMILIES[c.model_type].keys
    for place, part in decoder.adapted_parts().items():
        index, _, name = place.partition(".")
        path = f"{_PREFIX}{keys.layer.format(index)}{keys.parts[name]}"
        yield f"{path}.lora_A.weight", part.lora_a, _on_disk(part, "lora_a")
        b = _on_disk(part, "lora_b")
        if name == "qkv" and keys.interleaved:
            found = np.empty_like(b)
            found[head_order(c)] = b
            b = found
        yield f"{path}.lora_B.weight", part.lora_b, b


def _on_disk(part: FrozenLinear, name: str) -> Array:
    return np.ascontiguousarray(ops.convert_to_numpy(getattr(part, name)).T)


def _is_reordered(name: str, configuration: DecoderConfig) -> bool:
    keys = FAMILIES[configuration.model_type].keys
    return keys.interleaved and name.endswith(f"{keys.parts['qkv']}.lora_B.weight")
