"""A pretrained model that is ready to be trained, of whichever family it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # importing these takes seconds, and only their names are needed
    from keras import KerasTensor
    from transformers import PreTrainedTokenizerFast


class Backbone(Protocol):
    """What computes the states of tokens."""

    @property
    def input(self) -> dict[str, KerasTensor]:
        """The inputs (batch, length): token_ids, padding_mask and perhaps segment_ids."""

    @property
    def output(self) -> KerasTensor:
        """The last states of all tokens, (batch, length, hidden)."""

    @property
    def hidden_dim(self) -> int:
        """The size of a state."""

    @property
    def max_sequence_length(self) -> int:
        """The longest row that it takes, in tokens."""

    def states_at(self, positions: Any) -> Any:
        """Computes the last states at some tokens alone: (batch, places, hidden)."""


class Loaded(Protocol):
    """A model, what belongs to it, and what is worth knowing about how it was loaded."""

    @property
    def backbone(self) -> Backbone:
        """What computes states."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Its tokenizer, with the marker tokens."""

    @property
    def source(self) -> str:
        """What was named."""

    @property
    def notes(self) -> list[str]:
        """Sentences that the caller says aloud and puts in the manifest."""

    @property
    def revision(self) -> str | None:
        """The hub commit that was loaded; None for a source that is not on the hub."""

    def write(self, folder: Path, card: str) -> None:
        """Writes the model's files into a folder that exists, with a model card."""
