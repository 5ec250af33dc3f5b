"""The families by `model_type`."""

from __future__ import annotations

from collections.abc import Mapping

from relx.models.encoder.families.albert import ALBERT
from relx.models.encoder.families.bert import BERT
from relx.models.encoder.families.deberta import DEBERTA_V2
from relx.models.encoder.families.distilbert import DISTILBERT
from relx.models.encoder.families.electra import ELECTRA
from relx.models.encoder.families.family import Family
from relx.models.encoder.families.modernbert import MODERNBERT
from relx.models.encoder.families.roberta import ROBERTA, XLM_ROBERTA

FAMILIES: Mapping[str, Family] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": XLM_ROBERTA,
    "electra": ELECTRA,
    "distilbert": DISTILBERT,
    "albert": ALBERT,
    "deberta-v2": DEBERTA_V2,
    "modernbert": MODERNBERT,
}
