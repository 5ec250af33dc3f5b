"""ModernBERT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relx.models.encoder.families.family import (
    NO_EMBEDDING_SIZE,
    Complaint,
    EncoderConfig,
    Family,
    HeadKeys,
)
from relx.models.encoder.rules import is_number

_HEAD = HeadKeys("head.dense", "head.norm", "decoder.bias", "decoder", ("head.", "decoder."))


def _every_n_layers(layer_types: tuple[str, ...]) -> dict[str, int]:
    """Returns the rhythm of global layers, which transformers 4 reads, where there is one."""
    for every in range(1, len(layer_types) + 1):
        if _alternating(len(layer_types), every) == layer_types:
            return {"global_attn_every_n_layers": every}
    return {}


def _alternating(layers: int, every: int) -> tuple[str, ...]:
    return tuple("sliding_attention" if i % every else "full_attention" for i in range(layers))


_ROPES = "only rotations of the default type are supported"


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

    model_type = "modernbert"
    family = Family(
        "model.",
        "ModernBertModel",
        "ModernBertForMaskedLM",
        _HEAD,
        pad_token_id=50283,
        names={
            "hidden_act": "hidden_activation",
            "layer_norm_eps": "norm_eps",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        fixed=NO_EMBEDDING_SIZE | {"type_vocab_size": 0, "hidden_dropout_prob": 0.0},
        defaults={"layer_norm_eps": 1e-5, "attention_probs_dropout_prob": 0.0},
        asks={"rope_scaling": (None, _ROPES)},
        read=_read_modernbert,
        relations=_modernbert_relations,
        token_ids=("bos", "eos", "cls", "sep"),
        words="embeddings.tok_embeddings.weight",
        unused=(),
        signs=("model.embeddings.tok_embeddings.", "embeddings.tok_embeddings."),
    )

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
