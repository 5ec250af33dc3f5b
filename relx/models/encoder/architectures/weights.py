"""Which variable is which tensor of a Hugging Face file, and how one becomes the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from relx.faults import Fault, InputError
from relx.models.encoder.architectures.bert import Encoder, EncoderLayer, MaskedLMHead
from relx.models.encoder.families.family import FAMILIES, EncoderConfig
from relx.models.encoder.folder import Array, Checkpoint, listed

NEW_ROW_NOISE = 0.02

POSITIONS = "embeddings.position_embeddings.weight"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"

# Files of older versions hold these, which are no weights.
_BUFFERS = frozenset({"embeddings.position_ids", "embeddings.token_type_ids"})


@dataclass(frozen=True, slots=True)
class LayerKeys:
    """How a file names the weights of an encoder of BERT's build.

    Args:
        path: A layer, with `{index}`, or with `{group}` and `{inner}` where groups share weights.
        query: The query's projection, inside the layer; so the next ones.
        key: The key's.
        value: The value's.
        attention_output: The projection behind attention.
        attention_norm: The layer norm behind it.
        intermediate: The first layer of the feed-forward block.
        output: The second.
        output_norm: The layer norm behind it.
        projection: The dense layer from the embeddings to the hidden states.
    """

    path: str
    query: str
    key: str
    value: str
    attention_output: str
    attention_norm: str
    intermediate: str
    output: str
    output_norm: str
    projection: str = ""


BERT_KEYS = LayerKeys(
    "encoder.layer.{index}",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
    "embeddings_project",
)
DISTILBERT_KEYS = LayerKeys(
    "transformer.layer.{index}",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)
ALBERT_KEYS = LayerKeys(
    "encoder.albert_layer_groups.{group}.albert_layers.{inner}",
    "attention.query",
    "attention.key",
    "attention.value",
    "attention.dense",
    "attention.LayerNorm",
    "ffn",
    "ffn_output",
    "full_layer_layer_norm",
    "encoder.embedding_hidden_mapping_in",
)


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable and the tensors that it is made of.

    Args:
        variable: The Keras variable.
        keys: The tensors' names, without the family's prefix.
        shapes: The tensors' shapes on disk.
        read: Tensors to the variable's value.
        write: The variable's value to tensors.
    """

    variable: Any
    keys: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    read: Callable[..., Array]
    write: Callable[[Array], tuple[Array, ...]]


