"""What an encoder is: the part of a Hugging Face config.json that decides what it computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relx.faults import Fault, InputError, nearest, shorten
from relx.files import read_json


@dataclass(frozen=True, slots=True)
class Family:
    """What the checkpoints of one `model_type` share.

    Args:
        prefix: What stands before an encoder's keys in a file that also holds a head.
        model: The transformers class of the encoder alone.
        masked_lm: The transformers class of the encoder with its masked-LM head.
        positions_after_padding: Whether positions count from the padding id + 1.
        pad_token_id: The padding id where config.json is silent.
        head_activation: The head's activation; None where it is the encoder's.
    """

    prefix: str
    model: str
    masked_lm: str
    positions_after_padding: bool = False
    pad_token_id: int = 0
    head_activation: str | None = None


FAMILIES = {
    "bert": Family("bert.", "BertModel", "BertForMaskedLM"),
    "roberta": Family("roberta.", "RobertaModel", "RobertaForMaskedLM", True, 1, "gelu"),
    "xlm-roberta": Family("roberta.", "XLMRobertaModel", "XLMRobertaForMaskedLM", True, 1, "gelu"),
}

# gelu is the exact one (erf); the others named gelu are its tanh approximation.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu")

_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder's sizes and settings, under the names that config.json uses.

    Args:
        model_type: `bert`, `roberta` or `xlm-roberta`.
        vocab_size: Rows of the token embedding.
        hidden_size: Width of the hidden states.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Attention heads a layer; they divide `hidden_size`.
        intermediate_size: Width of the feed-forward layers.
        max_position_embeddings: Rows of the position table on disk, unused ones included.
        type_vocab_size: Token types; a single one is folded into the positions.
        layer_norm_eps: Epsilon of every layer norm.
        hidden_act: Activation of the feed-forward layers.
        hidden_dropout_prob: Dropout rate everywhere; see `notes`.
        attention_probs_dropout_prob: The rate that config.json names for attention weights.
        initializer_range: Standard deviation of fresh weights.
        pad_token_id: The padding id, from which RoBERTa's positions count.
        tie_word_embeddings: Whether the masked-LM head projects with the token embedding.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    pad_token_id: int = 0
    tie_word_embeddings: bool = True

    @property
    def family(self) -> Family:
        """What the checkpoints of this `model_type` share."""
        return FAMILIES[self.model_type]

    @property
    def position_offset(self) -> int:
        """Rows at the top of the position table that no token uses."""
        return self.pad_token_id + 1 if self.family.positions_after_padding else 0

    @property
    def max_sequence_length(self) -> int:
        """The longest text, in tokens."""
        return self.max_position_embeddings - self.position_offset

    @property
    def num_segments(self) -> int:
        """Token types; with more than one the encoder takes `segment_ids`."""
        return self.type_vocab_size

    @property
    def head_activation(self) -> str:
        """The activation of the masked-LM head."""
        return self.family.head_activation or self.hidden_act

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as config.json holds them."""
        return dataclasses.asdict(self)

    def notes(self) -> list[str]:
        """Says what is done otherwise than config.json asks; computing hidden states is not."""
        hidden, attention = self.hidden_dropout_prob, self.attention_probs_dropout_prob
        if hidden == attention:
            return []
        return [
            f"config.json asks for dropout {hidden} on hidden states and {attention} on attention "
            f"weights; training uses {hidden} for both"
        ]


def read_configuration(folder: Path) -> EncoderConfig:
    """Reads the config.json of a Hugging Face folder.

    Args:
        folder: The folder.

    Returns:
        The configuration.

    Raises:
        InputError: There is no config.json, or it asks for what the encoder cannot do.
    """
    path = folder / "config.json"
    if not path.is_file():
        step = "name a folder written by transformers' save_pretrained, or by relx tapt"
        raise InputError(Fault("this folder has no config.json", str(folder), next_step=step))
    return configuration_from_dict(read_json(path), str(path))


