"""A tiny training on any device, also as a command: what tests compare between devices.

python tests/toy_fit.py RESULT.npz backend=jax,strategy=mirrored,virtual_devices=2 ...
"""

import sys
from dataclasses import dataclass

import numpy as np

from relx.data.batches import reading_plan
from relx.devices.device import open_device
from relx.recipe import DeviceSection, TrainSection

ROWS, CLASSES, WORDS, EPOCHS = 22, 3, 40, 2
RNG = np.random.default_rng(0)
TOKENS = [RNG.integers(1, WORDS, RNG.integers(3, 9)).astype(np.int32) for _ in range(ROWS)]
TARGETS = RNG.integers(0, CLASSES, ROWS).astype(np.int32)


class Rows:
    """The rows, in the form that a device makes a feeder of."""

    lengths = np.array([len(tokens) for tokens in TOKENS])

    @staticmethod
    def inputs(batch):
        tokens = np.zeros((len(batch.rows), batch.length), np.int32)
        for i, row in enumerate(batch.rows):
            tokens[i, : len(TOKENS[row])] = TOKENS[row]
        return {"token_ids": tokens}

    @classmethod
    def training(cls, batch, rng):
        weights = batch.weights() / np.float32(batch.real)
        return cls.inputs(batch), TARGETS[batch.rows], weights


@dataclass
class Result:
    """What a training leaves.

    Args:
        losses: Of each epoch.
        weights: All in a row.
        logits: Of every row of the task, in order (rows, classes).
        measured: The loss over all rows, as `evaluate` measures it after the last epoch.
    """

    losses: np.ndarray
    weights: np.ndarray
    logits: np.ndarray
    measured: float


def toy_model():
    import keras

    start = keras.initializers.GlorotUniform(seed=2)
    tokens = keras.Input((None,), dtype="int32", name="token_ids")
    normal = keras.initializers.RandomNormal(seed=1)
    table = keras.layers.Embedding(WORDS, 8, embeddings_initializer=normal, name="token_embedding")
    states = table(tokens)
    pooled = keras.layers.GlobalAveragePooling1D()(states)
    hidden = keras.layers.Dense(8, activation="tanh", kernel_initializer=start)(pooled)
    logits = keras.layers.Dense(CLASSES, kernel_initializer=start, dtype="float32")(hidden)
    return keras.Model({"token_ids": tokens}, logits)


def train(section, accumulate=1, rows=Rows, averages=None, **options):
    """Trains in batches of 8, of which the last is uneven and every step is clipped."""
    from relx.training.fit import compile_for
    from relx.training.steps.choose import stepping

    device = open_device(section, 0)
    feeder = device.feeder(rows, 8, 0, accumulate)
    stage = TrainSection(
        learning_rate=0.02,
        weight_decay=0.05,
        warmup=0.2,
        clip_norm=0.05,
        epochs=EPOCHS,
        accumulate=accumulate,
        **options,
    )
    with device.scope():
        model = stepping(toy_model(), device, stage, softmax=True)
    compile_for(device, model, stage, feeder.steps, label_smoothing=0.1, averages=averages)
    losses = []
    for epoch in range(EPOCHS):
        data = device.dataset(feeder, epoch)
        losses += model.fit(data, epochs=1, shuffle=False, verbose=0).history["loss"]
    logits, measured = measure(device, model)
    weights = np.concatenate([np.ravel(w) for w in model.get_weights()])
    return model, Result(np.array(losses), weights, logits, measured)


def measure(device, model):
    """Predicts and evaluates all rows, 8 at a time."""
    plan = reading_plan(
        Rows.lengths,
        8,
        bucket_lengths=device.bucket_lengths(Rows.lengths, 8),
        multiple=device.replicas,
    )
    size = len(plan[0].rows)
    inputs = {"token_ids": ((size, None), np.int32)}
    predicted = device.stream(lambda: map(Rows.inputs, plan), inputs, len(plan))
    logits = np.zeros((ROWS, CLASSES), np.float32)
    computed = device.predict(model, predicted).reshape(len(plan), size, CLASSES)
    for batch, of_batch in zip(plan, computed, strict=True):
        logits[batch.rows[: batch.real]] = of_batch[: batch.real]

    def measuring():
        for batch in plan:
            yield Rows.inputs(batch), TARGETS[batch.rows], batch.weights() / np.float32(ROWS)

    shapes = (inputs, ((size,), np.int32), ((size,), np.float32))
    loss = model.evaluate(device.stream(measuring, shapes, len(plan)), verbose=0)
    return logits, len(plan) * float(loss)


def main(path, *sections):
    """Trains on each of the devices, whole and in two parts, and writes the results."""
    results = {}
    for words in sections:
        pairs = dict(pair.split("=") for pair in words.split(","))
        section = DeviceSection(**{name: int(v) if v.isdigit() else v for name, v in pairs.items()})
        for parts in (1, 2):
            _, result = train(section, parts)
            place = f"{section.strategy}.{parts}"
            results |= {f"{place}.{name}": value for name, value in vars(result).items()}
    np.savez(path, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
