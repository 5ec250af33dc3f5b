"""From the tensors of a Hugging Face folder to a decoder's variables, some rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relx import progress
from relx.faults import Fault, InputError
from relx.models.decoder.configurations.configuration import DecoderConfig
from relx.models.decoder.configurations.families import FAMILIES, Keys
from relx.models.decoder.decoder import Decoder
from relx.models.decoder.layers.blocks import Norm
from relx.models.decoder.layers.formats import Rows, quantize
from relx.models.decoder.layers.linear import FrozenLinear
from relx.models.decoder.layers.memory import aligned_empty, hand_over
from relx.models.stored.folder import Checkpoint, listed

Array = NDArray[Any]
Shape = tuple[int, ...]


def expected_shapes(c: DecoderConfig) -> dict[str, Shape]:
    """Lists the tensors that a decoder's file has to have: their shape on disk by name.

    Args:
        c: The configuration.
    """
    keys = FAMILIES[c.model_type].keys
    shapes: dict[str, Shape] = {f"{keys.tokens}.weight": (c.vocab_size, c.hidden_size)}
    if keys.positions:
        shapes[f"{keys.positions}.weight"] = (c.learned_positions, c.hidden_size)
    if not c.tied:
        shapes[f"{keys.head}.weight"] = (c.vocab_size, c.hidden_size)
    shapes |= _norm_shapes(keys.norm, c.hidden_size, c)
    for i in range(c.num_layers):
        place = keys.layer.format(i)
        for name, (inputs, outputs) in c.linear_shapes().items():
            shape = (inputs, outputs) if keys.transposed else (outputs, inputs)
            shapes[f"{place}{keys.parts[name]}.weight"] = shape
            if c.has_bias(name):
                shapes[f"{place}{keys.parts[name]}.bias"] = (outputs,)
        for name, width in c.norm_widths().items():
            shapes |= _norm_shapes(f"{place}{keys.parts[name]}", width, c)
    return shapes


def _norm_shapes(name: str, width: int, c: DecoderConfig) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {f"{name}.weight": (width,)}
    return shapes | ({f"{name}.bias": (width,)} if c.norm == "layer" else {})


def require_tensors(checkpoint: Checkpoint, c: DecoderConfig) -> dict[str, str]:
    """Makes sure that a file has what its config.json says, before anything is read.

    Args:
        checkpoint: The folder's tensors.
        c: The configuration.

    Returns:
        The name on disk of each tensor that `expected_shapes` lists.

    Raises:
        InputError: Tensors are missing, of other shapes, or of other names; all at once.
    """
    prefix = _prefix_on_disk(checkpoint, c)
    expected = expected_shapes(c)
    names = {name: _on_disk(name, prefix, checkpoint) for name in expected}
    where, faults = str(checkpoint.folder), []
    if missing := sorted(name for name, own in names.items() if own not in checkpoint):
        what = f"{len(missing)} tensors that config.json asks for are missing"
        step = "fetch config.json and the weights of the same checkpoint again"
        faults.append(Fault(what, where, listed(missing), next_step=step, kind="missing tensors"))
    for name, own in names.items():
        if own in checkpoint and checkpoint.shape(own) != expected[name]:
            received, allowed = str(checkpoint.shape(own)), str(expected[name])
            what = f"{own} has another shape than config.json says"
            faults.append(Fault(what, where, received, allowed, kind="shape"))
    ends = FAMILIES[c.model_type].keys.unused
    head = f"{FAMILIES[c.model_type].keys.head}.weight"
    known = {*names.values(), head}
    if other := sorted(n for n in checkpoint if n not in known and not n.endswith(ends)):
        what = f"{len(other)} tensors belong to nothing that config.json asks for"
        step = "is it a decoder with parts of its own? name a plain causal language model"
        faults.append(Fault(what, where, listed(other), next_step=step, kind="unknown tensors"))
    if faults:
        raise InputError(*faults)
    return names


def _prefix_on_disk(checkpoint: Checkpoint, c: DecoderConfig) -> str:
    """Finds what a bare model's file leaves out of names: `model.`, `transformer.` and the like."""
    tokens = FAMILIES[c.model_type].keys.tokens
    prefix = tokens[: tokens.index(".") + 1]
    bare = f"{tokens.removeprefix(prefix)}.weight" in checkpoint
    return prefix if bare and f"{tokens}.weight" not in checkpoint else ""


def _on_disk(name: str, prefix: str, checkpoint: Checkpoint) -> str:
    return name.removeprefix(prefix) if name not in checkpoint else name