def configuration_from_dict(values: Mapping[str, Any], where: str) -> EncoderConfig:
    """Builds a configuration from the content of a config.json.

    Args:
        values: The content.
        where: What messages call it.

    Returns:
        The configuration; keys that do not change what the encoder computes are passed over.

    Raises:
        InputError: Every value that the encoder cannot honour, at once.
    """
    model_type = str(values.get("model_type") or "")
    if model_type not in FAMILIES:
        raise InputError(_unknown_model_type(model_type, where))
    defaults: dict[str, Any] = {
        "model_type": model_type,
        "pad_token_id": FAMILIES[model_type].pad_token_id,
    }
    fields = dataclasses.fields(EncoderConfig)
    given = {f.name: values[f.name] for f in fields if values.get(f.name) is not None}
    settings = defaults | given
    required = [f.name for f in fields if f.default is dataclasses.MISSING]
    faults = [
        Fault("this key is required", f"{where}: {name}", kind="missing key")
        for name in required
        if name not in settings
    ]
    faults += [*_wrong_values(settings, where), *_unsupported(values, where)]
    if faults:
        raise InputError(*faults)
    return EncoderConfig(**settings)


def _unknown_model_type(model_type: str, where: str) -> Fault:
    what = "there is no encoder of this model_type here"
    guess = nearest(model_type, FAMILIES)
    step = f"did you mean {guess}?" if guess else "name a checkpoint of one of these"
    allowed = ", ".join(FAMILIES)
    return Fault(what, f"{where}: model_type", model_type, allowed, step, "unknown model_type")


def _wrong_values(settings: Mapping[str, Any], where: str) -> Iterator[Fault]:
    def wrong(name: str, allowed: str) -> Fault:
        what = "the encoder cannot be built with this value"
        return Fault(what, f"{where}: {name}", shorten(settings[name]), allowed, kind="value")

    for name in _SIZES:
        if name in settings and not _is_number(settings[name], int, 1):
            yield wrong(name, "a whole number from 1")
    if not _is_number(settings["pad_token_id"], int, 0):
        yield wrong("pad_token_id", "a whole number from 0")
    for name in ("layer_norm_eps", "initializer_range"):
        if name in settings and not _is_number(settings[name], (int, float), 0):
            yield wrong(name, "a number from 0")
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if name in settings and not (
            _is_number(settings[name], (int, float), 0) and settings[name] < 1
        ):
            yield wrong(name, "a number from 0 up to, not including, 1")
    if settings.get("hidden_act", "gelu") not in ACTIVATIONS:
        yield wrong("hidden_act", ", ".join(ACTIVATIONS))
    yield from _wrong_relations(settings, where)


def _is_number(value: Any, kind: type | tuple[type, ...], least: float) -> bool:
    of_kind = isinstance(value, kind) and not isinstance(value, bool)
    return of_kind and float(value) >= least


def _wrong_relations(settings: Mapping[str, Any], where: str) -> Iterator[Fault]:
    """Yields sizes that do not fit each other; wrong values by themselves are told elsewhere."""
    hidden, heads = settings.get("hidden_size", 0), settings.get("num_attention_heads", 0)
    if _is_number(hidden, int, 1) and _is_number(heads, int, 1) and hidden % heads:
        what = "the attention heads do not divide the hidden size"
        yield Fault(what, f"{where}: num_attention_heads", f"{heads} heads, hidden size {hidden}")
    family = FAMILIES[settings["model_type"]]
    if not family.positions_after_padding or "max_position_embeddings" not in settings:
        return
    positions, pad = settings["max_position_embeddings"], settings["pad_token_id"]
    if _is_number(positions, int, 1) and _is_number(pad, int, 0) and positions < pad + 2:
        what = "no position is left after the padding id"
        received = f"{positions} positions, pad_token_id {pad}"
        yield Fault(what, f"{where}: max_position_embeddings", received)


def _unsupported(values: Mapping[str, Any], where: str) -> Iterator[Fault]:
    """Yields what would change the computation in a way that this encoder does not have."""
    asks = {
        "position_embedding_type": ("absolute", "positions are absolute here"),
        "is_decoder": (False, "this is an encoder: every token sees every other"),
        "add_cross_attention": (False, "there is no cross-attention here"),
        "embedding_size": (values.get("hidden_size"), "embeddings have the hidden size here"),
        "pruned_heads": ({}, "every layer has all of its heads here"),
        "quantization_config": (None, "weights are floating-point numbers here"),
    }
    for name, (allowed, what) in asks.items():
        value = values.get(name)
        if value is not None and value != allowed:
            yield Fault(what, f"{where}: {name}", shorten(value), repr(allowed), kind="unsupported")
