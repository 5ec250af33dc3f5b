"""How much memory a training step over frozen layers takes, on the backend of KERAS_BACKEND.

    python -m tests.decoder_step_memory FORMAT KEPT_IN_ORDER

Prints the peak of a step above what was held before it, in bytes; on JAX what its compiler has
planned, as memory that was used once is kept there.
"""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.layers import products
from relx.models.decoder.layers.formats import quantize
from relx.models.decoder.layers.linear import FrozenLinear, Lora

WIDTH, LAYERS, TOKENS = 1024, 32, 8
FLOATS = 4 * WIDTH * WIDTH * LAYERS  # bytes of all kernels


class Block(keras.layers.Layer):
    """A frozen layer with an adapter, computed again on the way back."""

    def __init__(self, format_: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.linear = FrozenLinear(WIDTH, WIDTH, format_, lora=Lora(4, 8.0))
        self.built = True

    def call(self, x: Any) -> Any:
        return keras.remat(lambda x: x + ops.tanh(self.linear(x)))(x)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def model_of(format_: Any) -> keras.Model:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((WIDTH, WIDTH), np.float32) * np.float32(0.02)
    x = y = keras.Input((TOKENS, WIDTH))
    for _ in range(LAYERS):
        block = Block(format_)
        stored = quantize(lambda start, end: values[start:end], WIDTH, WIDTH, format_)
        block.linear.fill(stored)
        block.linear.start_adapter(rng)
        y = block(y)
    model = keras.Model(x, y)
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=False)
    return model


def planned(model: keras.Model, x: np.ndarray) -> int:
    """Compiles the gradients of the adapters with JAX, and returns what they need meanwhile."""
    import jax

    frozen = [v.value for v in model.non_trainable_variables]

    def loss(adapters: list[Any], frozen: list[Any]) -> Any:
        return ops.sum(ops.square(model.stateless_call(adapters, frozen, x, training=True)[0]))

    adapters = [v.value for v in model.trainable_variables]
    compiled = jax.jit(jax.grad(loss)).lower(adapters, frozen).compile()
    return int(compiled.memory_analysis().temp_size_in_bytes)


def held() -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024


def peak_of(work: Any) -> int:
    before, most, done = held(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], held())

    thread = threading.Thread(target=watch)
    thread.start()
    work()
    done.set()
    thread.join()
    return most[0] - before


def main(format_: str, in_order: str) -> None:
    if in_order == "no":
        products._after = lambda kernel, x: kernel
    model = model_of(format_)
    x = np.ones((1, TOKENS, WIDTH), np.float32)
    if keras.backend.backend() == "jax":
        print(planned(model, x))
        return
    y = x * 0
    model.train_on_batch(x, y)  # compiles, which takes memory of its own
    print(peak_of(lambda: [model.train_on_batch(x, y) for _ in range(2)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
