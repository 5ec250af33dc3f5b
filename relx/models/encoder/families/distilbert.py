"""DistilBERT."""

from __future__ import annotations

from relx.models.encoder.families.family import SQUARE, Family, HeadKeys

_DISTILBERT_HEAD = HeadKeys(
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector.bias",
    "vocab_projector",
    ("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
)
DISTILBERT = Family(
    "distilbert.",
    "DistilBertModel",
    "DistilBertForMaskedLM",
    _DISTILBERT_HEAD,
    names={
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    },
    fixed=SQUARE | {"type_vocab_size": 0, "layer_norm_eps": 1e-12},
    unused=(),
    signs=("distilbert.", "vocab_transform.", "transformer.layer."),
)
