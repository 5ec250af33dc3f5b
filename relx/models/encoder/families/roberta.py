"""RoBERTa and XLM-RoBERTa."""

from __future__ import annotations

from typing import Any

from relx.models.encoder.families.family import SQUARE, Family, HeadKeys

_ROBERTA_HEAD = HeadKeys(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder", ("lm_head.",)
)
_ROBERTA: dict[str, Any] = {
    "prefix": "roberta.",
    "head": _ROBERTA_HEAD,
    "positions_after_padding": True,
    "pad_token_id": 1,
    "head_activation": "gelu",
    "fixed": SQUARE,
    "signs": ("roberta.", "lm_head."),
}
ROBERTA = Family(model="RobertaModel", masked_lm="RobertaForMaskedLM", **_ROBERTA)
XLM_ROBERTA = Family(model="XLMRobertaModel", masked_lm="XLMRobertaForMaskedLM", **_ROBERTA)
