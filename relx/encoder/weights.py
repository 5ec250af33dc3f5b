"""Which variable is which tensor of a Hugging Face file, and how one becomes the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from relx.encoder.architecture import Encoder, MaskedLMHead
from relx.encoder.configuration import EncoderConfig
from relx.encoder.folder import Array, Checkpoint, listed
from relx.faults import Fault, InputError

NEW_ROW_NOISE = 0.02

WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


@dataclass(frozen=True, slots=True)
class HeadKeys:
    """Where a family keeps its masked-LM head."""

    dense: str
    layer_norm: str
    bias: str
    decoder: str


_BERT_HEAD = HeadKeys(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.bias",
    "cls.predictions.decoder",
)
_ROBERTA_HEAD = HeadKeys("lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder")
HEADS = {"bert": _BERT_HEAD, "roberta": _ROBERTA_HEAD, "xlm-roberta": _ROBERTA_HEAD}

# What a file may hold besides, and no masked LM uses: the pooler, next-sentence scores, buffers.
UNUSED = frozenset(
    {
        "pooler.dense.weight",
        "pooler.dense.bias",
        "cls.seq_relationship.weight",
        "cls.seq_relationship.bias",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    }
)

# By these a file shows what it is, whatever config.json says.
_SIGNS = {
    "bert.": "bert",
    "cls.predictions.": "bert",
    "roberta.": "roberta",
    "lm_head.": "roberta",
    "electra.": "electra",
    "distilbert.": "distilbert",
    "deberta.": "deberta-v2",
    "albert.": "albert",
}


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


def encoder_weights(encoder: Encoder, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of an encoder.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk; the encoder's may have more.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable of the encoder, once.
    """
    weights = [
        _vocabulary(encoder.token_embedding.embeddings, WORDS, rows, seed),
        *_position_weights(encoder),
        *_layer_norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm"),
    ]
    for index, layer in enumerate(encoder.transformer_layers):
        weights += _layer_weights(layer, f"encoder.layer.{index}")
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
    keys = HEADS[configuration.model_type]
    return [
        *_dense(head.dense, keys.dense),
        *_layer_norm(head.layer_norm, keys.layer_norm),
        _vocabulary(head.bias, keys.bias, rows, seed),
    ]


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
    decoder_bias, bias = _decoder_bias(configuration)
    if bias not in found and decoder_bias in found:
        found[bias] = found.pop(decoder_bias)
    return found


def has_head(names: Iterable[str], configuration: EncoderConfig) -> bool:
    """Says whether canonical names include a masked-LM head's.

    Args:
        names: Canonical names.
        configuration: The encoder's configuration.

    Returns:
        True where any weight of the head is there.
    """
    return any(name.startswith(_head_prefix(configuration)) for name in names)


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


def tensors_of(weights: Sequence[Weight], prefix: str) -> dict[str, Array]:
    """Returns the tensors that a Hugging Face file holds.

    Args:
        weights: The weights of the encoder, and of its head where there is one.
        prefix: What stands before the encoder's names.

    Returns:
        Name to tensor, float32.
    """
    tensors = {}
    for weight in weights:
        value = np.asarray(ops.convert_to_numpy(weight.variable), np.float32)
        for key, tensor in zip(weight.keys, weight.write(value), strict=True):
            inside = key.startswith(("embeddings.", "encoder."))
            tensors[prefix + key if inside else key] = tensor
    return tensors


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


def _plain(variable: Any, key: str) -> Weight:
    shape = tuple(variable.shape)
    size = (int(np.prod(shape)),) if key.endswith(".bias") else shape
    return Weight(
        variable, (key,), (size,), lambda x: x.reshape(shape), lambda x: (x.reshape(size),)
    )


def _vocabulary(variable: Any, key: str, rows: int, seed: int) -> Weight:
    """A weight with a row for each token; rows that the disk does not have are made."""
    size = variable.shape[0]
    shape = (rows, *variable.shape[1:])
    return Weight(variable, (key,), (shape,), lambda x: grown(x, size, seed), lambda x: (x,))


def _kernel(variable: Any, key: str, inputs: int = 1) -> Weight:
    """A matrix: (outputs, inputs) on disk, here inputs first and split into heads.

    Args:
        variable: `(in, out)`, `(in, heads, head size)` or `(heads, head size, out)`.
        key: The tensor's name.
        inputs: How many of the variable's axes are inputs.
    """
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