def fill_decoder(decoder: Decoder, checkpoint: Checkpoint, names: Mapping[str, str]) -> None:
    """Reads every weight of a decoder straight into its format.

    At no time is more than one matrix there twice, nor more than a few rows of one as floats.

    Args:
        decoder: The decoder.
        checkpoint: The tensors.
        names: What `require_tensors` gave.
    """
    c = decoder.configuration
    keys = FAMILIES[c.model_type].keys
    source = _Source(checkpoint, names, keys, c)
    assert decoder.table is not None
    hand_over(source.table(keys.tokens, str(decoder.table.dtype)), decoder.table)
    if decoder.places is not None:
        hand_over(source.table(keys.positions, str(decoder.places.dtype)), decoder.places)
    source.norm(decoder.norm, keys.norm)
    words = f"loading {decoder.format}"
    with progress.bar(words, len(decoder.stack), "layers") as bar:
        for i, layer in enumerate(decoder.stack):
            place = keys.layer.format(i)
            for name, part in layer.parts.items():
                source.linear(part, f"{place}{keys.parts[name]}", name == "qkv")
            for name, norm in layer.norms.items():
                source.norm(norm, f"{place}{keys.parts[name]}")
            bar.advance(1)


def output_rows(
    checkpoint: Checkpoint, names: Mapping[str, str], c: DecoderConfig, ids: list[int]
) -> NDArray[np.float32]:
    """Reads what logits of some tokens are products with, (tokens, hidden) float32.

    Args:
        checkpoint: The tensors.
        names: What `require_tensors` gave.
        c: The configuration.
        ids: The tokens.
    """
    keys = FAMILIES[c.model_type].keys
    name = names[f"{keys.tokens if c.tied else keys.head}.weight"]
    runs = _runs(np.array(ids)) if ids else ()
    rows = [checkpoint.read_rows(name, *run).astype(np.float32) for run in runs]
    return np.concatenate(rows) if rows else np.zeros((0, c.hidden_size), np.float32)


class _Source:
    """The tensors of a folder, as a decoder's variables take them."""

    def __init__(
        self, checkpoint: Checkpoint, names: Mapping[str, str], keys: Keys, c: DecoderConfig
    ) -> None:
        self.checkpoint, self.names, self.keys, self.c = checkpoint, names, keys, c

    def table(self, name: str, dtype: str) -> Array:
        """Reads a table, some rows at a time, in the type that it has in the decoder."""
        own = self.names[f"{name}.weight"]
        rows, width = self.checkpoint.shape(own)
        kind = "float32" if dtype == "bfloat16" else dtype  # numpy has none
        table = aligned_empty((rows, width), kind)
        for start, end in _chunks(rows, width):
            table[start:end] = self.checkpoint.read_rows(own, start, end)
        return table

    def norm(self, norm: Norm, name: str) -> None:
        norm.scale.assign(self.checkpoint.read(self.names[f"{name}.weight"]))
        if norm.bias is not None:
            norm.bias.assign(self.checkpoint.read(self.names[f"{name}.bias"]))

    def linear(self, part: FrozenLinear, name: str, fused: bool) -> None:
        order = head_order(self.c) if fused and self.keys.interleaved else None
        rows = self._rows(self.names[f"{name}.weight"], order)
        stored = quantize(rows, part.inputs, part.outputs, part.format)
        if not np.isfinite(stored.get("scale", 0)).all():
            what = (
                f"{name}.weight has values that are no numbers, or beyond what {part.format} holds"
            )
            step = "fetch the weights again; float32 loads them as they are"
            fault = Fault(what, str(self.checkpoint.folder), next_step=step, kind="no numbers")
            raise InputError(fault)
        bias = None
        if part.use_bias:
            bias = self.checkpoint.read(self.names[f"{name}.bias"])
            bias = bias if order is None else bias[order]
        part.fill(stored, bias)

    def _rows(self, name: str, order: NDArray[np.int64] | None) -> Rows:
        if self.keys.transposed:
            whole = self.checkpoint.read(name).T
            return lambda start, end: whole[start:end]
        if order is None:
            return lambda start, end: self.checkpoint.read_rows(name, start, end)
        return self._ordered_rows(name, order)

    def _ordered_rows(self, name: str, order: NDArray[np.int64]) -> Callable[[int, int], Array]:
        """Gives rows in another order, read as runs of rows that lie side by side."""

        def rows(start: int, end: int) -> Array:
            runs = _runs(order[start:end])
            return np.concatenate([self.checkpoint.read_rows(name, *run) for run in runs])

        return rows


def head_order(c: DecoderConfig) -> NDArray[np.int64]:
    """Says where each output of a fused projection is on disk, where heads lie side by side.

    gpt_neox has query, key and value of one head, then those of the next; here are all queries,
    then all keys, then all values.

    Args:
        c: The configuration.

    Returns:
        (3 × hidden,) the row on disk of each output here.
    """
    width = c.num_heads * c.head_dim
    places = np.arange(3 * width).reshape(c.num_heads, 3, c.head_dim)
    return places.transpose(1, 0, 2).reshape(-1)


def _runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Parts row numbers into runs: first, and one past the last."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    for run in np.split(rows, cuts):
        yield int(run[0]), int(run[-1]) + 1


def _chunks(rows: int, width: int, elements: int = 1 << 23) -> Iterator[tuple[int, int]]:
    step = max(1, elements // width)
    for start in range(0, rows, step):
        yield start, min(start + step, rows)
