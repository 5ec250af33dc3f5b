"""What stage 1 logs of held-out sentences: the gaps, the original tokens, and the guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from relx.data.batches import Batch, Feeder, reading_plan
from relx.devices.device import Device
from relx.devices.memory import BatchWatch, memory_faults
from relx.training.log import escaped, markdown_table
from tapt.arrays import CorpusArrays

if TYPE_CHECKING:  # importing it takes a second, and only its name is needed
    from transformers import PreTrainedTokenizerFast

TAG = "gaps"
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Gap:
    """A token that was masked.

    Args:
        position: Its place in the row.
        original: The id that was masked.
        guessed: The most probable id.
        probability: Its probability, 0 to 1.
    """

    position: int
    original: int
    guessed: int
    probability: float


@dataclass(frozen=True, slots=True)
class GapRow:
    """A held-out row and its gaps.

    Args:
        token_ids: (length,) int32, unmasked.
        gaps: In the row's order.
    """

    token_ids: np.ndarray
    gaps: tuple[Gap, ...]

    @property
    def wrong(self) -> int:
        """How many gaps were guessed wrong."""
        return sum(gap.original != gap.guessed for gap in self.gaps)


def gap_rows(lengths: np.ndarray, most: int = SHOWN) -> np.ndarray:
    """Chooses the held-out rows to show: of the shorter half, which is soon read, evenly.

    Args:
        lengths: The held-out rows' lengths in tokens, (rows,).
        most: How many to choose at most.

    Returns:
        The rows' indices, ascending; the same at every call.
    """
    short = np.sort(np.argsort(lengths, kind="stable")[: max(1, (len(lengths) + 1) // 2)])
    return np.unique(short[np.linspace(0, len(short) - 1, most).round().astype(int)])


def fill_gaps(
    model: keras.Model, device: Device, arrays: CorpusArrays, batch_size: int, seed: int
) -> list[GapRow]:
    """Has a model fill gaps in a few held-out rows, the same ones at every call.

    All chance comes from `seed`, so that training goes on as if nothing had been asked.

    Args:
        model: A compiled masked-LM model.
        device: What the model was built on; all processes of a run must ask.
        arrays: The held-out rows.
        batch_size: The most rows at once.
        seed: The seed of the gaps.

    Returns:
        The rows, those with the most wrong guesses first.

    Raises:
        InputError: The memory does not suffice.
    """
    rows = gap_rows(arrays.lengths)
    lengths = arrays.lengths[rows]
    longest = (int(lengths.max()),)  # one shape, so that what compiles does so once
    plan = [
        Batch(rows[batch.rows], batch.real, batch.length)
        for batch in reading_plan(
            lengths, batch_size, bucket_lengths=longest, multiple=device.replicas
        )
    ]
    feeder = Feeder(lengths, batch_size, seed, arrays.training, multiple=device.replicas)
    masked = list(arrays.measuring(plan, seed))
    inputs = [batch_inputs for batch_inputs, _, _ in masked]
    data = device.stream(lambda: iter(inputs), feeder.signature()[0], len(plan))
    watch = BatchWatch(plan)
    with memory_faults(device, "tapt", watch):
        logits = device.predict(model, data, callbacks=[watch])
    filled, size = [], len(plan[0].rows)
    for number, (batch, arrays_of) in enumerate(zip(plan, masked, strict=True)):
        for place in range(batch.real):
            row = arrays.rows[int(batch.rows[place])]
            gaps = _gaps(logits[number * size + place], arrays_of, place)
            filled.append(GapRow(row.token_ids, gaps))
    return sorted(filled, key=lambda row: -row.wrong)


def _gaps(logits: np.ndarray, masked: Any, place: int) -> tuple[Gap, ...]:
    """Reads the guesses of a row from its logits (slots, vocabulary)."""
    inputs, targets, weights = masked
    positions = inputs["mask_positions"][place]
    gaps = []
    for slot in np.flatnonzero(weights[place]):
        own = logits[slot].astype(np.float64)
        guess = int(own.argmax())
        probability = float(1 / np.exp(own - own[guess]).sum())
        gaps.append(Gap(int(positions[slot]), int(targets[place, slot]), guess, probability))
    return tuple(gaps)


def gaps_text(rows: list[GapRow], tokenizer: PreTrainedTokenizerFast) -> str:
    """Writes rows and what was guessed in their gaps as a table.

    Args:
        rows: What `fill_gaps` returns.
        tokenizer: The encoder's tokenizer.

    Returns:
        Markdown: a sentence, and a table with a row a sentence.
    """
    gaps = sum(len(row.gaps) for row in rows)
    right = gaps - sum(row.wrong for row in rows)
    head = (
        f"{right} of {gaps} gaps in {len(rows)} held-out sentences are guessed right. In the "
        "sentences: **the original → the guess** and its probability."
    )
    cells = [(f"{row.wrong} of {len(row.gaps)}", _filled(row, tokenizer)) for row in rows]
    return f"{head}\n\n{markdown_table(('wrong', 'sentence'), cells)}"


def _filled(row: GapRow, tokenizer: PreTrainedTokenizerFast) -> str:
    """Writes a row with its guesses where they belong."""
    parts, start = [], 0
    for gap in row.gaps:
        parts.append(_words(row.token_ids[start : gap.position], tokenizer))
        original, guessed = (_text([i], tokenizer) or "␣" for i in (gap.original, gap.guessed))
        shown = f"{original} ✓" if gap.original == gap.guessed else f"{original} → {guessed}"
        parts.append(f"**{shown}** ({100 * gap.probability:.0f} %)")
        start = gap.position + 1
    parts.append(_words(row.token_ids[start:], tokenizer))
    return " ".join(part for part in parts if part)


def _words(token_ids: Any, tokenizer: PreTrainedTokenizerFast) -> str:
    """Returns tokens as escaped text, without special tokens."""
    return _text([int(i) for i in token_ids], tokenizer, without_special=True)


def _text(
    token_ids: list[int], tokenizer: PreTrainedTokenizerFast, without_special: bool = False
) -> str:
    """Returns tokens as escaped text."""
    # Of transformers 4, decode looks for tensors of every framework, and imports TensorFlow for it.
    backend = tokenizer.backend_tokenizer
    return escaped(str(backend.decode(token_ids, skip_special_tokens=without_special)))
