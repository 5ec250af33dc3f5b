"""Numbers of an answer file as probabilities: what is near enough, and what others could be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from relx.faults import Fault
from relx.progress import say, warn

Floats = npt.NDArray[np.float64]
Place = Callable[[int], str]

EXACT = 1e-3  # sums that float32 and float16 give
ROUNDED = 1e-2  # sums of numbers that were rounded to two or three digits
_ALLOWED = "numbers from 0 to 1 whose sum is 1"


def as_shares(numbers: Floats, place: Place, name: str) -> list[tuple[int, Fault]]:
    """Makes probabilities of numbers that are nearly such, and says what the others could be.

    Rows whose sum is near 1 are divided by it. Where others are in the file, nothing is divided
    but the whole file, by one number, so that none is above 1: AUPRC asks for an order alone, which
    one number for all leaves as it is.

    Args:
        numbers: `(rows, labels)`; changed in place.
        place: Says where a row is.
        name: The file.

    Returns:
        A fault, with its row, for each row that holds nan, infinity or a negative number.
    """
    faults = [*_no_numbers(numbers, place), *_negative(numbers, place)]
    if faults:
        return faults
    with np.errstate(over="ignore"):
        sums = numbers.sum(axis=1)
    off = np.abs(sums - 1)
    if (off <= EXACT).all():
        return []
    if (off <= ROUNDED).all():
        rounded = off > EXACT
        count = int(rounded.sum())
        say(f"note: {name}: {count} rows sum to 1 but for rounding, and are divided by their sums")
        np.divide(numbers, sums[:, None], out=numbers, where=rounded[:, None])
        return []
    warn(_no_shares(sums, place, name))
    numbers /= max(1.0, float(numbers.max()))
    return []


def _no_shares(sums: Floats, place: Place, name: str) -> str:
    """Says which rows do not sum to 1, and what their numbers look like."""
    wrong = np.flatnonzero(np.abs(sums - 1) > ROUNDED)
    first = int(wrong[0])
    lowest, highest = float(sums[wrong].min()), float(sums[wrong].max())
    spread = f"{lowest:.4g}" if highest - lowest <= ROUNDED else f"{lowest:.4g} to {highest:.4g}"
    looks = ""
    if abs(lowest - 100) <= 1 and abs(highest - 100) <= 1:
        looks = ", as percentages do"
    elif highest - lowest <= ROUNDED and abs(lowest - round(lowest)) <= ROUNDED and lowest > 1:
        looks = ", as votes or sums of several models do"
    return (
        f"{name}: the numbers of {len(wrong)} of {len(sums)} rows do not sum to 1 but to "
        f"{spread}{looks} (the first: {place(first)}); AUPRC asks for none and takes them as they "
        "are; where probabilities are wanted, divide each row by its sum"
    )


def _no_numbers(numbers: Floats, place: Place) -> list[tuple[int, Fault]]:
    what = "these probabilities hold nan or infinity"
    step = "predict again with a model that has not diverged; nothing stands for such a number"
    faults = []
    for row in np.flatnonzero(~np.isfinite(_extremes(numbers)).all(axis=0)).tolist():
        received = str(numbers[row][~np.isfinite(numbers[row])][0])
        where = f"{place(row)}, column probs"
        faults.append((row, Fault(what, where, received, _ALLOWED, step, "no probabilities")))
    return faults


def _negative(numbers: Floats, place: Place) -> list[tuple[int, Fault]]:
    """Tells logits from probabilities that some arithmetic left a little below 0."""
    logits = "these look like logits: apply softmax to them, once, before writing them"
    logs = "these look like logarithms of probabilities: apply exp to them, once"
    small = "cut what is below 0 by rounding: row.clip(0), then divide the row by its sum"
    faults = []
    for row in np.flatnonzero(_extremes(numbers)[0] < 0).tolist():
        if not np.isfinite(numbers[row]).all():
            continue  # said already
        lowest, total = float(numbers[row].min()), float(np.exp(numbers[row].clip(max=1)).sum())
        step = logits
        if (numbers[row] <= 0).all() and abs(total - 1) <= ROUNDED:
            step = logs
        elif lowest >= -ROUNDED and abs(float(numbers[row].sum()) - 1) <= ROUNDED:
            step = small
        what, where = "a probability is never negative", f"{place(row)}, column probs"
        fault = Fault(what, where, str(lowest), _ALLOWED, step, "no probabilities")
        faults.append((row, fault))
    return faults


def _extremes(numbers: Floats) -> Floats:
    """Returns the least and the largest number of each row, `(2, rows)`; nan where one is nan."""
    return np.stack([numbers.min(axis=1), numbers.max(axis=1)])
