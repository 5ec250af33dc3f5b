"""The architecture of each family: its encoder's class, and which variable is which tensor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relx.models.encoder.architectures.backbone import EncoderBackbone
from relx.models.encoder.architectures.bert import Encoder
from relx.models.encoder.architectures.bert_weights import (
    ALBERT_KEYS,
    BERT_KEYS,
    DISTILBERT_KEYS,
    LayerKeys,
    bert_weights,
)
from relx.models.encoder.architectures.deberta import DebertaEncoder, deberta_weights
from relx.models.encoder.architectures.head import MaskedLMHead
from relx.models.encoder.architectures.modernbert import ModernBertEncoder, modernbert_weights
from relx.models.encoder.architectures.sublayers import fresh_initializer
from relx.models.encoder.architectures.weights import Weight
from relx.models.encoder.families.family import EncoderConfig


@dataclass(frozen=True, slots=True)
class Architecture:
    """What computes the hidden states of a family.

    Args:
        encoder: The class.
        weights: Lists its weights, given the encoder, the rows of the token table on disk, and
            the seed of rows that the disk does not have.
    """

    encoder: type[EncoderBackbone]
    weights: Callable[..., list[Weight]]


def _berts(keys: LayerKeys) -> Architecture:
    return Architecture(Encoder, functools.partial(bert_weights, keys=keys))


ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": _berts(BERT_KEYS),
    "roberta": _berts(BERT_KEYS),
    "xlm-roberta": _berts(BERT_KEYS),
    "electra": _berts(BERT_KEYS),
    "distilbert": _berts(DISTILBERT_KEYS),
    "albert": _berts(ALBERT_KEYS),
    "deberta-v2": Architecture(DebertaEncoder, deberta_weights),
    "modernbert": Architecture(ModernBertEncoder, modernbert_weights),
}


def build_encoder(configuration: EncoderConfig, initializer: str | None = None) -> EncoderBackbone:
    """Builds an encoder under the global precision policy.

    Args:
        configuration: The sizes and settings.
        initializer: How matrices start; see `Encoder`.

    Returns:
        The encoder, every variable created.
    """
    architecture = ARCHITECTURES[configuration.model_type]
    return architecture.encoder(configuration, initializer=initializer, name="encoder")


def encoder_weights(encoder: EncoderBackbone, rows: int, seed: int) -> list[Weight]:
    """Lists the weights of an encoder.

    Args:
        encoder: The encoder.
        rows: Rows of the token embedding on disk; the encoder's may have more.
        seed: The seed of the noise on rows that the disk does not have.

    Returns:
        Every variable of the encoder, once.
    """
    return ARCHITECTURES[encoder.configuration.model_type].weights(encoder, rows, seed)


def build_head(encoder: EncoderBackbone, initializer: str | None = None) -> MaskedLMHead:
    """Builds the masked-LM head of an encoder.

    Args:
        encoder: The encoder, whose token embedding the head projects with.
        initializer: How the dense matrix starts; see `Encoder`.

    Returns:
        The head, every variable created.
    """
    configuration = encoder.configuration
    head = MaskedLMHead(
        encoder.token_embedding,
        **configuration.head_settings,
        initializer=fresh_initializer(initializer, configuration),
        name="masked_lm_head",
    )
    head.build((None, configuration.hidden_size))
    return head
