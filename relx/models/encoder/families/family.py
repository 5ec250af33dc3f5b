"""The families of encoders: what a config.json holds for each, and how its files name things.

Nothing here loads a deep-learning framework; what the families compute is in `build`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from relx.models.encoder.rules import Rule, is_number, whole

# A complaint about several values together: the key to look at, what is wrong, what was received.
Complaint = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class HeadKeys:
    """Where a file keeps a masked-LM head.

    Args:
        dense: The dense layer.
        layer_norm: The layer norm.
        bias: The bias of the projection.
        decoder: The projection, which a file may hold a copy of; it is tied to the token table.
        prefixes: What the names of a head begin with, and no others.
    """

    dense: str
    layer_norm: str
    bias: str
    decoder: str
    prefixes: tuple[str, ...]


_BERT_HEAD = HeadKeys(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.bias",
    "cls.predictions.decoder",
    ("cls.predictions.",),
)
_ROBERTA_HEAD = HeadKeys(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder", ("lm_head.",)
)
_ELECTRA_HEAD = HeadKeys(
    "generator_predictions.dense",
    "generator_predictions.LayerNorm",
    "generator_lm_head.bias",
    "generator_lm_head",
    ("generator_predictions.", "generator_lm_head."),
)
_DISTILBERT_HEAD = HeadKeys(
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector.bias",
    "vocab_projector",
    ("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
)
_ALBERT_HEAD = HeadKeys(
    "predictions.dense",
    "predictions.LayerNorm",
    "predictions.bias",
    "predictions.decoder",
    ("predictions.",),
)
_DEBERTA_HEAD = HeadKeys(
    "lm_predictions.lm_head.dense",
    "lm_predictions.lm_head.LayerNorm",
    "lm_predictions.lm_head.bias",
    "lm_predictions.lm_head.decoder",
    ("lm_predictions.",),
)
_MODERNBERT_HEAD = HeadKeys(
    "head.dense", "head.norm", "decoder.bias", "decoder", ("head.", "decoder.")
)


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder's sizes and settings, under the names that BERT's config.json uses.

    Args:
        model_type: One of `FAMILIES`.
        vocab_size: Rows of the token embedding.
        hidden_size: Width of the hidden states.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Attention heads a layer; they divide `hidden_size`.
        intermediate_size: Width of the feed-forward layers.
        max_position_embeddings: Rows of the position table on disk, unused ones included.
        type_vocab_size: Token types; a single one is folded into the positions.
        layer_norm_eps: Epsilon of every layer norm.
        hidden_act: Activation of the feed-forward layers.
        hidden_dropout_prob: Dropout rate on hidden states.
        attention_probs_dropout_prob: Dropout rate on attention weights.
        initializer_range: Standard deviation of fresh weights.
        pad_token_id: The padding id, from which RoBERTa's positions count.
        tie_word_embeddings: Whether the masked-LM head projects with the token embedding.
        embedding_size: Width of the embeddings; None where it is the hidden states'.
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
    embedding_size: int | None = None

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
        return max(1, self.type_vocab_size)

    @property
    def embedding_width(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    @property
    def has_projection(self) -> bool:
        """Whether a dense layer leads from the embeddings to the hidden states."""
        return self.embedding_width != self.hidden_size

    @property
    def layer_sequence(self) -> tuple[int, ...]:
        """Which layer's weights are used at each step from the embeddings to the last states."""
        return tuple(range(self.num_hidden_layers))

    @property
    def head_keys(self) -> HeadKeys:
        """Where a file keeps the masked-LM head."""
        return self.family.head

    @property
    def head_settings(self) -> dict[str, Any]:
        """What the masked-LM head is built with, as `MaskedLMHead` names it."""
        activation = self.family.head_activation or self.hidden_act
        return {"activation": activation, "layer_norm_epsilon": self.layer_norm_eps}

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings, each under its name here."""
        return dataclasses.asdict(self)

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as this family's config.json holds them."""
        return {
            self.family.names.get(name, name): value
            for name, value in self.to_dict().items()
            if name not in self.family.fixed and value is not None
        }

    def fitted(self, names: Iterable[str]) -> EncoderConfig:
        """Returns the configuration that fits a file where config.json leaves a choice.

        Args:
            names: The names of the file's tensors.

        Returns:
            This configuration, or one that says what the file holds.
        """
        return self


