"""Attention read out: every backend gives the same weights, and none of them is computed else."""

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ["RELX_TEST_FOLDER"])
SETTINGS = {
    "vocab_size": 50,
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 32,
}

MODERN = ("full_attention", "sliding_attention", "full_attention")


def encoder_of(kind):
    from relx.models.encoder.build import build_encoder
    from relx.models.encoder.families.bert import BertConfig
    from relx.models.encoder.families.deberta import DebertaConfig
    from relx.models.encoder.families.modernbert import ModernBertConfig

    # the classes of which each attends in a way of its own
    configurations = {
        "bert": lambda: BertConfig(**SETTINGS),
        "deberta-v2": lambda: DebertaConfig(
            **SETTINGS, pos_att_type=("c2p", "p2c"), position_buckets=4
        ),
        "modernbert": lambda: ModernBertConfig(**SETTINGS, local_attention=4, layer_types=MODERN),
    }
    encoder = build_encoder(configurations[kind]())
    # numbers of numpy's: each backend draws others from the same seed
    for i, variable in enumerate(encoder.weights):
        noise = np.random.default_rng(i).normal(0, 0.3, variable.shape)
        variable.assign(noise + (variable.name == "gamma"))
    return encoder


def some_inputs(encoder):
    ids = np.random.default_rng(0).integers(1, 50, (2, 11)).astype(np.int32)
    mask = np.ones_like(ids)
    mask[1, 7:] = 0
    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    return {name: inputs[name] for name in encoder.input}


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "modernbert"])
def test_weights_are_those_of_the_other_backends(backend, open_, kind):
    from keras import ops

    from relx.models.encoder.architectures.attention import recorded_weights

    open_()
    encoder = encoder_of(kind)
    inputs = some_inputs(encoder)
    plain = ops.convert_to_numpy(encoder(inputs))
    with recorded_weights() as layers:
        kept = ops.convert_to_numpy(encoder(inputs))
    np.testing.assert_allclose(kept[0], plain[0], atol=1e-5)
    weights = np.stack(layers)
    assert weights.shape == (3, 2, 2, 11, 11) and weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    assert weights[:, 1, :, :7, 7:].max() == 0
    np.save(SHARED / f"attention-{kind}-{backend}.npy", weights[:, 0])
    for path in SHARED.glob(f"attention-{kind}-*.npy"):
        assert np.abs(np.load(path) - weights[:, 0]).max() < 1e-5, path.name
    encoder(inputs)
    assert len(layers) == 3  # the block is over
