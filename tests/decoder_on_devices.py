"""Label logits of prompts whose rows are on one device, and on two of JAX's.

    python -m tests.decoder_on_devices FOLDER

Prints how many devices there are, and the largest difference.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from relx.data.batches import Batch
from tests.test_decoder_classifier import SHARED, arrays_of, classifier, prompts


def logits(folder: Path, spread: bool) -> Any:
    """The logits of four prompts with a shared beginning."""
    rows = prompts(4)
    model = classifier(folder, rows[0][:SHARED])
    arrays = arrays_of(rows, SHARED)
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


def main() -> None:
    folder, devices = Path(sys.argv[1]), keras.distribution.list_devices()
    one = logits(folder, spread=False)
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    two = logits(folder, spread=True)
    print(len(devices), np.abs(one - two).max())


if __name__ == "__main__":
    main()
