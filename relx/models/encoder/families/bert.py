"""BERT."""

from __future__ import annotations

from relx.models.encoder.families.family import SQUARE, Family, HeadKeys

BERT_HEAD = HeadKeys(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.bias",
    "cls.predictions.decoder",
    ("cls.predictions.",),
)
BERT = Family(
    "bert.",
    "BertModel",
    "BertForMaskedLM",
    BERT_HEAD,
    fixed=SQUARE,
    unused=("pooler.", "cls.seq_relationship."),
    signs=("bert.", "cls.predictions."),
)
