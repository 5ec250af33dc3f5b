"""Batches of one length each: what a fit and a prediction are fed with, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

PADDING = 4.0  # percent of an epoch's tokens that may be padding, so that batches are random
PADDING_MORE = 1.0  # and how much more than with sorted rows, where those need nearly as much
NOISE = 0.5  # the most that a row's length is blurred, as a share of it
BISECTIONS = 7
BUCKETS = 6
BUCKET_MULTIPLE = 8

Inputs = dict[str, np.ndarray]
Arrays = tuple[Inputs, np.ndarray, np.ndarray]  # inputs, targets, weights
Leaf = tuple[tuple[int | None, ...], np.dtype]  # shape and dtype of an array
Signature = dict[str, Leaf] | tuple[dict[str, Leaf], Leaf, Leaf]  # of `Inputs`, of `Arrays`


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are computed together.

    Args:
        rows: The rows' indices, (size,) int64; those past `real` repeat the first one.
        real: How many rows count; the others get weight 0.
        length: The length in tokens to which every row is padded.
        epoch: The epoch that it is of, from 0; 0 too where rows are read and not trained on.
    """

    rows: np.ndarray
    real: int
    length: int
    epoch: int = 0

    def weights(self) -> np.ndarray:
        """Returns 1 for the rows that count and 0 for the others, (size,) float32."""
        return (np.arange(len(self.rows)) < self.real).astype(np.float32)


class TrainingRows(Protocol):
    """Rows that a model is fitted to.

    Attributes:
        lengths: The rows' lengths in tokens, (rows,).
    """

    lengths: np.ndarray

    def training(self, batch: Batch, rng: np.random.Generator) -> Arrays:
        """Returns a batch's inputs, targets, and weights that sum to 1."""


class ReadingRows(Protocol):
    """Rows that a model reads to predict.

    Attributes:
        lengths: The rows' lengths in tokens, (rows,).
    """

    lengths: np.ndarray

    def inputs(self, batch: Batch) -> Inputs:
        """Returns a batch's inputs by name."""

    def stream(self, batches: Sequence[Batch]) -> Iterator[Inputs]:
        """Yields the inputs of one batch after the other."""

    def signature(self, size: int) -> dict[str, Leaf]:
        """Returns (shape, dtype) by input, for batches of `size` rows of any length."""


