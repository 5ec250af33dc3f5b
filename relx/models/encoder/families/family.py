"""What an architecture family is: its configuration, and how its files name things.

Nothing in `families` loads a deep-learning framework; what they compute is in `architectures`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from relx.models.encoder.rules import Rule

# For families whose embeddings always have the hidden size.
NO_EMBEDDING_SIZE: dict[str, Any] = {"embedding_size": None}
# A complaint about several values together: the key to look at, what is wrong, what was received.
Complaint = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class HeadKeys:
    """Where a file keeps a masked-LM head.

    Args:
        dense: The dense layer.
        layer_norm: The layer norm.
        bias: The bias of the projection.
        decoder: The projection, which a file may hold a copy of; it is tied to the token table.
        prefixes: What the names of a head begin with, and no others.
    """

    dense: str
    layer_norm: str
    bias: str
    decoder: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """What the checkpoints of one `model_type` share.

    Args:
        prefix: What an encoder's keys begin with in a file that also holds a head.
        model: The transformers class of the encoder alone.
        masked_lm: The transformers class of the encoder with its masked-LM head.
        head: Where a file keeps the masked-LM head.
        positions_after_padding: Whether positions count from the padding id + 1.
        pad_token_id: The padding id where config.json is silent.
        head_activation: The head's activation; None where it is the encoder's.
        names: The names of settings in `EncoderConfig` to those in config.json.
        fixed: Settings that config.json does not hold, with their values.
        defaults: Other settings where config.json is silent, as transformers has them.
        rules: Rules that differ from `RULES`.
        asks: Keys that must be absent or have one value, with the reason.
        read: Reads the settings that config.json spells in its own way.
        relations: Yields the settings, or config.json's own values, that do not fit each other.
        token_ids: The special tokens whose ids config.json holds besides the padding.
        words: The token table.
        unused: What the names of tensors that no masked LM uses begin with.
        announced: The same, of tensors worth a note.
        signs: What names begin with in this family's files: the first is this family's alone,
            the others decide where no family's first is found.
    """

    prefix: str
    model: str
    masked_lm: str
    head: HeadKeys
    positions_after_padding: bool = False
    pad_token_id: int = 0
    head_activation: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    asks: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    read: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda values: {}
    relations: Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Complaint]] = (
        lambda settings, values: iter(())
    )
    token_ids: tuple[str, ...] = ("bos", "eos")
    words: str = "embeddings.word_embeddings.weight"
    unused: tuple[str, ...] = ("pooler.",)
    announced: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncoderConfig:
    """An encoder's sizes and settings, under the names that BERT's config.json uses.

    Each `model_type` has a class of its own, which names the type and its `family`.

    Args:
        vocab_size: Rows of the token embedding.
        hidden_size: Width of the hidden states.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Attention heads a layer; they divide `hidden_size`.
        intermediate_size: Width of the feed-forward layers.
        max_position_embeddings: Rows of the position table on disk, unused ones included.
        type_vocab_size: Token types; a single one is folded into the positions.
        layer_norm_eps: Epsilon of every layer norm.
        hidden_act: Activation of the feed-forward layers.
        hidden_dropout_prob: Dropout rate on hidden states.
        attention_probs_dropout_prob: Dropout rate on attention weights.
        initializer_range: Standard deviation of fresh weights.
        pad_token_id: The padding id, from which RoBERTa's positions count.
        tie_word_embeddings: Whether the masked-LM head projects with the token embedding.
        embedding_size: Width of the embeddings; None where it is the hidden states'.
    """

    model_type: ClassVar[str]
    family: ClassVar[Family]

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    pad_token_id: int = 0
    tie_word_embeddings: bool = True
    embedding_size: int | None = None

    @property
    def position_offset(self) -> int:
        """Rows at the top of the position table that no token uses."""
        return self.pad_token_id + 1 if self.family.positions_after_padding else 0

    @property
    def max_sequence_length(self) -> int:
        """The longest text, in tokens."""
        return self.max_position_embeddings - self.position_offset

    @property
    def num_segments(self) -> int:
        """Token types; with more than one the encoder takes `segment_ids`."""
        return max(1, self.type_vocab_size)

    @property
    def embedding_width(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    @property
    def has_projection(self) -> bool:
        """Whether a dense layer leads from the embeddings to the hidden states."""
        return self.embedding_width != self.hidden_size

    @property
    def layer_sequence(self) -> tuple[int, ...]:
        """Which layer's weights are used at each step from the embeddings to the last states."""
        return tuple(range(self.num_hidden_layers))

    @property
    def head_keys(self) -> HeadKeys:
        """Where a file keeps the masked-LM head."""
        return self.family.head

    @property
    def head_settings(self) -> dict[str, Any]:
        """What the masked-LM head is built with, as `MaskedLMHead` names it."""
        activation = self.family.head_activation or self.hidden_act
        return {"activation": activation, "layer_norm_epsilon": self.layer_norm_eps}

    def to_dict(self) -> dict[str, Any]:
        """Returns the `model_type` and the settings, under the names of this class."""
        return {"model_type": self.model_type, **dataclasses.asdict(self)}

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as this family's config.json holds them."""
        return {
            self.family.names.get(name, name): value
            for name, value in self.to_dict().items()
            if name not in self.family.fixed and value is not None
        }

    def fitted(self, names: Iterable[str]) -> Self:
        """Returns the configuration that fits a file where config.json leaves a choice.

        Args:
            names: The names of the file's tensors.

        Returns:
            This configuration, or one that says what the file holds.
        """
        return self
