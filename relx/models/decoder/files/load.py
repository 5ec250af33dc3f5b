"""From `decoder.from` to a decoder whose frozen weights are in the wanted format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from relx.files import digest
from relx.models.decoder.configurations.families import read_configuration
from relx.models.decoder.decoder import NO_ADAPTERS, Decoder
from relx.models.decoder.files.kept import fill_or_read
from relx.models.decoder.files.saved import fingerprint, written
from relx.models.decoder.files.weights import fill_decoder, output_rows, require_tensors
from relx.models.decoder.layers.formats import Format
from relx.models.decoder.layers.linear import Lora
from relx.models.decoder.layers.memory import aligned_empty, hand_over
from relx.models.stored.folder import Checkpoint, open_checkpoint

if TYPE_CHECKING:
    import keras

_AT_ONCE = 4096  # rows of the vocabulary
_NUMPY_KINDS = {"bfloat16": "float32"}  # what stands in for a type that numpy has not


@dataclass(slots=True)
class LoadedDecoder:
    """A decoder, and the files that it was read from.

    Args:
        decoder: The decoder.
        folder: Its folder.
        checkpoint: The folder's tensors.
        names: The name on disk of each tensor.
        notes: Sentences that the caller says aloud and puts in the manifest.
    """

    decoder: Decoder
    folder: Path
    checkpoint: Checkpoint
    names: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def output_rows(self, ids: list[int]) -> NDArray[np.float32]:
        """Reads what the logits of some tokens are products with, (tokens, hidden)."""
        return output_rows(self.checkpoint, self.names, self.decoder.configuration, ids)

    def output_table(self) -> keras.Variable:
        """Returns what all logits are products with, (vocabulary, hidden).

        It is the token table, or one of its own, which is read some rows at a time.
        """
        import keras

        table, c = self.decoder.table, self.decoder.configuration
        assert table is not None
        if c.tied:
            return table
        kind = str(table.dtype)
        values = aligned_empty((c.vocab_size, c.hidden_size), _NUMPY_KINDS.get(kind, kind))
        for start in range(0, c.vocab_size, _AT_ONCE):
            ids = range(start, min(start + _AT_ONCE, c.vocab_size))
            values[start : ids.stop] = self.output_rows(list(ids))
        shape, name = values.shape, "output_table"
        found = keras.Variable("zeros", shape=shape, dtype=kind, trainable=False, name=name)
        hand_over(values, found)
        return found

    def all_logits(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes the logits of the whole vocabulary at one place, some rows at a time.

        Args:
            state: (hidden,), of the last token.

        Returns:
            (vocabulary,) float32.
        """
        c = self.decoder.configuration
        parts = [
            self.output_rows(list(range(start, min(start + _AT_ONCE, c.vocab_size)))) @ state
            for start in range(0, c.vocab_size, _AT_ONCE)
        ]
        logits: NDArray[np.float32] = np.concatenate(parts)
        if c.logit_cap:
            logits = np.float32(c.logit_cap) * np.tanh(logits / np.float32(c.logit_cap))
        return logits


def load_decoder(
    folder: Path,
    format_: Format = "float32",
    adapters: dict[str, Lora] | None = None,
    *,
    remat: bool = False,
    allow_pickle: bool = False,
    seed: int = 0,
    kept: Path | None = None,
) -> LoadedDecoder:
    """Loads a decoder; every tensor of the file and of the decoder is accounted for.

    Args:
        folder: A Hugging Face folder.
        format_: How kernels are stored.
        adapters: The adapter of each linear part that has one; it starts as one that changes
            nothing.
        remat: Whether training computes layers again on the way back.
        allow_pickle: Whether weights that exist only as a pickle are read.
        seed: The seed of the adapters and of dropout.
        kept: Where few-bit weights are kept, as `decoder_folder` says; None keeps none.

    Returns:
        The decoder and its files.

    Raises:
        InputError: The checkpoint is missing, incomplete, or of a kind that cannot be loaded
            exactly.
    """
    configuration = read_configuration(folder)
    checkpoint = open_checkpoint(folder, allow_pickle)
    names = require_tensors(checkpoint, configuration)
    decoder = Decoder(configuration, format_, adapters or NO_ADAPTERS, remat, seed, name="decoder")
    fill_or_read(
        decoder,
        kept,
        lambda: digest([fingerprint(folder), *written(folder)]),
        lambda: fill_decoder(decoder, checkpoint, names),
    )
    for i, part in enumerate(decoder.adapted_parts().values()):
        part.start_adapter(np.random.default_rng((seed, i)))
    return LoadedDecoder(decoder, folder, checkpoint, names)
