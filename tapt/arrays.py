"""What the masked-LM model is fed with: corpus rows with masks drawn anew for every batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from relx.data.batches import Arrays, Batch, padded
from tapt.corpus import CorpusRows
from tapt.masking import Masked, draw_masks, slots


class CorpusArrays:
    """Turns batches of corpus rows into the arrays that a masked-LM model takes.

    Args:
        rows: The corpus rows.
        rate: The share of the tokens that are masked, 0 to 1.
        pad_id: The tokenizer's padding id.
        mask_id: The tokenizer's mask id.
        random_ids: The ids that may stand in for a masked token, (ids,) int32.
        segments: Whether the encoder takes segment ids.
    """

    def __init__(
        self,
        rows: CorpusRows,
        *,
        rate: float,
        pad_id: int,
        mask_id: int,
        random_ids: np.ndarray,
        segments: bool,
    ) -> None:
        self.rows = rows
        self.rate = rate
        self.pad_id = pad_id
        self.mask_id = mask_id
        self.random_ids = random_ids
        self.segments = segments
        self.lengths = rows.lengths

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns a batch with masks drawn by `rng`.

        Args:
            batch: The rows and the length to pad them to.
            rng: The batch's own random generator.

        Returns:
            Inputs (token_ids, padding_mask and perhaps segment_ids (batch, length), mask_positions
            (batch, slots), all int32), targets (batch, slots) int32, and weights (batch, slots)
            float32 that sum to 1.
        """
        masked = self._draw(batch, rng)
        weights = masked.weights * batch.weights()[:, None]
        inputs = self._inputs(batch, masked.token_ids, masked.positions)
        return inputs, masked.targets, weights / max(float(weights.sum()), 1.0)

    def measuring(self, batches: Sequence[Batch], seed: int) -> Iterator[Arrays]:
        """Yields batches whose chosen tokens are all the mask token, the same at every call.

        Args:
            batches: The batches.
            seed: The seed of the choice.

        Yields:
            As `training` returns, but with weights that sum to 1 over all the batches.
        """
        drawn = [self._draw(b, np.random.default_rng((seed, 2, i))) for i, b in enumerate(batches)]
        pairs = list(zip(drawn, batches, strict=True))
        total = sum(float((m.weights.sum(1) * b.weights()).sum()) for m, b in pairs)
        for masked, batch in pairs:
            chosen = np.nonzero(masked.weights)
            token_ids = masked.token_ids.copy()
            token_ids[chosen[0], masked.positions[chosen]] = self.mask_id
            weights = masked.weights * batch.weights()[:, None] / np.float32(max(total, 1.0))
            yield self._inputs(batch, token_ids, masked.positions), masked.targets, weights

    def _draw(self, batch: Batch, rng: np.random.Generator) -> Masked:
        """Draws for the rows that count alone, so that those that fill up change no mask."""
        real = batch.rows[: batch.real]
        masked = draw_masks(
            padded(self.rows.token_ids, self.rows.offsets, real, batch.length, self.pad_id),
            padded(self.rows.units, self.rows.offsets, real, batch.length, -1),
            rng,
            rate=self.rate,
            slots=slots(batch.length, self.rate),
            mask_id=self.mask_id,
            random_ids=self.random_ids,
        )
        return masked.filled(len(batch.rows))

    def _inputs(
        self, batch: Batch, token_ids: np.ndarray, positions: np.ndarray
    ) -> dict[str, np.ndarray]:
        mask = np.arange(batch.length)[None] < self.lengths[batch.rows][:, None]
        inputs = {
            "token_ids": token_ids,
            "padding_mask": mask.astype(np.int32),
            "mask_positions": positions,
        }
        if self.segments:
            inputs["segment_ids"] = np.zeros_like(token_ids)
        return inputs
