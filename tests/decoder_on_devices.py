"""Label logits of prompts whose rows are on one device, and on two of JAX's.

    python -m tests.decoder_on_devices FOLDER mirrored|model_parallel FORMAT

Prints how many devices there are, the largest difference, and the share of the kernels that one
holds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from keras import ops

from relx.data.batches import Batch
from relx.devices.backends.divided import DividedWeights
from tests.test_decoder_classifier import SHARED, arrays_of, classifier, prompts


def model_of(folder: Path, format_: str) -> Any:
    """The classifier, its kernels in a format."""
    return classifier(folder, prompts(4)[0][:SHARED], format_=format_)


def logits(model: Any, spread: bool) -> Any:
    """The logits of four prompts with a shared beginning."""
    arrays = arrays_of(prompts(4), SHARED)
    inputs = arrays.inputs(Batch(np.arange(4), 4, int(arrays.lengths.max())))
    if spread:
        distribution = keras.distribution.distribution()
        inputs = {
            name: keras.distribution.distribute_tensor(
                ops.convert_to_tensor(value), distribution.get_data_layout(value.shape)
            )
            for name, value in inputs.items()
        }
        assert all(len(value.sharding.device_set) == 2 for value in inputs.values())
    return ops.convert_to_numpy(model(inputs, training=False))


def share(model: Any) -> float:
    """The share of the kernels' bytes that the first device holds."""
    values = [v.value for v in model.variables if len(v.shape) > 1]
    return sum(v.addressable_shards[0].data.nbytes for v in values) / sum(v.nbytes for v in values)


def main() -> None:
    folder, strategy, format_ = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    devices = jax.devices()
    one = logits(model_of(folder, format_), spread=False)
    if strategy == "model_parallel":
        distribution = DividedWeights(devices)
    else:
        distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices())
    keras.distribution.set_distribution(distribution)
    model = model_of(folder, format_)
    print(len(devices), np.abs(one - logits(model, spread=True)).max(), share(model))


if __name__ == "__main__":
    main()
