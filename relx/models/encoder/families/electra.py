"""ELECTRA."""

from __future__ import annotations

from relx.models.encoder.families.family import EncoderConfig, Family, HeadKeys

_HEAD = HeadKeys(
    "generator_predictions.dense",
    "generator_predictions.LayerNorm",
    "generator_lm_head.bias",
    "generator_lm_head",
    ("generator_predictions.", "generator_lm_head."),
)


class ElectraConfig(EncoderConfig):
    """An ELECTRA, generator or discriminator (Clark et al. 2020, arXiv 2003.10555)."""

    model_type = "electra"
    family = Family(
        "electra.",
        "ElectraModel",
        "ElectraForMaskedLM",
        _HEAD,
        head_activation="gelu",
        defaults={"embedding_size": 128},
        unused=(),
        announced=("discriminator_predictions.",),
        signs=("electra.", "generator_predictions.", "discriminator_predictions."),
    )
