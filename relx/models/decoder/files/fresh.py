"""A decoder that starts from random weights, with a vocabulary of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from relx.model_sections import FreshDecoderSizes
from relx.models.decoder.configurations.families import configuration_from_dict
from relx.models.decoder.files.weights import expected_shapes
from relx.models.stored.folder import write_checkpoint, write_config
from relx.models.stored.tokenizers.rows import vocabulary_rows
from relx.models.stored.tokenizers.tokenizer import write_tokenizer

PAD, END = "<pad>", "<end>"
_REPEATS = 1000  # how often a label's word is read, so that it becomes a token
_DEVIATION = 1.0  # of the token table, whose rows the first norm scales anyway


def fresh_tokenizer(
    sentences: Iterable[str], words: Sequence[str], size: int
) -> PreTrainedTokenizerFast:
    """Trains a byte-level BPE, in which the labels' words are tokens.

    Args:
        sentences: The texts to train on; the same texts give the same vocabulary.
        words: The labels' words, as they follow a prompt.
        size: The most tokens to have.

    Returns:
        The tokenizer.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator([*sentences, *(list(words) * _REPEATS)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, eos_token=END)


def write_fresh_decoder(
    folder: Path, sizes: FreshDecoderSizes, tokenizer: PreTrainedTokenizerFast, seed: int
) -> None:
    """Writes a llama with random weights: a Hugging Face folder like any other.

    Args:
        folder: A folder that exists.
        sizes: Its sizes, as a recipe gives them.
        tokenizer: Its tokenizer.
        seed: The seed of its weights; the same numbers on every machine.
    """
    values = fresh_config(sizes, vocabulary_rows(tokenizer))
    shapes = expected_shapes(configuration_from_dict(values, "fresh"))
    write_config(folder, values)
    write_checkpoint(folder, shapes, _drawn(shapes, seed))
    write_tokenizer(tokenizer, folder, sizes.positions, 1)


def fresh_config(sizes: FreshDecoderSizes, rows: int) -> dict[str, Any]:
    """Returns the config.json of a fresh decoder.

    Args:
        sizes: Its sizes.
        rows: Rows of the token table.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": rows,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "intermediate_size": sizes.intermediate,
        "max_position_embeddings": sizes.positions,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
    }


def _drawn(
    shapes: dict[str, tuple[int, ...]], seed: int
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for index, (name, shape) in enumerate(shapes.items()):
        if len(shape) == 1:  # a norm
            yield name, np.ones(shape, np.float32)
            continue
        rng = np.random.default_rng((seed, index))
        # Frozen weights do not grow: matrices keep the size of what they are multiplied with.
        deviation = _DEVIATION if "embed" in name else shape[1] ** -0.5
        yield name, deviation * rng.standard_normal(shape, dtype=np.float32)