@dataclass(frozen=True)
class AlbertConfig(EncoderConfig):
    """An ALBERT, whose layers share weights (Lan et al. 2019, arXiv 1909.11942).

    Args:
        num_hidden_groups: Groups of layers; the layers of a group share all weights.
        inner_group_num: Layers inside a group, with weights of their own.
    """

    num_hidden_groups: int = 1
    inner_group_num: int = 1

    @property
    def has_projection(self) -> bool:
        """A dense layer leads to the hidden states, even from embeddings of the same width."""
        return True

    @property
    def layer_sequence(self) -> tuple[int, ...]:
        """Each group is gone through as often as it has layers to stand for."""
        share = self.num_hidden_layers / self.num_hidden_groups
        groups = [int(layer / share) for layer in range(self.num_hidden_layers)]
        inner = self.inner_group_num
        return tuple(group * inner + i for group in groups for i in range(inner))


@dataclass(frozen=True)
class DebertaConfig(EncoderConfig):
    """A DeBERTa of version 2 or 3 (He et al. 2020, arXiv 2006.03654; 2021, arXiv 2111.09543).

    Args:
        max_relative_positions: The largest distance told apart; below 1 the longest text.
        position_buckets: Buckets of distances to one side; below 1 each distance is its own.
        pos_att_type: `c2p`, `p2c` or both: which of content and position attends to the other.
        share_att_key: Whether positions go through the projections of the content.
        norm_rel_ebd: `layer_norm` where the table of distances is normalised, or `none`.
        position_biased_input: Whether absolute positions are added to the tokens too.
        relative_attention: True; others are refused.
        legacy: Whether the masked-LM head is BERT's, or the one DeBERTa was trained with.
    """

    max_relative_positions: int = -1
    position_buckets: int = -1
    pos_att_type: tuple[str, ...] = ()
    share_att_key: bool = False
    norm_rel_ebd: str = "none"
    position_biased_input: bool = True
    relative_attention: bool = True
    legacy: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "pos_att_type", tuple(self.pos_att_type))

    @property
    def longest_distance(self) -> int:
        """The distance from which all are alike."""
        given = self.max_relative_positions
        return given if given > 0 else self.max_position_embeddings

    @property
    def span(self) -> int:
        """Rows of the table of distances to one side."""
        return self.position_buckets if self.position_buckets > 0 else self.longest_distance

    @property
    def head_keys(self) -> HeadKeys:
        """The head is one of two."""
        return self.family.head if self.legacy else _DEBERTA_HEAD

    def fitted(self, names: Iterable[str]) -> DebertaConfig:
        """Says which of its two heads a file holds: published config.json files are silent."""
        names = list(names)
        for legacy, keys in ((True, self.family.head), (False, _DEBERTA_HEAD)):
            if any(name.startswith(keys.prefixes) for name in names):
                return dataclasses.replace(self, legacy=legacy)
        return self


