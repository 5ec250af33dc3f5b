"""Every test process has two virtual CPU devices, so that strategies can be tried without GPUs."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fold_runs
import pytest
import tensorflow as tf

VIRTUAL_DEVICES = 2

# these run in processes of their own: see test_backends.py
collect_ignore = ["on_backends"]

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration() for _ in range(VIRTUAL_DEVICES)],
)

LAST = ("test_engine.py", "test_predict.py")
# The files that the fast part leaves out, without test_ and .py: they train many models, start many
# processes or drive a browser. What stays goes through every stage once, in test_demo.
SLOW = (
    *("backends", "processes", "resume", "devices", "fit", "memory", "engine"),
    *("chain", "chain_families", "training_parity", "bad_input", "bench"),
    *("encoder_families", "encoder_parity", "attention_weights"),
    *("decoder_peft", "averaged_runs"),
    *("train_folds", "target_folds", "deadline", "study_runs", "search", "ensemble"),
    *("look_attention", "look_compare", "look_eda", "look_report"),
    *("look_attention_browser", "look_browser", "look_eda_browser"),
    *("look_target_report", "look_target_browser", "look_target_attention"),
)


def pytest_collection_modifyitems(items):
    """Puts the tests that convert models with OpenVINO last, and marks the files that are slow.

    TensorFlow has crashed in fits that came after a conversion in the same process; a command never
    fits after one. `make test` keeps the order of files when it shares them among processes.
    """
    items.sort(key=lambda item: item.path.name in LAST)
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def few_rows(tmp_path_factory):
    """48 rows to train on and 12 to predict."""
    return fold_runs.write_few_rows(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="session")
def folds_of_three(few_rows, tmp_path_factory):
    """A folder with a tiny run of all three folds of these rows; nobody changes it."""
    return fold_runs.train_folds(few_rows, tmp_path_factory.mktemp("folds"))
