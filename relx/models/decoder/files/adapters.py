"""Adapters as PEFT's folders have them: what is trained here it loads, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.faults import Fault, InputError
from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.configurations.families import FAMILIES
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.files.adapter_config import (
    CONFIG_FILE,
    config_values,
    described,
    part_paths,
    read_lora,
    read_values,
)
from relx.models.decoder.files.weights import head_order
from relx.models.decoder.layers.linear import FrozenLinear, Lora
from relx.models.stored.folder import Checkpoint, listed, open_safetensors
from relx.tensors import Shape

ADAPTERS_FILE = "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"
_PREFIX = "base_model.model."  # PEFT's own, before the base's name of a module
Array = NDArray[np.float32]


def write_adapters(decoder: Decoder, folder: Path, base_name: str) -> None:
    """Writes adapters as PEFT does; equal adapters give equal bytes.

    Args:
        decoder: The decoder; at least one of its parts has adapters.
        folder: A folder that exists, and that the caller makes appear whole.
        base_name: The folder or hub id of the base.
    """
    from safetensors.numpy import save_file

    tensors: dict[str, Array] = {}
    for module, a, b in adapters_on_disk(decoder):
        tensors[f"{_PREFIX}{module}.lora_A.weight"] = a
        tensors[f"{_PREFIX}{module}.lora_B.weight"] = b
    values = config_values(decoder.configuration, settings_of(decoder), base_name)
    text = json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    save_file(dict(sorted(tensors.items())), folder / ADAPTERS_FILE, metadata={"format": "pt"})


def settings_of(decoder: Decoder) -> dict[str, Lora]:
    """Lists the settings of a decoder's adapters by part."""
    parts = decoder.stack[0].parts if decoder.stack else {}
    return {name: part.lora for name, part in parts.items() if part.lora is not None}


def adapters_on_disk(decoder: Decoder) -> list[tuple[str, Array, Array]]:
    """Lists adapters as files have them.

    Args:
        decoder: The decoder.

    Returns:
        Of each adapted module its full name, A as (rank, inputs) and B as (outputs, rank), with the
        outputs in the order that they have in the base's file.
    """
    c, found = decoder.configuration, []
    for name, part in decoder.adapted_parts().items():
        a = np.ascontiguousarray(ops.convert_to_numpy(part.lora_a).T)
        b = np.ascontiguousarray(ops.convert_to_numpy(part.lora_b).T)
        order = _order_on_disk(name, c)
        if order is not None:
            b[order] = b.copy()
        found.append((_module(name, c), a, b))
    return found


def read_adapters(decoder: Decoder, folder: Path) -> None:
    """Sets a decoder's adapters to those of a PEFT folder: all of them, or none.

    Args:
        decoder: The decoder, built with adapters as `read_lora` gives them; dropout, which changes
            no prediction, may differ.
        folder: The folder.

    Raises:
        InputError: A file is missing or cut short, or these are adapters of other settings or of
            another base.
    """
    c = decoder.configuration
    _require_settings(read_lora(folder, c), settings_of(decoder), c, folder)
    checkpoint = _open_adapters(folder)
    parts = decoder.adapted_parts()
    _require_tensors(checkpoint, _expected(parts, c), folder)
    values = {name: checkpoint.read(name) for name in checkpoint}  # before any is assigned
    for name, part in parts.items():
        assert part.lora_a is not None and part.lora_b is not None
        a, b = (values[place] for place in _tensor_names(name, c))
        order = _order_on_disk(name, c)
        part.lora_a.assign(a.T)
        part.lora_b.assign((b if order is None else b[order]).T)


def _module(name: str, c: DecoderConfig) -> str:
    """Translates `0.q` to the base's own name of a module."""
    layer, part = name.split(".")
    keys = FAMILIES[c.model_type].keys
    return keys.layer.format(layer) + keys.parts[part]


def _tensor_names(name: str, c: DecoderConfig) -> tuple[str, str]:
    module = f"{_PREFIX}{_module(name, c)}"
    return f"{module}.lora_A.weight", f"{module}.lora_B.weight"


