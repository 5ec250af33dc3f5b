"""BERT."""

from __future__ import annotations

from relx.models.encoder.families.family import (
    NO_EMBEDDING_SIZE,
    EncoderConfig,
    Family,
    HeadKeys,
)

BERT_HEAD = HeadKeys(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.bias",
    "cls.predictions.decoder",
    ("cls.predictions.",),
)


class BertConfig(EncoderConfig):
    """A BERT (Devlin et al. 2018, arXiv 1810.04805)."""

    model_type = "bert"
    family = Family(
        "bert.",
        "BertModel",
        "BertForMaskedLM",
        BERT_HEAD,
        fixed=NO_EMBEDDING_SIZE,
        unused=("pooler.", "cls.seq_relationship."),
        signs=("bert.", "cls.predictions."),
    )
