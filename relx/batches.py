"""Batches of one length each: what a fit and a prediction are fed with, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WINDOW_BATCHES = 50
LADDER_RUNGS = 6
LADDER_MULTIPLE = 8

Arrays = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are computed together.

    Args:
        rows: The rows' indices, (size,) int64; those past `real` repeat the first one.
        real: How many rows count; the others get weight 0.
        length: The length in tokens to which every row is padded.
    """

    rows: np.ndarray
    real: int
    length: int

    def weights(self) -> np.ndarray:
        """Returns 1 for the rows that count and 0 for the others, (size,) float32."""
        return (np.arange(len(self.rows)) < self.real).astype(np.float32)


def ladder(lengths: np.ndarray, rungs: int = LADDER_RUNGS) -> tuple[int, ...]:
    """Chooses the few lengths to pad to that cost the least padding.

    A backend that compiles does so once a shape, so that few lengths are worth some padding.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        rungs: How many lengths there may be.

    Returns:
        The lengths, ascending, multiples of 8; the last holds the longest row.
    """
    steps = -(-np.asarray(lengths) // LADDER_MULTIPLE)
    counts = np.bincount(steps)
    # rows_to[k]: rows of at most k steps
    rows_to = np.cumsum(counts)
    top = len(counts) - 1
    cost = np.where(np.arange(top + 1) > 0, np.arange(top + 1) * rows_to, 0).astype(float)
    chosen = [[k] for k in range(top + 1)]
    for _ in range(rungs - 1):
        cost, chosen = _one_rung_more(cost, chosen, rows_to)
    return tuple(step * LADDER_MULTIPLE for step in chosen[top])


def _one_rung_more(
    cost: np.ndarray, chosen: list[list[int]], rows_to: np.ndarray
) -> tuple[np.ndarray, list[list[int]]]:
    """Finds, for each top rung, the best ladder that may have one rung more below it."""
    better, ladders = cost.copy(), list(chosen)
    for k in range(1, len(cost)):
        below = cost[:k] + k * (rows_to[k] - rows_to[:k])
        best = int(np.argmin(below[1:])) + 1 if k > 1 else 0
        if best and below[best] < better[k]:
            better[k], ladders[k] = below[best], [*chosen[best], k]
    return better, ladders


def training_plan(
    lengths: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    rungs: Sequence[int] | None = None,
    multiple: int = 1,
) -> list[Batch]:
    """Draws an epoch's batches: shuffled, but rows of like length together.

    The rows are shuffled and cut into windows of up to 50 batches; a window is sorted by length and
    cut into batches, and the batches are shuffled. The plan is a function of its arguments alone.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows a batch; the last batch is filled up with rows of weight 0.
        seed: The run's seed.
        epoch: The epoch, from 0.
        rungs: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every batch has a multiple of so many rows (the replicas).

    Returns:
        The batches in the order in which they are taken.
    """
    rng = np.random.default_rng((seed, epoch, 0))
    order = rng.permutation(len(lengths))
    batch_size = min(batch_size, len(lengths))
    steps = -(-len(order) // batch_size)
    window = batch_size * max(1, min(WINDOW_BATCHES, steps // 4))
    batches = []
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += _cut(rows, lengths, batch_size, rungs, multiple)
    return [batches[i] for i in rng.permutation(len(batches))]


def reading_plan(
    lengths: np.ndarray,
    batch_size: int,
    *,
    rungs: Sequence[int] | None = None,
    multiple: int = 1,
) -> list[Batch]:
    """Plans a prediction: every row once, the longest first, so that memory fails early if at all.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows a batch.
        rungs: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every batch has a multiple of so many rows (the replicas).

    Returns:
        The batches; `Batch.rows` says where each result belongs.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batch_size = min(batch_size, len(lengths))
    return _cut(order, np.asarray(lengths), batch_size, rungs, multiple)


def _cut(
    rows: np.ndarray,
    lengths: np.ndarray,
    batch_size: int,
    rungs: Sequence[int] | None,
    multiple: int,
) -> list[Batch]:
    size = -(-batch_size // multiple) * multiple
    batches = []
    for start in range(0, len(rows), batch_size):
        real = rows[start : start + batch_size]
        filled = np.concatenate([real, np.repeat(real[:1], size - len(real))])
        longest = int(lengths[real].max())
        length = longest if rungs is None else next(rung for rung in rungs if rung >= longest)
        batches.append(Batch(filled, len(real), length))
    return batches


def padding_share(batches: Sequence[Batch], lengths: np.ndarray) -> float:
    """Returns the percent of the batches' tokens that are padding or rows of weight 0."""
    slots = sum(len(batch.rows) * batch.length for batch in batches)
    real = sum(int(lengths[batch.rows[: batch.real]].sum()) for batch in batches)
    return 100 * (1 - real / slots) if slots else 0.0


def padded(rows: Sequence[np.ndarray], length: int, value: int) -> np.ndarray:
    """Stacks rows of tokens, padded on the right.

    Args:
        rows: Arrays (row length,).
        length: The length of the result in tokens.
        value: What fills the rest.

    Returns:
        (rows, length) int32.
    """
    out = np.full((len(rows), length), value, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


@dataclass(frozen=True)
class Feeder:
    """The batches of a fit: a function of (seed, epoch, step), so that a run can be resumed.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows a batch.
        seed: The run's seed.
        assemble: Gives the arrays of a batch: inputs by name, targets, and weights that sum to 1.
            It gets the batch and a random generator of its own.
        rungs: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every batch has a multiple of so many rows (the replicas).
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    assemble: Callable[[Batch, np.random.Generator], Arrays]
    rungs: tuple[int, ...] | None = None
    multiple: int = 1

    @property
    def steps(self) -> int:
        """The number of batches an epoch."""
        return len(self.plan(0))

    def plan(self, epoch: int) -> list[Batch]:
        """Returns the epoch's batches in order."""
        return training_plan(
            self.lengths,
            self.batch_size,
            seed=self.seed,
            epoch=epoch,
            rungs=self.rungs,
            multiple=self.multiple,
        )

    def arrays(self, epoch: int) -> Iterator[Arrays]:
        """Yields the epoch's batches as arrays."""
        for step, batch in enumerate(self.plan(epoch)):
            yield self.assemble(batch, np.random.default_rng((self.seed, epoch, 1, step)))

    def signature(self) -> Any:
        """Returns the shapes and dtypes of `arrays`, with None where a batch's length decides.

        Returns:
            Arrays' structure with (shape, dtype) at its leaves.
        """
        first = self.plan(0)[0]
        longer = Batch(first.rows, first.real, 2 * first.length + LADDER_MULTIPLE)
        short, long = (self.assemble(b, np.random.default_rng(0)) for b in (first, longer))
        inputs = {name: _shape(short[0][name], long[0][name]) for name in short[0]}
        return inputs, _shape(short[1], long[1]), _shape(short[2], long[2])


def _shape(short: np.ndarray, long: np.ndarray) -> tuple[tuple[int | None, ...], np.dtype]:
    pairs = zip(short.shape, long.shape, strict=True)
    return tuple(a if a == b else None for a, b in pairs), short.dtype