@dataclass(frozen=True)
class ModernBertConfig(EncoderConfig):
    """A ModernBERT (Warner et al. 2024, arXiv 2412.13663).

    Args:
        layer_types: For each layer `full_attention` or `sliding_attention`.
        local_attention: The window of sliding attention, both sides together.
        global_rope_theta: The base of the rotations in layers of full attention.
        local_rope_theta: The same in layers of sliding attention.
        embedding_dropout: Dropout rate on the embeddings.
        mlp_dropout: Dropout rate inside the feed-forward layers.
        norm_bias: Whether layer norms have a bias.
        attention_bias: Whether the projections of attention have one.
        mlp_bias: Whether the feed-forward layers have one.
        classifier_bias: Whether the head's dense layer has one.
        decoder_bias: Whether the head's projection has one.
        classifier_activation: The head's activation.
    """

    layer_types: tuple[str, ...] = ()
    local_attention: int = 128
    global_rope_theta: float = 160_000.0
    local_rope_theta: float = 10_000.0
    embedding_dropout: float = 0.0
    mlp_dropout: float = 0.0
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    classifier_bias: bool = False
    decoder_bias: bool = True
    classifier_activation: str = "gelu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layer_types", tuple(self.layer_types))

    @property
    def head_settings(self) -> dict[str, Any]:
        """The head may do without some biases."""
        return {
            "activation": self.classifier_activation,
            "layer_norm_epsilon": self.layer_norm_eps,
            "dense_bias": self.classifier_bias,
            "norm_bias": self.norm_bias,
            "output_bias": self.decoder_bias,
        }

    def rope_theta(self, layer: int) -> float:
        """Returns the base of a layer's rotations.

        Args:
            layer: The layer's number.
        """
        return self.local_rope_theta if self.is_local(layer) else self.global_rope_theta

    def is_local(self, layer: int) -> bool:
        """Says whether a layer's tokens see their neighbours only.

        Args:
            layer: The layer's number.
        """
        return self.layer_types[layer] == "sliding_attention"

    def to_json(self) -> dict[str, Any]:
        """Adds what transformers 5 reads; the bases above are what transformers 4 reads."""
        ropes = {
            "full_attention": self.global_rope_theta,
            "sliding_attention": self.local_rope_theta,
        }
        return super().to_json() | {
            "rope_parameters": {
                kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in ropes.items()
            },
            **_every_n_layers(self.layer_types),
        }


def _every_n_layers(layer_types: tuple[str, ...]) -> dict[str, int]:
    """Returns the rhythm of global layers, which transformers 4 reads, where there is one."""
    for every in range(1, len(layer_types) + 1):
        if _alternating(len(layer_types), every) == layer_types:
            return {"global_attn_every_n_layers": every}
    return {}


def _alternating(layers: int, every: int) -> tuple[str, ...]:
    return tuple("sliding_attention" if i % every else "full_attention" for i in range(layers))


@dataclass(frozen=True, slots=True)
class Family:
    """What the checkpoints of one `model_type` share.

    Args:
        prefix: What stands before an encoder's keys in a file that also holds a head.
        model: The transformers class of the encoder alone.
        masked_lm: The transformers class of the encoder with its masked-LM head.
        head: Where a file keeps the masked-LM head.
        positions_after_padding: Whether positions count from the padding id + 1.
        pad_token_id: The padding id where config.json is silent.
        head_activation: The head's activation; None where it is the encoder's.
        configuration: The class of the configuration.
        names: Names of settings here to those that config.json uses.
        fixed: Settings that config.json does not hold, with their values.
        defaults: Other settings where config.json is silent, as transformers has them.
        rules: Rules that differ from `RULES`.
        asks: Keys that must be absent or have one value, with the reason.
        read: Settings that config.json spells in a way of its own.
        relations: Says which settings, or config.json's own values, do not fit each other.
        token_ids: The special tokens whose ids config.json holds besides the padding.
        words: The token table.
        unused: What names of tensors begin with that no masked LM uses.
        announced: The same, worth a note.
        signs: What names begin with by which a file shows that it is of this family; the first is
            of this family alone, the rest tell where no file has a first one.
    """

    prefix: str
    model: str
    masked_lm: str
    head: HeadKeys
    positions_after_padding: bool = False
    pad_token_id: int = 0
    head_activation: str | None = None
    configuration: type[EncoderConfig] = EncoderConfig
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    asks: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    read: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda values: {}
    relations: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Complaint]] = (
        lambda settings, values: iter(())
    )
    token_ids: tuple[str, ...] = ("bos", "eos")
    words: str = "embeddings.word_embeddings.weight"
    unused: tuple[str, ...] = ("pooler.",)
    announced: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()


