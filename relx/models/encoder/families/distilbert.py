"""DistilBERT."""

from __future__ import annotations

from relx.models.encoder.families.family import (
    NO_EMBEDDING_SIZE,
    EncoderConfig,
    Family,
    HeadKeys,
)

_HEAD = HeadKeys(
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector.bias",
    "vocab_projector",
    ("vocab_transform.", "vocab_layer_norm.", "vocab_projector."),
)


class DistilBertConfig(EncoderConfig):
    """A DistilBERT (Sanh et al. 2019, arXiv 1910.01108)."""

    model_type = "distilbert"
    family = Family(
        "distilbert.",
        "DistilBertModel",
        "DistilBertForMaskedLM",
        _HEAD,
        names={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
        },
        fixed=NO_EMBEDDING_SIZE | {"type_vocab_size": 0, "layer_norm_eps": 1e-12},
        unused=(),
        signs=("distilbert.", "vocab_transform.", "transformer.layer."),
    )