def _order_on_disk(name: str, c: DecoderConfig) -> NDArray[np.int64] | None:
    """Says where each output of a part is on disk; None where the order is the same."""
    fused = name.endswith(".qkv") and FAMILIES[c.model_type].keys.interleaved
    return head_order(c) if fused else None


def _expected(parts: Mapping[str, FrozenLinear], c: DecoderConfig) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for name, part in parts.items():
        assert part.lora is not None
        a, b = _tensor_names(name, c)
        shapes |= {a: (part.lora.rank, part.inputs), b: (part.outputs, part.lora.rank)}
    return shapes


def _open_adapters(folder: Path) -> Checkpoint:
    path = folder / ADAPTERS_FILE
    if path.is_file():
        return Checkpoint(folder, open_safetensors(path))
    what, step = f"this folder has no {ADAPTERS_FILE}", "fetch the folder again"
    if (folder / _PICKLE).is_file():
        what = "these adapters exist only as a pickle, which can run code when it is read"
        step = "load them in PEFT, and write them with save_pretrained, which writes safetensors"
    raise InputError(Fault(what, str(folder), next_step=step, kind="no weights"))


def _require_settings(
    found: Mapping[str, Lora], own: Mapping[str, Lora], c: DecoderConfig, folder: Path
) -> None:
    """Makes sure that adapters have the parts, ranks and scaling of the decoder's."""
    where, paths, faults = str(folder / CONFIG_FILE), part_paths(c), []
    if set(found) != set(own):
        received, allowed = (
            ", ".join(path for part, path in paths.items() if part in of) or "none"
            for of in (found, own)
        )
        what = "these adapters belong to other modules than the decoder's"
        step = "build the decoder with the targets of this folder"
        faults.append(Fault(what, f"{where}: target_modules", received, allowed, step, "targets"))
    for part in [part for part in paths if part in found and part in own]:
        theirs, ours = found[part], own[part]
        if (theirs.rank, theirs.scaling) != (ours.rank, ours.scaling):
            what = f"the adapters of {paths[part]} have other settings than the decoder's"
            step = "build the decoder with the rank and alpha of this folder"
            fault = Fault(what, where, described(theirs), described(ours), step, "settings")
            faults.append(fault)
    if faults:
        raise InputError(*faults)


def _require_tensors(checkpoint: Checkpoint, expected: Mapping[str, Shape], folder: Path) -> None:
    """Makes sure that each tensor has a place, and each place a tensor of its shape."""
    where, faults, step = str(folder / ADAPTERS_FILE), [], _base_step(folder)
    if missing := sorted(name for name in expected if name not in checkpoint):
        what = f"{len(missing)} tensors of the decoder's adapters are missing"
        faults.append(Fault(what, where, listed(missing, 3), "", step, "missing tensors"))
    if other := sorted(name for name in checkpoint if name not in expected):
        what = f"{len(other)} tensors have no place in the decoder's adapters"
        faults.append(Fault(what, where, listed(other, 3), "", step, "unknown tensors"))
    shapes = {name: checkpoint.shape(name) for name in expected if name in checkpoint}
    if wrong := [name for name, shape in shapes.items() if shape != expected[name]]:
        first = wrong[0]
        what = f"these are adapters of another base: {len(wrong)} tensors have other shapes"
        received, allowed = f"{first} {shapes[first]}", str(expected[first])
        faults.append(Fault(what, where, received, allowed, step, "shape"))
    if numbers := [name for name in shapes if not checkpoint.is_float(name)]:
        what, allowed = "adapters are floating-point numbers", "F64, F32, F16, BF16"
        received = f"{numbers[0]}: {checkpoint.dtype(numbers[0])}"
        faults.append(Fault(what, where, received, allowed, kind="type"))
    if faults:
        raise InputError(*faults)


def _base_step(folder: Path) -> str:
    base: Any = read_values(folder).get("base_model_name_or_path")
    named = f", {base}," if isinstance(base, str) and base else ""
    return f"name the base that these adapters were trained on{named} in decoder.from"