def _read_deberta(values: Mapping[str, Any]) -> dict[str, Any]:
    """pos_att_type is a list or a text with bars; norm_rel_ebd a text with bars."""
    attend, norm = values.get("pos_att_type"), values.get("norm_rel_ebd")
    if isinstance(attend, str):
        attend = [part.strip() for part in attend.lower().split("|")]
    settings: dict[str, Any] = {"pos_att_type": tuple(attend) if isinstance(attend, list) else ()}
    if isinstance(norm, str):
        parts = {part.strip() for part in norm.lower().split("|")} - {"none"}
        settings["norm_rel_ebd"] = "|".join(sorted(parts)) or "none"
    return settings


def _deberta_relations(
    settings: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Complaint]:
    types, biased = settings.get("type_vocab_size"), settings.get("position_biased_input")
    if types == 1 and biased is False:
        what = "a single token type needs absolute positions to be folded into"
        yield "type_vocab_size", what, "1 with position_biased_input: false"
    size = settings.get("embedding_size")
    if size not in (None, settings.get("hidden_size")) and settings.get("legacy") is False:
        what = "this masked-LM head needs embeddings of the hidden size"
        yield "legacy", what, f"false with embedding_size {size}"
    buckets, longest = (
        settings.get("position_buckets", 0),
        settings.get("max_relative_positions", 0),
    )
    if not is_number(buckets, int, 1) or not is_number(longest, int, -1):
        return
    longest = longest if longest > 0 else settings.get("max_position_embeddings", 0)
    if buckets < 4 or (is_number(longest, int, 1) and longest < buckets // 2 + 2):
        what = "the buckets do not fit the distances"
        yield "position_buckets", what, f"{buckets} for distances up to {longest}"


_ROPES = "only rotations of the default kind are built here"


def _read_modernbert(values: Mapping[str, Any]) -> dict[str, Any]:
    """Layers and rotations are spelled in one way by transformers 4 and in another by 5."""
    settings: dict[str, Any] = {}
    layers, every = values.get("num_hidden_layers", 0), values.get("global_attn_every_n_layers", 3)
    if isinstance(values.get("layer_types"), list):
        settings["layer_types"] = tuple(values["layer_types"])
    elif is_number(layers, int, 1) and is_number(every, int, 1):
        settings["layer_types"] = _alternating(layers, every)
    ropes = values.get("rope_parameters")
    for kind, name in (
        ("full_attention", "global_rope_theta"),
        ("sliding_attention", "local_rope_theta"),
    ):
        rope = ropes.get(kind) if isinstance(ropes, dict) else None
        if isinstance(rope, dict) and rope.get("rope_theta") is not None:
            settings[name] = rope["rope_theta"]
    return settings


def _modernbert_relations(
    settings: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Complaint]:
    hidden, heads = settings.get("hidden_size", 0), settings.get("num_attention_heads", 0)
    if is_number(hidden, int, 1) and is_number(heads, int, 1) and hidden // heads % 2:
        what = "rotations need an even head size"
        yield "num_attention_heads", what, f"a head size of {hidden // heads}"
    layers, types = settings.get("num_hidden_layers"), settings.get("layer_types")
    if isinstance(types, tuple) and len(types) != layers:
        yield "layer_types", "each layer needs one type", f"{len(types)} for {layers} layers"
    ropes = values.get("rope_parameters")
    ropes = ropes if isinstance(ropes, dict) else {}
    others = {
        rope.get("rope_type", "default") for rope in ropes.values() if isinstance(rope, dict)
    } - {"default"}
    if others:
        yield "rope_parameters", _ROPES, ", ".join(sorted(map(str, others)))


def _albert_relations(
    settings: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Complaint]:
    groups, layers = settings.get("num_hidden_groups", 1), settings.get("num_hidden_layers", 1)
    if is_number(groups, int, 1) and is_number(layers, int, 1) and groups > layers:
        what = "there are more groups than layers, and some would not be used"
        yield "num_hidden_groups", what, f"{groups} groups, {layers} layers"


_SQUARE = {"embedding_size": None}
_ROBERTA: dict[str, Any] = {
    "prefix": "roberta.",
    "head": _ROBERTA_HEAD,
    "positions_after_padding": True,
    "pad_token_id": 1,
    "head_activation": "gelu",
    "fixed": _SQUARE,
    "signs": ("roberta.", "lm_head."),
}
FAMILIES: Mapping[str, Family] = {
    "bert": Family(
        "bert.",
        "BertModel",
        "BertForMaskedLM",
        _BERT_HEAD,
        fixed=_SQUARE,
        unused=("pooler.", "cls.seq_relationship."),
        signs=("bert.", "cls.predictions."),
    ),
    "roberta": Family(model="RobertaModel", masked_lm="RobertaForMaskedLM", **_ROBERTA),
    "xlm-roberta": Family(model="XLMRobertaModel", masked_lm="XLMRobertaForMaskedLM", **_ROBERTA),
    "electra": Family(
        "electra.",
        "ElectraModel",
        "ElectraForMaskedLM",
        _ELECTRA_HEAD,
        head_activation="gelu",
        defaults={"embedding_size": 128},
        unused=(),
        announced=("discriminator_predictions.",),
        signs=("electra.", "generator_predictions.", "discriminator_predictions."),
    ),
    "distilbert": Family(
        "distilbert.",
        "DistilBertModel",
        "DistilBertForMaskedLM",
        _DISTILBERT_HEAD,
        names={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        fixed=_SQUARE | {"type_vocab_size": 0, "layer_norm_eps": 1e-12},
        unused=(),
        signs=("distilbert.", "vocab_transform.", "transformer.layer."),
    ),
    "albert": Family(
        "albert.",
        "AlbertModel",
        "AlbertForMaskedLM",
        _ALBERT_HEAD,
        configuration=AlbertConfig,
        defaults={
            "embedding_size": 128,
            "hidden_act": "gelu_new",
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        relations=_albert_relations,
        unused=("pooler.", "sop_classifier."),
        signs=("albert.", "encoder.albert_layer_groups."),
    ),
    "deberta-v2": Family(
        "deberta.",
        "DebertaV2Model",
        "DebertaV2ForMaskedLM",
        _BERT_HEAD,
        configuration=DebertaConfig,
        defaults={"type_vocab_size": 0, "layer_norm_eps": 1e-7, "relative_attention": False},
        rules={"type_vocab_size": whole(0)},
        asks={
            "conv_kernel_size": (0, "there is no convolution beside the first layer here"),
            "attention_head_size": (None, "heads share the hidden size evenly here"),
        },
        read=_read_deberta,
        relations=_deberta_relations,
        unused=("pooler.", "mask_predictions.", "embeddings.position_embeddings."),
        signs=("deberta.", "lm_predictions.", "encoder.rel_embeddings."),
    ),
    "modernbert": Family(
        "model.",
        "ModernBertModel",
        "ModernBertForMaskedLM",
        _MODERNBERT_HEAD,
        pad_token_id=50283,
        configuration=ModernBertConfig,
        names={
            "hidden_act": "hidden_activation",
            "layer_norm_eps": "norm_eps",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        fixed=_SQUARE | {"type_vocab_size": 0, "hidden_dropout_prob": 0.0},
        defaults={"layer_norm_eps": 1e-5, "attention_probs_dropout_prob": 0.0},
        asks={"rope_scaling": (None, _ROPES)},
        read=_read_modernbert,
        relations=_modernbert_relations,
        token_ids=("bos", "eos", "cls", "sep"),
        words="embeddings.tok_embeddings.weight",
        unused=(),
        signs=("model.embeddings.tok_embeddings.", "embeddings.tok_embeddings."),
    ),
}
