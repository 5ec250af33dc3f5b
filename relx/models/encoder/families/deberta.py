"""DeBERTa of versions 2 and 3."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relx.models.encoder.families.bert import BERT_HEAD
from relx.models.encoder.families.family import Complaint, EncoderConfig, Family, HeadKeys
from relx.models.encoder.rules import is_number, whole

_OWN_HEAD = HeadKeys(
    "lm_predictions.lm_head.dense",
    "lm_predictions.lm_head.LayerNorm",
    "lm_predictions.lm_head.bias",
    "lm_predictions.lm_head.decoder",
    ("lm_predictions.",),
)


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


@dataclass(frozen=True)
class DebertaConfig(EncoderConfig):
    """A DeBERTa of version 2 or 3 (He et al. 2020, arXiv 2006.03654; 2021, arXiv 2111.09543).

    Args:
        max_relative_positions: The distance from which all count as one; below 1 the longest text.
        position_buckets: Buckets of distances to one side; below 1 each distance is its own.
        pos_att_type: `c2p`, `p2c` or both: which of content and position attends to the other.
        share_att_key: Whether positions go through the projections of the content.
        norm_rel_ebd: `layer_norm` where the table of distances is normalised, or `none`.
        position_biased_input: Whether absolute positions are added to the tokens too.
        relative_attention: Always true; other checkpoints are refused.
        legacy: Whether the masked-LM head is BERT's, or the one DeBERTa was trained with.
    """

    model_type = "deberta-v2"
    family = Family(
        "deberta.",
        "DebertaV2Model",
        "DebertaV2ForMaskedLM",
        BERT_HEAD,
        defaults={"type_vocab_size": 0, "layer_norm_eps": 1e-7, "relative_attention": False},
        rules={"type_vocab_size": whole(0)},
        asks={
            "conv_kernel_size": (0, "the convolution beside the first layer is not supported"),
            "attention_head_size": (None, "heads of any other size are not supported"),
        },
        read=_read_deberta,
        relations=_deberta_relations,
        unused=("pooler.", "mask_predictions.", "embeddings.position_embeddings."),
        signs=("deberta.", "lm_predictions.", "encoder.rel_embeddings."),
    )

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
        """The distance from which all count as one."""
        given = self.max_relative_positions
        return given if given > 0 else self.max_position_embeddings

    @property
    def span(self) -> int:
        """Rows of the table of distances to one side."""
        return self.position_buckets if self.position_buckets > 0 else self.longest_distance

    @property
    def head_keys(self) -> HeadKeys:
        """The head is one of two."""
        return self.family.head if self.legacy else _OWN_HEAD

    def fitted(self, names: Iterable[str]) -> DebertaConfig:
        """Says which of its two heads a file holds: published config.json files are silent."""
        names = list(names)
        for legacy, keys in ((True, self.family.head), (False, _OWN_HEAD)):
            if any(name.startswith(keys.prefixes) for name in names):
                return dataclasses.replace(self, legacy=legacy)
        return self
