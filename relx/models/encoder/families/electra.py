"""ELECTRA."""

from __future__ import annotations

from relx.models.encoder.families.family import Family, HeadKeys

_ELECTRA_HEAD = HeadKeys(
    "generator_predictions.dense",
    "generator_predictions.LayerNorm",
    "generator_lm_head.bias",
    "generator_lm_head",
    ("generator_predictions.", "generator_lm_head."),
)
ELECTRA = Family(
    "electra.",
    "ElectraModel",
    "ElectraForMaskedLM",
    _ELECTRA_HEAD,
    head_activation="gelu",
    defaults={"embedding_size": 128},
    unused=(),
    announced=("discriminator_predictions.",),
    signs=("electra.", "generator_predictions.", "discriminator_predictions."),
)
