"""ALBERT, whose layers share weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relx.models.encoder.families.family import Complaint, EncoderConfig, Family, HeadKeys
from relx.models.encoder.rules import is_number

_HEAD = HeadKeys(
    "predictions.dense",
    "predictions.LayerNorm",
    "predictions.bias",
    "predictions.decoder",
    ("predictions.",),
)


def _albert_relations(
    settings: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[Complaint]:
    groups, layers = settings.get("num_hidden_groups", 1), settings.get("num_hidden_layers", 1)
    if is_number(groups, int, 1) and is_number(layers, int, 1) and groups > layers:
        what = "there are more groups than layers, and some would not be used"
        yield "num_hidden_groups", what, f"{groups} groups, {layers} layers"


@dataclass(frozen=True)
class AlbertConfig(EncoderConfig):
    """An ALBERT, whose layers share weights (Lan et al. 2019, arXiv 1909.11942).

    Args:
        num_hidden_groups: Groups of layers; the layers of a group share all weights.
        inner_group_num: Layers inside a group, with weights of their own.
    """

    model_type = "albert"
    family = Family(
        "albert.",
        "AlbertModel",
        "AlbertForMaskedLM",
        _HEAD,
        defaults={
            "embedding_size": 128,
            "hidden_act": "gelu_new",
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        relations=_albert_relations,
        unused=("pooler.", "sop_classifier."),
        signs=("albert.", "encoder.albert_layer_groups."),
    )

    num_hidden_groups: int = 1
    inner_group_num: int = 1

    @property
    def has_projection(self) -> bool:
        """A dense layer leads to the hidden states, even from embeddings of the same width."""
        return True

    @property
    def layer_sequence(self) -> tuple[int, ...]:
        """Each group is computed once for each of the layers that share it."""
        share = self.num_hidden_layers / self.num_hidden_groups
        groups = [int(layer / share) for layer in range(self.num_hidden_layers)]
        inner = self.inner_group_num
        return tuple(group * inner + i for group in groups for i in range(inner))
