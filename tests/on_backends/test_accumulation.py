"""A batch in parts is one batch: the same update, in every precision, on every backend."""

import keras
import numpy as np
import pytest

from relx.training.losses import CrossEntropy
from relx.training.optimizer import make_optimizer

SHAPES = {"kernel": (6, 4), "bias": (4,), "gamma": (3,)}
RATE, DECAY, CLIP, WARMUP = 0.02, 0.1, 1.0, 1
NOISE = np.random.default_rng(0)
# the third gradient is large, so that some steps are clipped and some are not
GRADS = [
    [NOISE.normal(scale=9 if i == 2 else 0.1, size=s).astype(np.float32) for s in SHAPES.values()]
    for i in range(8)
]
START = [NOISE.normal(size=shape).astype(np.float32) for shape in SHAPES.values()]


class Variables:
    """As much of a model as `make_optimizer` looks at."""

    def __init__(self, policy):
        self.dtype_policy = keras.dtype_policies.get(policy)
        self.trainable_variables = [
            keras.Variable(start, name=name) for start, name in zip(START, SHAPES, strict=True)
        ]

    def values(self):
        return [keras.ops.convert_to_numpy(v) for v in self.trainable_variables]


def optimizer_for(variables, parts, steps):
    return make_optimizer(
        variables,
        learning_rate=RATE,
        weight_decay=DECAY,
        warmup=WARMUP / steps,
        clip_norm=CLIP,
        steps=steps,
        accumulate=parts,
    )


def apply(optimizer, variables, grads, backend):
    """Hands the gradients of a part to an optimizer, as the backend's loop does."""
    grads = [keras.ops.convert_to_tensor(optimizer_scale(optimizer) * grad) for grad in grads]
    if backend != "jax":
        optimizer.apply(grads)
        return
    known = [*variables.trainable_variables, *optimizer.variables]
    trained, own = optimizer.stateless_apply(
        [v.value for v in optimizer.variables],
        grads,
        [v.value for v in variables.trainable_variables],
    )
    for variable, value in zip(known, [*trained, *own], strict=True):
        variable.assign(value)


def optimizer_scale(optimizer):
    scale = getattr(optimizer, "dynamic_scale", None)
    return np.float32(1 if scale is None else keras.ops.convert_to_numpy(scale))


def as_in_the_paper(batches):
    """AdamW after Loshchilov & Hutter's algorithm 2, with a clipped gradient, in float64."""
    values = [start.astype(np.float64) for start in START]
    means, squares = [0 * v for v in values], [0 * v for v in values]
    steps = len(batches)
    for step, grads in enumerate(batches, start=1):
        norm = np.sqrt(sum((grad**2).sum() for grad in grads))
        rate = RATE * min(step / WARMUP, (steps - step + 1) / (steps - WARMUP), 1)
        for i, name in enumerate(SHAPES):
            grad = grads[i] * min(1, CLIP / norm)
            means[i] = 0.9 * means[i] + 0.1 * grad
            squares[i] = 0.999 * squares[i] + 0.001 * grad**2
            root = np.sqrt(squares[i] / (1 - 0.999**step)) + 1e-8
            values[i] *= 1 - (rate * DECAY if name == "kernel" else 0)
            values[i] -= rate * means[i] / (1 - 0.9**step) / root
    return values


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("parts", [1, 4])
def test_the_parts_of_a_batch_make_one_step_of_the_papers(open_, backend, parts, policy):
    open_(policy)
    steps = len(GRADS) // parts
    variables = Variables(policy)
    optimizer = optimizer_for(variables, parts, steps)
    for grads in GRADS:
        apply(optimizer, variables, grads, backend)
    batches = [GRADS[i : i + parts] for i in range(0, len(GRADS), parts)]
    means = [[np.mean(grads, axis=0, dtype=np.float64) for grads in zip(*b)] for b in batches]  # noqa: B905
    for ours, papers in zip(variables.values(), as_in_the_paper(means), strict=True):
        np.testing.assert_allclose(ours, papers, atol=4e-6, rtol=0)
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) == steps
    assert all(not keras.ops.convert_to_numpy(v).any() for v in optimizer.passing)


def test_one_part_that_overflows_skips_the_whole_batch(open_, backend):
    open_("mixed_float16")
    variables = Variables("mixed_float16")
    optimizer = optimizer_for(variables, parts=4, steps=2)
    before = variables.values()
    scale = optimizer_scale(optimizer)
    for part, grads in enumerate(GRADS[:4]):
        grads = [np.full_like(grad, np.inf) for grad in grads] if part == 1 else grads
        apply(optimizer, variables, grads, backend)
    for now, earlier in zip(variables.values(), before, strict=True):
        assert (now == earlier).all()
    assert optimizer_scale(optimizer) == scale / 2
    for grads in GRADS[4:]:
        apply(optimizer, variables, grads, backend)
    assert np.isfinite(variables.values()[0]).all()
    assert (variables.values()[0] != before[0]).all()


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_variables_hold_all_of_a_batch_half_done(open_, backend, policy):
    open_(policy)

    def stopped_after(parts):
        variables = Variables(policy)
        optimizer = optimizer_for(variables, parts=4, steps=2)
        for grads in GRADS[:parts]:
            apply(optimizer, variables, grads, backend)
        kept = [*variables.trainable_variables, *optimizer.variables]
        values = [keras.ops.convert_to_numpy(v) for v in kept]
        variables = Variables(policy)
        optimizer = optimizer_for(variables, parts=4, steps=2)
        kept = [*variables.trainable_variables, *optimizer.variables]
        for variable, value in zip(kept, values, strict=True):
            variable.assign(value)
        for grads in GRADS[parts:]:
            apply(optimizer, variables, grads, backend)
        return variables.values()

    for halfway, at_the_end in zip(stopped_after(2), stopped_after(len(GRADS)), strict=True):
        assert (halfway == at_the_end).all()


def test_a_model_learns_the_same_from_a_batch_in_parts(open_):
    rows = np.random.default_rng(1).normal(size=(24, 5)).astype(np.float32)
    targets = np.arange(24, dtype=np.int32) % 3

    def learnt(parts):
        device = open_()
        inputs = keras.Input((5,), name="rows")
        model = keras.Model(
            {"rows": inputs}, keras.layers.Dense(3, kernel_initializer="ones")(inputs)
        )
        model.compile(
            optimizer_for(model, parts, steps=6),
            CrossEntropy(),
            jit_compile=device.compiles,
            auto_scale_loss=False,
        )
        size = 8 // parts
        weights = np.full(size, parts / 8, np.float32)
        cuts = [slice(start, start + size) for start in range(0, 24, size)]
        batches = [({"rows": rows[cut]}, targets[cut], weights) for cut in cuts]
        shapes = ({"rows": ((size, 5), np.float32)}, ((size,), np.int32), ((size,), np.float32))
        data = device.stream(lambda: iter(batches), shapes, len(batches))
        history = model.fit(data, epochs=1, shuffle=False, verbose=0)
        return history.history["loss"][0], np.concatenate(
            [np.ravel(w) for w in model.get_weights()]
        )

    for whole, in_parts in zip(learnt(1), learnt(4), strict=True):
        np.testing.assert_allclose(whole, in_parts, atol=1e-6, rtol=0)
