"""RoBERTa and XLM-RoBERTa."""

from __future__ import annotations

import dataclasses

from relx.models.encoder.families.family import (
    NO_EMBEDDING_SIZE,
    EncoderConfig,
    Family,
    HeadKeys,
)

_HEAD = HeadKeys(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder", ("lm_head.",)
)


class RobertaConfig(EncoderConfig):
    """A RoBERTa (Liu et al. 2019, arXiv 1907.11692)."""

    model_type = "roberta"
    family = Family(
        "roberta.",
        "RobertaModel",
        "RobertaForMaskedLM",
        _HEAD,
        positions_after_padding=True,
        pad_token_id=1,
        head_activation="gelu",
        fixed=NO_EMBEDDING_SIZE,
        signs=("roberta.", "lm_head."),
    )


class XlmRobertaConfig(RobertaConfig):
    """An XLM-RoBERTa (Conneau et al. 2020, arXiv 1911.02116), whose files are RoBERTa's."""

    model_type = "xlm-roberta"
    family = dataclasses.replace(
        RobertaConfig.family, model="XLMRobertaModel", masked_lm="XLMRobertaForMaskedLM"
    )
