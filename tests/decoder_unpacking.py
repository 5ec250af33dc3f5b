"""Kernels brought back to floats, on the backend that KERAS_BACKEND names.

    python -m tests.decoder_unpacking STORED OUT

STORED is an npz of `format.n.kernel` and perhaps `.scale`; OUT becomes one of `format.n.type` as
they are by themselves, and `format.n.type.product` as a compiled product with 1 has them.
"""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.models.decoder.layers.formats import dequantized
from relx.models.decoder.layers.linear import FrozenLinear
from relx.models.decoder.layers.products import unpacked


def product(stored: dict[str, np.ndarray], format_: Any) -> np.ndarray:
    """Multiplies the unit matrix with a kernel, in a compiled model."""
    inputs, outputs = dequantized(stored, format_).shape
    layer = FrozenLinear(inputs, outputs, format_)
    layer.fill(stored)
    x = keras.Input((inputs,))
    return keras.Model(x, layer(x)).predict(np.eye(inputs, dtype=np.float32), verbose=0)


def main(source: str, out: str) -> None:
    arrays = np.load(source)
    found = {}
    for name in sorted({key.rpartition(".")[0] for key in arrays}):
        format_ = name.partition(".")[0]
        stored = {key: arrays[f"{name}.{key}"] for key in ("kernel", "scale")}
        kernel, scale = (ops.convert_to_tensor(stored[key]) for key in ("kernel", "scale"))
        for dtype in ("float32", "bfloat16"):
            floats = ops.cast(unpacked(kernel, scale, format_, dtype), "float32")
            found[f"{name}.{dtype}"] = ops.convert_to_numpy(floats)
        found[f"{name}.float32.product"] = product(stored, format_)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
