"""A toy task for the tests that run on each backend; the environment names the backend."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from relx.data.batches import Feeder
from relx.devices.device import open_device
from relx.recipe import DeviceSection, TrainSection

BACKEND = os.environ["RELX_TEST_BACKEND"]
# before any test imports Keras; KERAS_BACKEND names another one, which does not count
open_device(DeviceSection(backend=BACKEND, precision="float32"), 0)

sys.path.append(str(Path(__file__).parents[1]))

import keras  # noqa: E402
from made_stages import toy_stage  # noqa: E402

ROWS, CLASSES, WORDS = 22, 3, 40
RNG = np.random.default_rng(0)
TOKENS = [RNG.integers(1, WORDS, RNG.integers(4, 9)).astype(np.int32) for _ in range(ROWS)]
TARGETS = RNG.integers(0, CLASSES, ROWS).astype(np.int32)


@pytest.fixture(scope="session")
def backend():
    return BACKEND


@pytest.fixture
def open_():
    """Opens the backend in a precision."""
    return open_in


def open_in(precision="float32", **rest):
    # JAX's CPU is refused float16 for the sake of attention; the rest is tried all the same
    refused = (BACKEND, precision) == ("jax", "mixed_float16")
    section = {"precision": "float32" if refused else precision, **rest}
    device = open_device(DeviceSection(backend=BACKEND, **section), 0)
    if refused:
        keras.config.set_dtype_policy(precision)
    return device


class ToyRows:
    """The rows, in the form that a device makes a feeder of."""

    lengths = np.array([len(tokens) for tokens in TOKENS])

    @staticmethod
    def training(batch, rng):
        tokens = np.zeros((len(batch.rows), batch.length), np.int32)
        for i, row in enumerate(batch.rows):
            tokens[i, : len(TOKENS[row])] = TOKENS[row]
        spans = np.tile(np.array([[0, 1], [2, 4]], np.int32), (len(batch.rows), 1, 1))
        inputs = {
            "token_ids": tokens,
            "padding_mask": (tokens > 0).astype(np.int32),
            "segment_ids": np.zeros_like(tokens),
            "spans": spans,
        }
        weights = batch.weights() / np.float32(batch.real)
        return inputs, TARGETS[batch.rows], weights


@pytest.fixture(name="toy_feeder")
def toy_feeder_fixture():
    return toy_feeder


def toy_feeder(accumulate=1):
    # the same batches on every backend, of one shape
    return Feeder(
        ToyRows.lengths, 8, 0, ToyRows.training, bucket_lengths=(8,), accumulate=accumulate
    )


class Trainer:
    """A tiny classifier and its batches, compiled as stage 2 compiles them."""

    def __init__(self, device, dropout=0.0, epochs=2, accumulate=1, samples=1, **options):
        from relx.data.tokenizing.pooling import Pooling
        from relx.models.classifier import span_classifier
        from relx.models.encoder.build import build_encoder
        from relx.models.encoder.depths import layer_depths
        from relx.models.encoder.families.bert import BertConfig
        from relx.training.averages import EpochAverages
        from relx.training.fit import compile_for
        from relx.training.steps.choose import stepping

        section = TrainSection(
            learning_rate=0.01,
            warmup=0.2,
            clip_norm=0.5,
            epochs=epochs,
            accumulate=accumulate,
            **options,
        )
        configuration = BertConfig(
            vocab_size=WORDS,
            hidden_size=12,
            num_hidden_layers=1,
            num_attention_heads=3,
            intermediate_size=20,
            max_position_embeddings=32,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        self.device, self.epochs = device, epochs
        self.feeder = toy_feeder(accumulate)
        with device.scope():
            encoder, pooling = build_encoder(configuration), Pooling(2, "mean")
            sizes = {"classes": CLASSES, "pooling": pooling, "dropout": dropout}
            model = span_classifier(encoder, **sizes, seed=0, dropout_samples=samples)
            self.model = stepping(model, device, section, softmax=True)
        # numbers of numpy's: each backend draws others from the same seed
        for i, variable in enumerate(self.model.trainable_variables):
            noise = np.random.default_rng(i).normal(0, 0.1, variable.shape)
            variable.assign(noise + (variable.name == "gamma"))
        self.averaged = EpochAverages(section)
        compile_for(
            device,
            self.model,
            section,
            self.feeder.steps,
            label_smoothing=0.1,
            loss_options={"dropout_samples": samples},
            depths=layer_depths(encoder, self.model),
            averages=self.averaged.averages,
        )

    def fit(self, runs_dir, after_epoch=lambda state: {}, **rest):
        from relx.training.fit import fit

        with toy_stage(runs_dir) as stage:
            return fit(
                self.model,
                self.feeder,
                self.device,
                epochs=self.epochs,
                stage=stage,
                title="toy",
                after_epoch=after_epoch,
                **rest,
            )

    def weights(self):
        return [np.array(value) for value in self.model.get_weights()]

    def batch(self):
        return next(iter(self.feeder.arrays(0)))


@pytest.fixture
def trainer():
    return Trainer
