"""Weights of several sets of predictions, found on rows that none of them was trained on.

The loss of a mean of probabilities, and that of a mean of their logarithms, is a convex function of
the weights. It is lowered by Newton's method on the simplex, until no weights can be better by more
than `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from relx.scoring.blending.means import LEAST, Floats, Mean, settled

TOLERANCE = 1e-7  # nats a row or cell by which the loss may be above the lowest there is
ROUNDS = 200
Bools = npt.NDArray[np.bool_]
# The loss of weights, its gradient (members,), and its second derivatives (members, members).
Loss = Callable[[Floats], tuple[float, Floats, Floats]]


def likelihoods(shares: Sequence[Floats], gold: Bools, *, many: bool) -> Floats:
    """Returns the probability that each member gave to what is right.

    Args:
        shares: Each member's probabilities, `(rows, labels)`.
        gold: Which labels are right, `(rows, labels)`.
        many: Whether a row may have any number of labels: then every cell counts.

    Returns:
        `(members, rows)`, or `(members, rows × labels)`; none below `LEAST`.
    """
    if many:
        given = [np.where(gold, share, 1 - share).ravel() for share in shares]
    else:
        given = [share[gold] for share in shares]
    return np.asarray(np.maximum(np.stack(given), LEAST))


def likeliest_weights(parts: Sequence[Floats], gold: Bools, mean: Mean, *, many: bool) -> Floats:
    """Finds the weights of a mean under which what is right is most likely.

    Args:
        parts: What `lifted` gave of each member, `(rows, labels)`.
        gold: Which labels are right, `(rows, labels)`.
        mean: `probabilities` or `log`: ranks are no probabilities, and have no likelihood.
        many: Whether a row may have any number of labels.

    Returns:
        `(members,)`, none negative, their sum 1. The mean log-loss of a row, or of a cell, is above
        the lowest that weights can reach by at most `TOLERANCE`.

    Raises:
        ValueError: The mean is one of ranks.
    """
    if mean == "ranks":
        raise ValueError("ranks have no likelihood")
    if mean == "probabilities":
        return _lowest(_mixture_loss(likelihoods(parts, gold, many=many)), len(parts))
    stack = np.stack(parts).reshape(len(parts), -1)  # (members, rows × labels)
    return _lowest(_geometric_loss(stack, gold, many), len(parts))


def _mixture_loss(given: Floats) -> Loss:
    """Minus the mean log-likelihood of a mixture, of what `likelihoods` returned."""

    def loss(weights: Floats) -> tuple[float, Floats, Floats]:
        mixed = weights @ given  # (cells,)
        ratio = given / mixed
        hessian = ratio @ ratio.T / given.shape[1]
        return -float(np.log(mixed).mean()), -ratio.mean(axis=1), hessian

    return loss


def _geometric_loss(stack: Floats, gold: Bools, many: bool) -> Loss:
    """The mean log-loss of a mean of log-odds, or of logarithms of which a row sums to 1."""
    right = gold.ravel().astype(np.float64)
    count = right.size if many else len(gold)

    def loss(weights: Floats) -> tuple[float, Floats, Floats]:
        shares = settled((weights @ stack).reshape(gold.shape), "log", many=many)
        given = likelihoods([shares], gold, many=many)
        flat = shares.ravel()
        gradient = stack @ (flat - right) / count
        if many:
            scaled = stack * np.sqrt(flat * (1 - flat))
        else:  # the covariance of the logarithms within a row
            cube = stack.reshape(len(stack), *gold.shape)
            mean = (cube * shares).sum(axis=2, keepdims=True)
            scaled = ((cube - mean) * np.sqrt(shares)).reshape(stack.shape)
        return -float(np.log(given).mean()), gradient, scaled @ scaled.T / count

    return loss


def _lowest(loss: Loss, members: int) -> Floats:
    """Lowers a convex loss over weights that are not negative and sum to 1.

    No weights have a loss that is lower by more than `gradient · weights - min(gradient)` (the
    duality gap of Frank and Wolfe 1956, "An algorithm for quadratic programming").
    """
    weights = np.full(members, 1 / members)
    value, gradient, hessian = loss(weights)
    for _ in range(ROUNDS):
        if gradient @ weights - gradient.min() <= TOLERANCE:
            break
        move = _newton(weights, gradient, hessian) - weights
        slope, step = float(gradient @ move), 1.0
        tried = loss(weights + move)
        while tried[0] > value + 0.01 * step * slope and step > 1e-6:
            step /= 2
            tried = loss(weights + step * move)
        weights = weights + step * move
        value, gradient, hessian = tried
    return np.asarray(weights)


def _newton(weights: Floats, gradient: Floats, hessian: Floats) -> Floats:
    """Returns the weights at which the second-order model of a loss is lowest.

    An active-set method: it moves to the lowest point of the weights that are free to move; one
    that becomes 0 on the way is held there, and one whose rise would lower the model is let go.
    """
    count = len(weights)
    hessian = hessian + 1e-10 * (np.trace(hessian) + 1e-9) * np.eye(count)  # members may be equal
    found, free = weights.copy(), weights > 0
    for _ in range(20 * count):
        slope = gradient + hessian @ (found - weights)
        move = _move(slope, hessian, free)
        falling = move < 0
        steps = np.full(count, np.inf)
        steps[falling] = -found[falling] / move[falling]
        step = min(1.0, float(steps.min()))
        found = np.maximum(found + step * move, 0)
        if step < 1:
            held = int(steps.argmin())
            found[held], free[held] = 0, False
            continue
        slope = gradient + hessian @ (found - weights)
        gain = slope - slope[free].mean()
        if free.all() or gain[~free].min() >= -1e-12:
            break
        free[np.where(free, np.inf, gain).argmin()] = True
    return np.asarray(found / found.sum())


def _move(slope: Floats, hessian: Floats, free: Bools) -> Floats:
    """Returns the step to the lowest point of a quadratic model, the sum of weights unchanged."""
    places = np.flatnonzero(free)
    size = len(places)
    system = np.ones((size + 1, size + 1))
    system[:size, :size], system[size, size] = hessian[np.ix_(places, places)], 0
    move = np.zeros(len(slope))
    move[places] = np.linalg.lstsq(system, np.append(-slope[places], 0), rcond=None)[0][:size]
    return move
