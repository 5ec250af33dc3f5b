"""Which tokens are hidden at a step: drawn anew each time, from the generator alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int32]

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stays (Devlin et al. 2019, BERT)


@dataclass(frozen=True, slots=True)
class Masked:
    """A batch with tokens hidden.

    Args:
        token_ids: (batch, length) int32, what the encoder sees.
        positions: (batch, slots) int32, where the chosen tokens are, ascending; then zeros.
        targets: (batch, slots) int32, the original ids; zero beyond the chosen tokens.
        weights: (batch, slots) float32, 1 for a chosen token and 0 beyond.
    """

    token_ids: Integers
    positions: Integers
    targets: Integers
    weights: npt.NDArray[np.float32]

    def filled(self, size: int) -> Masked:
        """Returns the batch with its first row repeated until there are `size` rows."""
        rows = np.arange(size) * (np.arange(size) < len(self.token_ids))
        return Masked(
            self.token_ids[rows], self.positions[rows], self.targets[rows], self.weights[rows]
        )


def slots(length: int, rate: float) -> int:
    """Returns how many places the masks of a row need at most.

    Args:
        length: The row's length in tokens, padding included.
        rate: The share of tokens to choose.

    Returns:
        The number of slots, at least 1.
    """
    return max(1, math.ceil(rate * length))


def draw_masks(
    token_ids: Integers,
    units: Integers,
    rng: np.random.Generator,
    *,
    rate: float,
    slots: int,
    mask_id: int,
    random_ids: Integers,
) -> Masked:
    """Chooses units at random until the rate is reached, and hides their tokens.

    A row may have `max(1, round(rate * eligible))` tokens chosen. Its units come in random order
    and are taken whole; one that no longer fits is passed over. Where every unit is larger than
    that, the smallest is taken, as far as the slots go. Of the chosen tokens 80 % become the
    mask, 10 % a random token, and 10 % stay.

    Args:
        token_ids: (batch, length) int32.
        units: (batch, length) int32: tokens of equal number in a row are chosen together,
            numbered from 0; -1 where a token may not be chosen.
        rng: Where all chance comes from.
        rate: The share of the eligible tokens to choose.
        slots: The most tokens chosen in a row, the second dimension of the result.
        mask_id: The mask token.
        random_ids: (choices,) int32, the tokens that may stand in for another.

    Returns:
        The batch with tokens hidden.
    """
    chosen = _chosen(units, rng, rate, slots)
    positions, weights = _positions(chosen, slots)
    targets = np.where(weights > 0, np.take_along_axis(token_ids, positions, axis=1), 0)
    fate = rng.random(positions.shape)
    others = random_ids[rng.integers(len(random_ids), size=positions.shape)]
    seen = np.where(fate < MASKED, mask_id, np.where(fate < MASKED + RANDOM, others, targets))
    hidden = token_ids.astype(np.int32)
    rows, slot = np.nonzero(weights)
    hidden[rows, positions[rows, slot]] = seen[rows, slot]
    return Masked(
        token_ids=hidden,
        positions=positions.astype(np.int32),
        targets=targets.astype(np.int32),
        weights=weights,
    )


def _chosen(
    units: Integers, rng: np.random.Generator, rate: float, slots: int
) -> npt.NDArray[np.bool_]:
    """Says of each token whether it is chosen: (batch, length)."""
    eligible = units >= 0
    sizes = _sizes(units, eligible)  # (batch, units)
    count = eligible.sum(axis=1)
    budget = np.clip(np.rint(rate * count), np.minimum(1, count), slots).astype(np.int64)
    order = np.argsort(np.where(sizes > 0, rng.random(sizes.shape), 2.0), axis=1)
    taken = _taken(np.take_along_axis(sizes, order, axis=1), budget)
    of_unit = np.zeros(sizes.shape, bool)
    np.put_along_axis(of_unit, order, taken, axis=1)
    chosen = eligible & np.take_along_axis(of_unit, np.where(eligible, units, 0), axis=1)
    # Only a row whose every unit is larger than the budget can have more tokens than slots.
    within: npt.NDArray[np.bool_] = chosen & (np.cumsum(chosen, axis=1) <= slots)
    return within


def _sizes(units: Integers, eligible: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many tokens each unit of each row has: (batch, units)."""
    batch, width = len(units), max(1, int(units.max(initial=-1)) + 1)
    numbers = (units + width * np.arange(batch)[:, None])[eligible]
    return np.bincount(numbers, minlength=batch * width).reshape(batch, width)


def _taken(sizes: npt.NDArray[np.int64], budget: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Goes through the units in the order of `sizes`, all rows at once, and takes what fits."""
    taken = np.zeros(sizes.shape, bool)
    left = budget.copy()
    for i in range(sizes.shape[1]):
        size = sizes[:, i]
        taken[:, i] = (size > 0) & (size <= left)
        left -= size * taken[:, i]
        if not left.any():
            break
    smallest = np.where(sizes > 0, sizes, np.iinfo(np.int64).max).argmin(axis=1)
    none = ~taken.any(axis=1) & (sizes > 0).any(axis=1)
    taken[none, smallest[none]] = True
    return taken


def _positions(
    chosen: npt.NDArray[np.bool_], slots: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Where the chosen tokens are, ascending, and the weights: (batch, slots) each."""
    positions = np.zeros((len(chosen), slots), np.int64)
    weights = np.zeros((len(chosen), slots), np.float32)
    rows, columns = np.nonzero(chosen)
    slot = (np.cumsum(chosen, axis=1) - 1)[rows, columns]
    positions[rows, slot] = columns
    weights[rows, slot] = 1
    return positions, weights
