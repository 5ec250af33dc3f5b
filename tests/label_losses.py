"""The losses of many labels as their formulas have them, in numpy and float64."""

import numpy as np


def cells(rows=6, labels=5, seed=0, scale=4.0):
    """Gold cells, logits, and weights that sum to 1."""
    rng = np.random.default_rng(seed)
    true = (rng.random((rows, labels)) < 0.3).astype(np.float32)
    logits = (rng.normal(size=(rows, labels)) * scale).astype(np.float32)
    return true, logits, np.full(rows, 1 / rows, np.float32)


def binary(true, logits, positive_weights=1.0, smoothing=0.0):
    """The mean binary cross-entropy of cells."""
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    true = true * (1 - smoothing) + smoothing / 2
    costs = true * np.asarray(positive_weights) * -np.log(p) + (1 - true) * -np.log(1 - p)
    return costs.mean()


def asymmetric(true, logits, positive, negative, margin, smoothing=0.0):
    """The mean asymmetric loss of cells, as its paper defines it."""
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    shifted = np.maximum(p - margin, 0)
    if_true = (1 - p) ** positive * -np.log(p)
    if_false = shifted**negative * -np.log(1 - shifted)
    true = true * (1 - smoothing) + smoothing / 2
    return (true * if_true + (1 - true) * if_false).mean()


def differences(function, at, step=1e-5):
    """The gradient of a function of an array, by central differences in float64."""
    at, slopes = at.astype(np.float64), np.empty(at.shape)
    for place in np.ndindex(*at.shape):
        moved = np.zeros(at.shape)
        moved[place] = step
        slopes[place] = (function(at + moved) - function(at - moved)) / (2 * step)
    return slopes
