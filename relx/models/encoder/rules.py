"""What each value of a config.json must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# gelu is the exact one (erf); the others named gelu are its tanh approximation.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be.

    Args:
        holds: Says whether a value is right.
        allowed: What is right, in words.
    """

    holds: Callable[[Any], bool]
    allowed: str


def whole(least: int) -> Rule:
    """Returns the rule for whole numbers from `least`."""
    return Rule(lambda value: is_number(value, int, least), f"a whole number from {least}")


def _number(least: float) -> Rule:
    return Rule(lambda value: is_number(value, (int, float), least), f"a number from {least:g}")


def _one_of(names: tuple[str, ...]) -> Rule:
    return Rule(lambda value: value in names, ", ".join(names))


_RATE = Rule(
    lambda value: is_number(value, (int, float), 0) and value < 1,
    "a number from 0 up to, not including, 1",
)
_FLAG = Rule(lambda value: isinstance(value, bool), "true or false")
_POSITIONS_ATTEND = Rule(
    lambda value: isinstance(value, tuple) and bool(value) and {*value} <= {"c2p", "p2c"},
    "c2p, p2c or both",
)


def is_number(value: Any, kind: type | tuple[type, ...], least: float) -> bool:
    """Says whether a value is a number of some kind, and no truth value.

    Args:
        value: Anything.
        kind: `int`, or `int` and `float`.
        least: The smallest number allowed.
    """
    of_kind = isinstance(value, kind) and not isinstance(value, bool)
    return of_kind and float(value) >= least


RULES: Mapping[str, Rule] = {
    "vocab_size": whole(1),
    "hidden_size": whole(1),
    "num_hidden_layers": whole(1),
    "num_attention_heads": whole(1),
    "intermediate_size": whole(1),
    "max_position_embeddings": whole(1),
    "type_vocab_size": whole(1),
    "embedding_size": whole(1),
    "pad_token_id": whole(0),
    "layer_norm_eps": _number(0),
    "initializer_range": _number(0),
    "hidden_dropout_prob": _RATE,
    "attention_probs_dropout_prob": _RATE,
    "hidden_act": _one_of(ACTIVATIONS),
    "tie_word_embeddings": _FLAG,
    "num_hidden_groups": whole(1),
    "inner_group_num": whole(1),
    "max_relative_positions": whole(-1),
    "position_buckets": whole(-1),
    "pos_att_type": _POSITIONS_ATTEND,
    "share_att_key": _FLAG,
    "norm_rel_ebd": _one_of(("none", "layer_norm")),
    "position_biased_input": _FLAG,
    "relative_attention": Rule(
        lambda value: value is True, "true: only relative attention is supported"
    ),
    "legacy": _FLAG,
    "layer_types": Rule(
        lambda value: (
            isinstance(value, tuple) and {*value} <= {"full_attention", "sliding_attention"}
        ),
        "a list of full_attention and sliding_attention",
    ),
    "local_attention": whole(0),
    "global_rope_theta": _number(1),
    "local_rope_theta": _number(1),
    "embedding_dropout": _RATE,
    "mlp_dropout": _RATE,
    "norm_bias": _FLAG,
    "attention_bias": _FLAG,
    "mlp_bias": _FLAG,
    "classifier_bias": _FLAG,
    "decoder_bias": _FLAG,
    "classifier_activation": _one_of(ACTIVATIONS),
}
