"""Do two encoders compute the same? Their hidden states and masked-LM logits are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from relx.faults import Fault, InputError
from relx.models.encoder.load import LoadedEncoder
from relx.models.stored.tokenizers.tokenizer import tokenizer_digest

BATCH_SIZE = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two encoders are apart, at every token that is not padding.

    Args:
        sentences: How many texts were compared.
        tokens: How many tokens they have, under the first encoder's tokenizer.
        hidden: The largest absolute difference of the last hidden states; not finite where one of
            the two is not.
        logits: The same of the masked-LM logits; None where not both have a head.
        notes: How else the two differ, in sentences.
    """

    sentences: int
    tokens: int
    hidden: float
    logits: float | None
    notes: list[str]

    def agrees(self, tolerance: float) -> bool:
        """Says whether every difference is within the tolerance; a nan never is."""
        differences = [self.hidden, *([] if self.logits is None else [self.logits])]
        return all(difference <= tolerance for difference in differences)


def compare(first: LoadedEncoder, second: LoadedEncoder, texts: Sequence[str]) -> Comparison:
    """Compares two encoders on the tokens that the first one's tokenizer makes.

    Texts longer than either encoder takes are cut.

    Args:
        first: One of them; its tokenizer makes the tokens.
        second: The other.
        texts: The texts; at least one.

    Returns:
        The largest differences.

    Raises:
        InputError: The hidden states are of different widths.
    """
    notes = list(_notes(first, second))
    heads = first.head is not None and second.head is not None
    rows = min(one.encoder.configuration.vocab_size for one in (first, second))
    hidden, logits, tokens = 0.0, 0.0, 0
    for token_ids in _batches(first, second, texts, rows):
        mask = token_ids[1].astype(bool)
        tokens += int(mask.sum())
        ours, theirs = (_outputs(one, *token_ids, heads) for one in (first, second))
        hidden = _larger(hidden, ours[0][mask], theirs[0][mask])
        if heads:
            logits = _larger(logits, ours[1][mask][:, :rows], theirs[1][mask][:, :rows])
    return Comparison(len(texts), tokens, hidden, logits if heads else None, notes)


def _larger(known: float, ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Returns the larger of a known difference and a new one; nan wins."""
    new = float(np.abs(ours - theirs).max())
    return math.nan if math.isnan(known) or math.isnan(new) else max(known, new)


def _notes(first: LoadedEncoder, second: LoadedEncoder) -> Iterator[str]:
    """Says how else two encoders differ."""
    ours, theirs = first.encoder.configuration, second.encoder.configuration
    if ours.hidden_size != theirs.hidden_size:
        what = "the hidden states are of different widths: there is nothing to compare"
        received = f"{ours.hidden_size} and {theirs.hidden_size}"
        raise InputError(Fault(what, f"{first.source}, {second.source}", received))
    if tokenizer_digest(first.tokenizer) != tokenizer_digest(second.tokenizer):
        yield "the tokenizers differ; both encoders were given the tokens of the first"
    if ours.vocab_size != theirs.vocab_size:
        yield (
            f"the vocabularies have {ours.vocab_size} and {theirs.vocab_size} rows; "
            "the rows of both were compared"
        )
    without = [one.source for one in (first, second) if one.head is None]
    if without:
        yield f"no masked-LM head in {' and '.join(without)}: logits were not compared"


def _batches(
    first: LoadedEncoder, second: LoadedEncoder, texts: Sequence[str], rows: int
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Yields token ids and padding masks, each `(batch, length)`."""
    longest = min(one.encoder.configuration.max_sequence_length for one in (first, second))
    tokenizer = first.tokenizer
    encoded = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    for start in range(0, len(encoded), BATCH_SIZE):
        part = encoded[start : start + BATCH_SIZE]
        length = max(map(len, part))
        token_ids = np.full((len(part), length), tokenizer.pad_token_id, np.int32)
        mask = np.zeros((len(part), length), np.int32)
        for row, ids in enumerate(part):
            token_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        # Only tokens that both have a row for can be given to both.
        yield np.where(token_ids < rows, token_ids, tokenizer.unk_token_id or 0), mask


def _outputs(
    loaded: LoadedEncoder, token_ids: NDArray[np.int32], mask: NDArray[np.int32], head: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns hidden states and, where asked for, logits: `(batch, length, …)`."""
    inputs = {"token_ids": token_ids, "padding_mask": mask}
    if "segment_ids" in loaded.encoder.input:
        inputs["segment_ids"] = np.zeros_like(token_ids)
    hidden = loaded.encoder(inputs, training=False)
    if not head:
        return ops.convert_to_numpy(hidden), np.zeros(0)
    assert loaded.head is not None
    logits = loaded.head(hidden, training=False)
    return ops.convert_to_numpy(hidden), ops.convert_to_numpy(logits)
