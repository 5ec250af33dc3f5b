"""A tiny shape for `run --tiny`: a configuration and a vocabulary made from the sample."""

from __future__ import annotations

import csv
import json
from pathlib import Path


def write_shape(folder: Path, train: Path) -> None:
    """Writes config.json and a tokenizer, without weights.

    Args:
        folder: The folder to write.
        train: The rows whose sentences the vocabulary is made from.
    """
    from relx.models.stored.tokenizers.tokenizer import fresh_tokenizer, write_tokenizer

    with train.open(encoding="utf-8", newline="") as stream:
        sentences = [row["sentence"] for row in csv.DictReader(stream)]
    tokenizer = fresh_tokenizer(sentences, 1000)
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(tokenizer, folder, 256, 2)
    config = {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 256,
        "type_vocab_size": 2,
        "pad_token_id": tokenizer.pad_token_id,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
