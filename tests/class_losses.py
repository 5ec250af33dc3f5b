"""The losses of one label as their formulas have them, in numpy and float64."""

import numpy as np


def classes(rows=6, labels=5, seed=0, scale=3.0):
    """True classes, logits, and weights that sum to 1."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, labels, rows).astype(np.int32)
    logits = (rng.normal(size=(rows, labels)) * scale).astype(np.float32)
    return true, logits, np.full(rows, 1 / rows, np.float32)


def shares(logits):
    """The softmax of each row."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(axis=-1, keepdims=True)


def smoothed(true, labels, smoothing):
    """The shares that label smoothing makes of true classes, (rows, labels)."""
    return (1 - smoothing) * np.eye(labels)[true] + smoothing / labels


def divergence(soft, logits, temperature):
    """KL of the softmax of logits from shares, both at the temperature, times its square."""
    q = soft ** (1 / temperature)
    q = q / q.sum(axis=-1, keepdims=True)
    p = shares(np.asarray(logits, np.float64) / temperature)
    logs = np.log(np.where(q > 0, q, 1)) - np.log(p)
    return temperature**2 * (q * logs).sum(axis=-1)


def binary_divergence(soft, logits, temperature):
    """The mean over labels of KL of the sigmoid of logits, likewise."""
    true, false = soft ** (1 / temperature), (1 - soft) ** (1 / temperature)
    q = true / (true + false)
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64) / temperature))
    parts = [x * (np.log(np.where(x > 0, x, 1)) - np.log(y)) for x, y in ((q, p), (1 - q, 1 - p))]
    return temperature**2 * sum(parts).mean(axis=-1)


def cross_entropy(true, logits, smoothing=0.0):
    """The cross-entropy of each row."""
    p = shares(np.asarray(logits, np.float64))
    return -(smoothed(true, p.shape[-1], smoothing) * np.log(p)).sum(axis=-1)


def focal(true, logits, gamma, smoothing=0.0):
    """The mean focal loss of rows."""
    p = shares(np.asarray(logits, np.float64))
    truth = smoothed(true, p.shape[-1], smoothing)
    return (truth * (1 - p) ** gamma * -np.log(p)).sum(axis=-1).mean()
