"""Out of memory: the message names the batch that was computed, and what to set."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from relx.data.batches import Batch
from relx.devices.device import open_device
from relx.devices.memory import BatchWatch, memory_faults
from relx.faults import InputError
from relx.recipe import DeviceSection

PLAN = [Batch(np.zeros(8, np.int64), 8, length) for length in (64, 96, 32)]


@pytest.fixture
def device():
    return open_device(DeviceSection(precision="float32"), 0)


class Full(keras.layers.Layer):
    """A layer that finds no memory for rows of one length."""

    def __init__(self, length):
        super().__init__()
        self.length = length

    def call(self, rows):
        out = tf.errors.ResourceExhaustedError
        if rows.shape[1] == self.length:
            raise out(None, None, "OOM when allocating tensor")
        return keras.ops.sum(rows, axis=1)


def model_and_batches(rows, parts=1):
    inputs = keras.Input((None,), name="rows")
    outputs = keras.layers.Dense(2)(keras.layers.Reshape((1,))(Full(96)(inputs)))
    model = keras.Model({"rows": inputs}, outputs)
    model.compile("sgd", "mse", run_eagerly=True)
    batches = [
        ({"rows": np.zeros((rows, batch.length), np.float32)}, np.zeros((rows, 2), np.float32))
        for batch in PLAN
        for _ in range(parts)
    ]
    return model, batches


def stream(device, batches):
    size = len(batches[0][1])
    shapes = ({"rows": ((size, None), np.float32)}, ((size, 2), np.float32), ((size,), np.float32))
    weighted = [(*batch, np.ones(size, np.float32)) for batch in batches]
    return device.stream(lambda: iter(weighted), shapes, len(batches))


def caught(device, stage, watch, compute):
    with pytest.raises(InputError) as caught_error, memory_faults(device, stage, watch):
        compute()
    return str(caught_error.value)


def test_a_fit_names_the_part_that_was_computed(device):
    model, batches = model_and_batches(rows=4, parts=2)
    watch = BatchWatch(PLAN, parts=2)
    data = stream(device, batches)
    message = caught(device, "train", watch, lambda: model.fit(data, verbose=0, callbacks=[watch]))
    assert message.startswith("train: there is not enough memory")
    assert "4 rows x 96 tokens at once, CPU" in message
    assert "tensorflow, float32" in message
    assert "--set train.accumulate=4 computes the same batch in parts of 2 rows" in message
    assert "lower train.batch_size" in message
    assert "tokens.max_length, device.precision=mixed_bfloat16" in message


def test_a_fit_that_goes_on_counts_from_its_first_step(device):
    model, batches = model_and_batches(rows=8)
    watch = BatchWatch(PLAN, first_step=1)
    message = caught(
        device,
        "tapt",
        watch,
        lambda: model.fit(stream(device, batches[1:]), verbose=0, callbacks=[watch]),
    )
    assert "8 rows x 96 tokens" in message
    assert "--set tapt.accumulate=2" in message


@pytest.mark.parametrize("loop", ["predict", "evaluate"])
def test_the_other_loops_name_theirs(device, loop):
    model, batches = model_and_batches(rows=8)
    watch = BatchWatch(PLAN)
    run = getattr(model, loop)
    message = caught(
        device, "predict", watch, lambda: run(stream(device, batches), verbose=0, callbacks=[watch])
    )
    assert "8 rows x 96 tokens" in message
    assert "--set predict.batch_size=4 (relx predict: --batch-size 4)" in message


def test_a_single_row_has_no_smaller_batch(device):
    watch = BatchWatch([Batch(np.zeros(1, np.int64), 1, 512)])

    def full():
        raise MemoryError

    message = caught(device, "predict", watch, full)
    assert "the batch cannot be made smaller; or a lower tokens.max_length" in message


def test_other_errors_pass(device):
    with pytest.raises(ZeroDivisionError), memory_faults(device, "train", BatchWatch(PLAN)):
        print(1 / 0)


REAL = """
import resource
from pathlib import Path

import numpy as np

from relx.data.batches import Batch
from relx.devices.device import open_device
from relx.faults import InputError
from relx.recipe import DeviceSection

device = open_device(DeviceSection(precision="float32"), 0)

import keras

from relx.devices.memory import BatchWatch, memory_faults

rows = keras.Input((8,))
model = keras.Model(rows, keras.layers.Dense(60_000)(rows))
model.predict(np.zeros((2, 8), np.float32), verbose=0)
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 2**29
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
watch = BatchWatch([Batch(np.zeros(8192, np.int64), 8192, 8)])
try:
    with memory_faults(device, "predict", watch):
        model.predict(np.zeros((8192, 8), np.float32), batch_size=8192, verbose=0)
except InputError as error:
    print(error)
"""


def test_memory_that_really_ends_is_said():
    if not Path("/proc/self/statm").exists():
        pytest.skip("the size of a process is read from /proc")
    # oneDNN's own allocations are not TensorFlow's: it ends the process
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"}
    words = [sys.executable, "-c", REAL]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.startswith("predict: there is not enough memory"), done.stderr
    assert "8192 rows x 8 tokens" in done.stdout