def choose_bucket_lengths(
    lengths: np.ndarray, batch_size: int = 1, buckets: int = BUCKETS
) -> tuple[int, ...]:
    """Chooses the few lengths to pad to that cost the least padding.

    A backend that compiles does so once for every shape, so that having few lengths is worth some
    padding. Rows are counted as the plans below cut them, from the longest down: what a batch costs
    is the length of its longest row.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows per batch.
        buckets: How many lengths there may be.

    Returns:
        The lengths, ascending, multiples of 8; the last holds the longest row.
    """
    longest = -np.sort(-np.asarray(lengths))[::batch_size]  # of each batch
    counts = np.bincount(-(-longest // BUCKET_MULTIPLE))
    # batches_to[k]: batches whose longest row has at most k steps
    batches_to = np.cumsum(counts)
    top = len(counts) - 1
    cost = np.where(np.arange(top + 1) > 0, np.arange(top + 1) * batches_to, 0).astype(float)
    chosen = [[k] for k in range(top + 1)]
    for _ in range(buckets - 1):
        cost, chosen = _one_bucket_more(cost, chosen, batches_to)
    return tuple(step * BUCKET_MULTIPLE for step in chosen[top])


def _one_bucket_more(
    cost: np.ndarray, chosen: list[list[int]], batches_to: np.ndarray
) -> tuple[np.ndarray, list[list[int]]]:
    """Finds the best lengths up to each top one, if there may be one more below it."""
    better, lengths = cost.copy(), list(chosen)
    for k in range(1, len(cost)):
        below = cost[:k] + k * (batches_to[k] - batches_to[:k])
        best = int(np.argmin(below[1:])) + 1 if k > 1 else 0
        if best and below[best] < better[k]:
            better[k], lengths[k] = below[best], [*chosen[best], k]
    return better, lengths


def training_plan(
    lengths: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    bucket_lengths: Sequence[int] | None = None,
    multiple: int = 1,
) -> list[Batch]:
    """Draws an epoch's batches: shuffled, but rows of like length together.

    The rows are sorted by a length that is blurred by chance and cut into batches, and the batches
    are shuffled. The lengths are blurred as far as padding allows: up to 4 percent of all tokens,
    or one percent more than exact lengths would need. With bucket lengths, all rows that are padded
    to the same one are alike.
    The plan is a function of its arguments alone.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows per batch; that of the shortest rows is filled up with rows of weight 0.
        seed: The run's seed.
        epoch: The epoch, from 0.
        bucket_lengths: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every batch has a multiple of so many rows (the replicas).

    Returns:
        The batches in the order in which they are taken.
    """
    rng = np.random.default_rng((seed, epoch, 0))
    lengths = np.asarray(lengths)
    batch_size = min(batch_size, len(lengths))
    shuffled = rng.permutation(len(lengths))
    if bucket_lengths is None:
        keys = _blurred(lengths[shuffled], batch_size, rng.uniform(-1, 1, len(lengths)))
    else:
        keys = np.searchsorted(bucket_lengths, lengths[shuffled])
    rows = shuffled[np.argsort(-keys, kind="stable")]
    batches = _cut(rows, lengths, batch_size, bucket_lengths, multiple, epoch)
    return [batches[i] for i in rng.permutation(len(batches))]


def _blurred(lengths: np.ndarray, batch_size: int, noise: np.ndarray) -> np.ndarray:
    """Multiplies lengths by the most noise that padding allows, (rows,) float64."""
    most = max(PADDING, _padding(lengths, lengths, batch_size) + PADDING_MORE)
    least, too_much = 0.0, NOISE
    for _ in range(BISECTIONS):
        middle = (least + too_much) / 2
        if _padding(lengths, lengths * (1 + middle * noise), batch_size) <= most:
            least = middle
        else:
            too_much = middle
    return np.asarray(lengths * (1 + least * noise))


def _padding(lengths: np.ndarray, keys: np.ndarray, batch_size: int) -> float:
    """Returns the percent of tokens that are padding when rows are sorted by `keys` and cut."""
    longest = _longest(lengths[np.argsort(-keys, kind="stable")], batch_size)
    return 100 * (1 - float(lengths.sum()) / float(batch_size * longest.sum()))


def _longest(lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Returns the longest row of each batch, (batches,)."""
    return np.maximum.reduceat(lengths, np.arange(0, len(lengths), batch_size))


def reading_plan(
    lengths: np.ndarray,
    batch_size: int,
    *,
    bucket_lengths: Sequence[int] | None = None,
    multiple: int = 1,
) -> list[Batch]:
    """Plans a prediction: every row once, the longest first, so that memory fails early if at all.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows per batch.
        bucket_lengths: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every batch has a multiple of so many rows (the replicas).

    Returns:
        The batches; `Batch.rows` says where each result belongs.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    batch_size = min(batch_size, len(lengths))
    return _cut(order, np.asarray(lengths), batch_size, bucket_lengths, multiple)


def _cut(
    rows: np.ndarray,
    lengths: np.ndarray,
    batch_size: int,
    bucket_lengths: Sequence[int] | None,
    multiple: int,
    epoch: int = 0,
) -> list[Batch]:
    """Cuts rows into batches in their order; the last one is filled up."""
    size = -(-batch_size // multiple) * multiple
    padded_to = _longest(lengths[rows], batch_size)
    if bucket_lengths is not None:
        padded_to = np.asarray(bucket_lengths)[np.searchsorted(bucket_lengths, padded_to)]
    batches = []
    for start, length in zip(range(0, len(rows), batch_size), padded_to.tolist(), strict=True):
        real = rows[start : start + batch_size]
        fill = np.repeat(real[:1], size - len(real))
        filled = np.concatenate([real, fill]) if len(fill) else real
        batches.append(Batch(filled, len(real), length, epoch))
    return batches


def padding_share(batches: Sequence[Batch], lengths: np.ndarray) -> float:
    """Returns the percent of the batches' tokens that are padding or rows of weight 0."""
    slots = sum(len(batch.rows) * batch.length for batch in batches)
    real = sum(int(lengths[batch.rows[: batch.real]].sum()) for batch in batches)
    return 100 * (1 - real / slots) if slots else 0.0


def padded(
    tokens: np.ndarray, offsets: np.ndarray, rows: np.ndarray, length: int, value: int
) -> np.ndarray:
    """Takes rows out of a flat array, padded on the right.

    Args:
        tokens: (tokens,), all rows one after the other.
        offsets: (rows + 1,), where each row begins, and where the last one ends.
        rows: The rows to take, (size,).
        length: The length of the result in tokens.
        value: What fills the rest.

    Returns:
        (size, length) int32.
    """
    starts = offsets[rows]
    places = np.arange(length)
    inside = places < (offsets[rows + 1] - starts)[:, None]
    out = np.full((len(rows), length), value, np.int32)
    out[inside] = tokens[(starts[:, None] + places)[inside]]
    return out


@dataclass(frozen=True)
class Feeder:
    """The batches of a fit: a function of (seed, epoch, step), so that a run can be resumed.

    Args:
        lengths: The rows' lengths in tokens, (rows,).
        batch_size: Rows per batch.
        seed: The run's seed.
        assemble: Gives the arrays of a batch: inputs by name, targets, and weights that sum to 1.
            It gets the batch and a random generator of its own.
        bucket_lengths: The lengths to pad to, ascending; None pads to the longest row of the batch.
        multiple: Every part of a batch has a multiple of so many rows (the replicas).
        accumulate: The equal parts of a batch that are computed one after the other.
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    assemble: Callable[[Batch, np.random.Generator], Arrays]
    bucket_lengths: tuple[int, ...] | None = None
    multiple: int = 1
    accumulate: int = 1
    _planned: dict[int, list[Batch]] = field(default_factory=dict, init=False, repr=False)

    @property
    def steps(self) -> int:
        """The number of batches an epoch, which is the number of optimizer steps."""
        return -(-len(self.lengths) // min(self.batch_size, len(self.lengths)))

    @property
    def parts(self) -> int:
        """The number of parts of a batch: `arrays` yields so many for every step."""
        return self.accumulate

    def plan(self, epoch: int) -> list[Batch]:
        """Returns the epoch's batches in order."""
        plan = self._planned.get(epoch)
        if plan is None:
            plan = training_plan(
                self.lengths,
                self.batch_size,
                seed=self.seed,
                epoch=epoch,
                bucket_lengths=self.bucket_lengths,
                multiple=self.multiple * self.accumulate,
            )
            self._planned.clear()
            self._planned[epoch] = plan
        return plan

    def arrays(self, epoch: int, first_step: int = 0) -> Iterator[Arrays]:
        """Yields an epoch's batches as arrays, part by part.

        Args:
            epoch: The epoch, from 0.
            first_step: The first batch to yield, from 0; the ones before are not assembled.

        Yields:
            `parts` items a batch. The weights of a part are multiplied by `parts`, so that the
            mean over the parts of the summed loss is the loss of the batch.
        """
        plan = self.plan(epoch)
        for step in range(first_step, len(plan)):
            rng = np.random.default_rng((self.seed, epoch, 1, step))
            yield from _parts(self.assemble(plan[step], rng), self.accumulate)

    def signature(self) -> tuple[dict[str, Leaf], Leaf, Leaf]:
        """Returns the shapes and dtypes of `arrays`, with None where a batch's length decides.

        Returns:
            Arrays' structure with (shape, dtype) at its leaves.
        """
        multiple = self.multiple * self.accumulate
        size = -(-min(self.batch_size, len(self.lengths)) // multiple) * multiple
        longest = int(self.lengths.max())
        short, long = (
            next(_parts(self.assemble(batch, np.random.default_rng(0)), self.accumulate))
            for batch in (
                Batch(np.zeros(size, np.int64), size, longest + more)
                for more in (0, longest + BUCKET_MULTIPLE)
            )
        )
        inputs = {name: _shape(short[0][name], long[0][name]) for name in short[0]}
        return inputs, _shape(short[1], long[1]), _shape(short[2], long[2])


def _parts(arrays: Arrays, count: int) -> Iterator[Arrays]:
    """Cuts a batch by rows into equal parts."""
    inputs, targets, weights = arrays
    size = len(weights) // count
    for start in range(0, len(weights), size):
        own = slice(start, start + size)
        cut = {name: array[own] for name, array in inputs.items()}
        yield cut, targets[own], weights[own] * np.float32(count)


def _shape(short: np.ndarray, long: np.ndarray) -> Leaf:
    pairs = zip(short.shape, long.shape, strict=True)
    return tuple(a if a == b else None for a, b in pairs), short.dtype
