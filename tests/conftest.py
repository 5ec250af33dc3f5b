"""Every test process has two virtual CPU devices, so that strategies can be tried without GPUs."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

VIRTUAL_DEVICES = 2

# these run in processes of their own: see test_backends.py
collect_ignore = ["on_backends"]

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration() for _ in range(VIRTUAL_DEVICES)],
)

LAST = ("test_engine.py", "test_predict.py")


def pytest_collection_modifyitems(items):
    """Puts the tests that convert models with OpenVINO last.

    TensorFlow has crashed in fits that came after a conversion in the same process; a command never
    does both. `make test` keeps the order of files when it shares them among processes.
    """
    items.sort(key=lambda item: item.path.name in LAST)
