"""A learning rate that falls by layer is the variable's own, and so is its weight decay."""

import keras
import numpy as np
import pytest
from test_accumulation import CLIP, DECAY, GRADS, RATE, SHAPES, START, WARMUP, Variables, apply

from relx.training.optimizer import make_optimizer

SHARES = (0.25, 1.0, 0.5)


def as_in_the_papers(batches):
    """AdamW with a rate a variable, in float64."""
    values = [start.astype(np.float64) for start in START]
    means, squares = [0 * v for v in values], [0 * v for v in values]
    steps = len(batches)
    for step, grads in enumerate(batches, start=1):
        norm = np.sqrt(sum((grad**2).sum() for grad in grads))
        common = RATE * min(step / WARMUP, (steps - step + 1) / (steps - WARMUP), 1)
        for i, name in enumerate(SHAPES):
            rate, grad = common * SHARES[i], grads[i] * min(1, CLIP / norm)
            means[i] = 0.9 * means[i] + 0.1 * grad
            squares[i] = 0.999 * squares[i] + 0.001 * grad**2
            root = np.sqrt(squares[i] / (1 - 0.999**step)) + 1e-8
            values[i] *= 1 - (rate * DECAY if name == "kernel" else 0)
            values[i] -= rate * means[i] / (1 - 0.9**step) / root
    return values


@pytest.mark.parametrize(("policy", "parts"), [("float32", 1), ("mixed_float16", 4)])
def test_each_variable_has_its_share_of_the_rate(open_, backend, policy, parts):
    open_(policy)
    variables, steps = Variables(policy), len(GRADS) // parts
    settings = {"weight_decay": DECAY, "warmup": WARMUP / steps, "clip_norm": CLIP}
    optimizer = make_optimizer(
        variables, learning_rate=RATE, steps=steps, accumulate=parts, shares=SHARES, **settings
    )
    for grads in GRADS:
        apply(optimizer, variables, grads, backend)
    batches = [GRADS[i : i + parts] for i in range(0, len(GRADS), parts)]
    means = [[np.mean(g, axis=0, dtype=np.float64) for g in zip(*b, strict=True)] for b in batches]
    for ours, papers in zip(variables.values(), as_in_the_papers(means), strict=True):
        np.testing.assert_allclose(ours, papers, atol=4e-6, rtol=0)


def test_a_share_of_the_whole_changes_no_bit(open_, backend):
    open_()
    results = []
    for shares in (None, (1.0, 1.0, 1.0)):
        variables, settings = Variables("float32"), {"weight_decay": DECAY, "clip_norm": CLIP}
        optimizer = make_optimizer(
            variables, learning_rate=RATE, warmup=0.0, steps=9, shares=shares, **settings
        )
        for grads in GRADS:
            apply(optimizer, variables, grads, backend)
        results.append([keras.ops.convert_to_numpy(v) for v in variables.trainable_variables])
    assert all((a == b).all() for a, b in zip(*results, strict=True))