def _dense(layer: Any, key: str, inputs: int = 1) -> list[Weight]:
    kernel = _kernel(layer.kernel, f"{key}.weight", inputs)
    return [kernel, _plain(layer.bias, f"{key}.bias")]


def _layer_norm(layer: Any, key: str) -> list[Weight]:
    return [_plain(layer.gamma, f"{key}.weight"), _plain(layer.beta, f"{key}.bias")]


def _position_weights(encoder: Encoder) -> list[Weight]:
    """Positions and token types; a single type is the same for every token: part of its position.

    It must not go into the token table, which the masked-LM head projects with.
    """
    offset = encoder.configuration.position_offset
    variable = encoder.position_embedding.position_embeddings
    length, width = variable.shape
    unused = np.zeros((offset, width), np.float32)

    def write(positions: Array) -> Array:
        return np.concatenate([unused, positions])

    if encoder.segment_embedding is not None:
        shape = (length + offset, width)
        positions = Weight(
            variable, (POSITIONS,), (shape,), lambda x: x[offset:], lambda x: (write(x),)
        )
        return [positions, _plain(encoder.segment_embedding.embeddings, TOKEN_TYPES)]
    return [
        Weight(
            variable,
            (POSITIONS, TOKEN_TYPES),
            ((length + offset, width), (1, width)),
            lambda x, types: x[offset:] + types[0],
            lambda x: (write(x), np.zeros((1, width), np.float32)),
        )
    ]


def _layer_weights(layer: Any, key: str) -> list[Weight]:
    attention = layer._self_attention_layer
    return [
        *_dense(attention.query_dense, f"{key}.attention.self.query"),
        *_dense(attention.key_dense, f"{key}.attention.self.key"),
        *_dense(attention.value_dense, f"{key}.attention.self.value"),
        *_dense(attention.output_dense, f"{key}.attention.output.dense", inputs=2),
        *_layer_norm(layer._self_attention_layer_norm, f"{key}.attention.output.LayerNorm"),
        *_dense(layer._feedforward_intermediate_dense, f"{key}.intermediate.dense"),
        *_dense(layer._feedforward_output_dense, f"{key}.output.dense"),
        *_layer_norm(layer._feedforward_layer_norm, f"{key}.output.LayerNorm"),
    ]


def _head_prefix(configuration: EncoderConfig) -> str:
    return "cls.predictions." if configuration.model_type == "bert" else "lm_head."


def _decoder_bias(configuration: EncoderConfig) -> tuple[str, str]:
    keys = HEADS[configuration.model_type]
    return f"{keys.decoder}.bias", keys.bias


def _another_family(names: Iterable[str], configuration: EncoderConfig) -> Iterator[Fault]:
    """A RoBERTa file under a BERT configuration would leave the encoder random."""
    signs = {sign for sign in _SIGNS if any(name.startswith(sign) for name in names)}
    kinds = {_SIGNS[sign] for sign in signs}
    own = {_SIGNS[configuration.family.prefix]}
    if kinds and not kinds & own:
        what = "the weights are of another architecture than config.json says"
        received = f"weights of {', '.join(sorted(kinds))}; model_type {configuration.model_type}"
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
    used = {key for weight in weights for key in weight.keys}
    head = _head_prefix(configuration)
    left = [
        name
        for canonical, name in names.items()
        if canonical not in used | UNUSED and not canonical.startswith(head)
    ]
    keys = HEADS[configuration.model_type]
    known = {key for key in names if key.startswith(head)} - used
    if keys.bias in used:
        left += sorted(known - {f"{keys.decoder}.weight", f"{keys.decoder}.bias"})
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
    keys = HEADS[configuration.model_type]
    if not any(keys.bias in weight.keys for weight in weights):
        return
    copies = {f"{keys.decoder}.weight": WORDS, f"{keys.decoder}.bias": keys.bias}
    untied = [
        names[copy]
        for copy, original in copies.items()
        if copy in names
        and original in names
        and not np.array_equal(checkpoint.read(names[copy]), checkpoint.read(names[original]))
    ]
    if untied or not configuration.tie_word_embeddings:
        what = "this masked-LM head is not tied to the token embedding; only tied heads can be used"
        received = listed(untied) or "tie_word_embeddings: false"
        yield Fault(what, "", received, kind="untied head")
