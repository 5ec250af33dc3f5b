"""Gradients of a tiny decoder's adapters, on the backend that KERAS_BACKEND names.

    python -m tests.decoder_gradients FOLDER CASES OUT

CASES is JSON: settings of `Case` by name; OUT becomes an npz of `case.layer.part.a` and `.b`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROWS, BEGINNING, REST, VOCABULARY = 5, 9, 13, 160
RANK, ALPHA = 4, 8.0


@dataclass(frozen=True, slots=True)
class Case:
    """What one computation of gradients is done with."""

    format_: str = "float32"
    shared: bool = False  # the beginning of all rows computed once
    remat: bool = False
    dropout: float = 0.0


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Makes rows with one beginning, padded on the right, and the weights of their states."""
    rng = np.random.default_rng(3)
    ids = rng.integers(3, VOCABULARY, (ROWS, BEGINNING + REST)).astype(np.int32)
    ids[:, :BEGINNING] = ids[0, :BEGINNING]
    lengths = np.linspace(4, REST, ROWS).astype(int)
    mask = np.arange(REST) < lengths[:, None]
    ids[:, BEGINNING:] *= mask
    weights = rng.normal(size=(ROWS, REST, 64)) * mask[:, :, None] / mask.sum()
    return ids, weights.astype(np.float32)


def adapter_values(i: int, shape: tuple[int, ...], which: str) -> np.ndarray:
    """Draws A or B of the adapter with the number `i`; neither is 0."""
    rng = np.random.default_rng((7, i, which == "b"))
    return rng.normal(0, 0.05, shape).astype(np.float32)


def gradients(folder: Path, case: Case) -> dict[str, np.ndarray]:
    from keras import ops

    from relx.models.decoder.configurations.families import read_configuration
    from relx.models.decoder.files.load import load_decoder
    from relx.models.decoder.layers.linear import Lora

    parts = read_configuration(folder).linear_shapes()
    adapters = dict.fromkeys(parts, Lora(RANK, ALPHA, case.dropout))
    decoder = load_decoder(folder, case.format_, adapters, remat=case.remat).decoder
    named: dict[str, Any] = {}
    for i, (name, part) in enumerate(decoder.adapted_parts().items()):
        for which, variable in (("a", part.lora_a), ("b", part.lora_b)):
            variable.assign(adapter_values(i, variable.shape, which))
            named[f"{name}.{which}"] = variable
    assert {id(v) for v in decoder.trainable_variables} == {id(v) for v in named.values()}
    ids, weights = batch()

    def loss() -> Any:
        beginning, rest = None, ids
        if case.shared:
            beginning, rest = ops.convert_to_tensor(ids[:1, :BEGINNING]), ids[:, BEGINNING:]
        states = decoder(ops.convert_to_tensor(rest), beginning, training=True)
        return ops.sum(states[:, -REST:] * ops.convert_to_tensor(weights))

    found = _differentiated(loss, decoder, list(named.values()))
    return dict(zip(named, map(ops.convert_to_numpy, found), strict=True))


def _differentiated(loss: Any, decoder: Any, variables: list[Any]) -> list[Any]:
    """Differentiates as training does: in a graph, compiled, or as PyTorch does."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function
        def graph() -> Any:
            with tf.GradientTape() as tape:
                value = loss()
            return tape.gradient(value, [v.value for v in variables])

        pairs = zip(graph(), variables, strict=True)
        return [tf.zeros(v.shape) if found is None else found for found, v in pairs]
    if backend == "jax":
        import jax

        states = [(v, v.value) for v in decoder.non_trainable_variables]

        def pure(values: list[Any]) -> Any:
            pairs = [*zip(variables, values, strict=True), *states]
            with keras.StatelessScope(state_mapping=pairs):
                return loss()

        return jax.jit(jax.grad(pure))([v.value for v in variables])
    loss().backward()
    return [v.value.grad for v in variables]


def main(folder: str, cases: str, out: str) -> None:
    found = {
        f"{name}.{variable}": values
        for name, settings in json.loads(cases).items()
        for variable, values in gradients(Path(folder), Case(**settings)).items()
    }
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