def encoder_weights(encoder: Encoder, rows: int, seed: int, keys: LayerKeys) -> list[Weight]:
    """Lists the weights of an encoder of BERT's build.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk; the encoder's may have more.
        seed: The seed of the noise on rows that the disk does not have.
        keys: How its family names them.

    Returns:
        Every variable of the encoder, once.
    """
    configuration = encoder.configuration
    weights = [
        vocabulary(encoder.token_embedding.embeddings, configuration.family.words, rows, seed),
        *position_weights(encoder),
        *layer_norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm"),
    ]
    if encoder.embeddings_projection is not None:
        weights += dense(encoder.embeddings_projection, keys.projection)
    inner = getattr(configuration, "inner_group_num", 1)
    for index, layer in enumerate(encoder.transformer_layers):
        path = keys.path.format(index=index, group=index // inner, inner=index % inner)
        weights += _layer_weights(layer, path, keys)
    return weights


def head_weights(
    head: MaskedLMHead, configuration: EncoderConfig, rows: int, seed: int
) -> list[Weight]:
    """Lists the weights of a masked-LM head; its projection is the encoder's token embedding.

    Args:
        head: The head.
        configuration: The encoder's configuration.
        rows: Rows of the vocabulary on disk; the head's may have more.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable that the head has besides the token embedding.
    """
    keys = configuration.head_keys
    weights = [*dense(head.dense, keys.dense), *layer_norm(head.layer_norm, keys.layer_norm)]
    if head.bias is not None:
        weights.append(vocabulary(head.bias, keys.bias, rows, seed))
    return weights


def canonical_names(names: Iterable[str], configuration: EncoderConfig) -> dict[str, str]:
    """Maps today's names without prefix to the names that a file uses.

    Args:
        names: The file's names.
        configuration: The encoder's configuration.

    Returns:
        For each canonical name, the file's. LayerNorm.gamma and .beta of old files are
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
            raise InputError(Fault("two tensors are one weight", received=received))
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
    return any(name.startswith(configuration.head_keys.prefixes) for name in names)


def left_out(names: Iterable[str], configuration: EncoderConfig) -> list[str]:
    """Names the tensors that no masked LM uses and whose absence is worth a note.

    Args:
        names: Canonical names.
        configuration: The encoder's configuration.

    Returns:
        The names, such as those of ELECTRA's discriminator.
    """
    return sorted(name for name in names if name.startswith(configuration.family.announced))


def fill(weights: Sequence[Weight], checkpoint: Checkpoint, configuration: EncoderConfig) -> None:
    """Assigns every weight from a checkpoint, after all of both sides is accounted for.

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
        with_head: Whether the file is one of an encoder with its head.

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
        with_head: Whether the file is one of an encoder with its head.

    Returns:
        Name to shape.
    """
    return {
        _file_name(key, configuration, with_head): shape
        for weight in weights
        for key, shape in zip(weight.keys, weight.shapes, strict=True)
    }


def _file_name(key: str, configuration: EncoderConfig, with_head: bool) -> str:
    """The encoder's names have a prefix where a head stands beside it."""
    bare = not with_head or key.startswith(configuration.head_keys.prefixes)
    return key if bare else configuration.family.prefix + key


def grown(table: Array, rows: int, seed: int) -> Array:
    """Adds rows to a table: the mean of its rows, with noise so that no two are alike.

    A vector, such as the head's bias, is a table of width one and gets the mean alone.

    Args:
        table: `(known rows, width)` or `(known rows,)`.
        rows: The rows wanted, at least as many as there are.
        seed: The seed of the noise, whose deviation is `NEW_ROW_NOISE` of the table's own.

    Returns:
        The table with the new rows at its end.
    """
    new = rows - table.shape[0]
    if not new:
        return table
    mean = table.mean(axis=0, dtype=np.float64)
    noise = np.random.default_rng(seed).standard_normal((new, *table.shape[1:]))
    deviation = NEW_ROW_NOISE * table.std() if table.ndim > 1 else 0.0
    return np.concatenate([table, (mean + deviation * noise).astype(np.float32)])


def plain(variable: Any, key: str) -> Weight:
    """A weight that lies on disk as it is here; a bias may be split into heads.

    Args:
        variable: The variable.
        key: The tensor's name.

    Returns:
        The weight.
    """
    shape = tuple(variable.shape)
    size = (int(np.prod(shape)),) if key.endswith(".bias") else shape
    return Weight(
        variable, (key,), (size,), lambda x: x.reshape(shape), lambda x: (x.reshape(size),)
    )


def vocabulary(variable: Any, key: str, rows: int, seed: int) -> Weight:
    """A weight with a row for each token; rows that the disk does not have are made.

    Args:
        variable: `(vocabulary, width)` or `(vocabulary,)`.
        key: The tensor's name.
        rows: Rows on disk.
        seed: See `grown`.

    Returns:
        The weight.
    """
    size = variable.shape[0]
    shape = (rows, *variable.shape[1:])
    return Weight(variable, (key,), (shape,), lambda x: grown(x, size, seed), lambda x: (x,))


def _kernel(variable: Any, key: str, inputs: int) -> Weight:
    """A matrix: (outputs, inputs) on disk, here inputs first and split into heads."""
    shape = tuple(variable.shape)
    width = int(np.prod(shape[:inputs]))
    disk = (int(np.prod(shape[inputs:])), width)
    return Weight(
        variable,
        (key,),
        (disk,),
        lambda x: x.T.reshape(shape),
        lambda x: (x.reshape(width, -1).T,),
    )


def dense(layer: Any, key: str, inputs: int = 1) -> list[Weight]:
    """The weights of a dense layer.

    Args:
        layer: A layer with a kernel such as `(in, out)`, `(in, heads, head size)` or `(heads, head
            size, out)`, and a bias or none.
        key: The layer's name on disk.
        inputs: How many of the kernel's axes are inputs.

    Returns:
        Kernel and bias.
    """
    kernel = _kernel(layer.kernel, f"{key}.weight", inputs)
    return [kernel] if layer.bias is None else [kernel, plain(layer.bias, f"{key}.bias")]


def layer_norm(layer: Any, key: str) -> list[Weight]:
    """The weights of a layer norm.

    Args:
        layer: The layer norm, with a bias or without.
        key: Its name on disk.

    Returns:
        Scale and bias.
    """
    scale = plain(layer.gamma, f"{key}.weight")
    return [scale] if layer.beta is None else [scale, plain(layer.beta, f"{key}.bias")]


def position_weights(encoder: Any) -> list[Weight]:
    """Positions and token types; a single type is the same for every token: part of its position.

    It must not go into the token table, which the masked-LM head projects with.

    Args:
        encoder: An encoder with absolute positions.

    Returns:
        The weights of the position table, and of the token types where there are several.
    """
    configuration = encoder.configuration
    offset = configuration.position_offset
    variable = encoder.position_embedding.position_embeddings
    length, width = variable.shape
    shape = (length + offset, width)
    unused = np.zeros((offset, width), np.float32)

    def write(positions: Array) -> Array:
        return np.concatenate([unused, positions])

    if configuration.type_vocab_size == 1:
        no_type = np.zeros((1, width), np.float32)
        return [
            Weight(
                variable,
                (POSITIONS, TOKEN_TYPES),
                (shape, (1, width)),
                lambda x, types: x[offset:] + types[0],
                lambda x: (write(x), no_type),
            )
        ]
    positions = Weight(
        variable, (POSITIONS,), (shape,), lambda x: x[offset:], lambda x: (write(x),)
    )
    types = encoder.segment_embedding
    return [positions] if types is None else [positions, plain(types.embeddings, TOKEN_TYPES)]


def _layer_weights(layer: EncoderLayer, path: str, keys: LayerKeys) -> list[Weight]:
    return [
        *dense(layer.query_dense, f"{path}.{keys.query}"),
        *dense(layer.key_dense, f"{path}.{keys.key}"),
        *dense(layer.value_dense, f"{path}.{keys.value}"),
        *dense(layer.attention_output_dense, f"{path}.{keys.attention_output}"),
        *layer_norm(layer.attention_layer_norm, f"{path}.{keys.attention_norm}"),
        *dense(layer.intermediate_dense, f"{path}.{keys.intermediate}"),
        *dense(layer.output_dense, f"{path}.{keys.output}"),
        *layer_norm(layer.output_layer_norm, f"{path}.{keys.output_norm}"),
    ]


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
        what = "the weights are of another architecture than config.json says"
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
    passed_over = family.unused + family.announced
    copies = {f"{head.decoder}.weight", f"{head.decoder}.bias"} - {head.bias}
    if f"{head.dense}.weight" not in used:
        passed_over += head.prefixes  # the head is not asked for
    left = [
        name
        for canonical, name in names.items()
        if canonical not in used | _BUFFERS | copies and not canonical.startswith(passed_over)
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
                what = f"{names[key]} has another shape than config.json says"
                yield Fault(what, "", str(received), str(shape), kind="shape")
            elif not checkpoint.is_float(names[key]):
                yield Fault(f"{names[key]} holds no floating-point numbers", kind="type")


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
