"""The formats of frozen kernels: how near they come, what they refuse, and every backend alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from relx.devices.device import BACKENDS
from relx.faults import InputError
from relx.models.decoder.files.load import load_decoder
from relx.models.decoder.layers import formats
from relx.models.decoder.layers.formats import (
    FORMATS,
    LEVELS,
    block_size,
    dequantized,
    quantize,
    stored_bytes,
    stored_shapes,
)
from tests.decoder_models import write_reference
from tests.processes_by_backend import on_backend

BITS = ("int8", "nf4")
SHAPES = ((64, 3), (128, 70), (96, 5), (2, 4), (130, 9), (320, 200))  # of which 64 divides some


def matrix(inputs, outputs, seed=0, size=0.05):
    rng = np.random.default_rng(seed)
    return (rng.standard_t(4, (outputs, inputs)) * size).astype(np.float32)


def stored(values, format_):
    outputs, inputs = values.shape
    return quantize(lambda start, end: values[start:end], inputs, outputs, format_)


def scales(kernel, inputs):
    """The scale of each input of each output."""
    return np.repeat(kernel["scale"].astype(np.float32), block_size(inputs), axis=0)


def codes(kernel):
    return np.concatenate([kernel["kernel"] & 15, kernel["kernel"] >> 4])


@given(st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.floats(-6, 6))
@settings(deadline=None, max_examples=40)
def test_int8_errs_by_half_a_step_at_most(seed, shape, exponent):
    values = matrix(*shape, seed, 10.0**exponent)
    kernel = stored(values, "int8")
    error = np.abs(dequantized(kernel, "int8") - values.T)
    assert (error <= kernel["scale"] * (0.5 + 1e-5)).all()
    assert (np.abs(kernel["kernel"].astype(int)).max(axis=0) == 127).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.floats(-3, 3))
@settings(deadline=None, max_examples=40)
def test_nf4_picks_the_nearest_level(seed, shape, exponent):
    values = matrix(*shape, seed, 10.0**exponent)
    kernel = stored(values, "nf4")
    shares = values.T / scales(kernel, shape[0])
    distances = np.abs(shares[..., None] - LEVELS)
    chosen = np.take_along_axis(distances, codes(kernel)[..., None].astype(int), -1)[..., 0]
    # a place of the table off a border, where one level is as near as the other
    assert (chosen - distances.min(axis=-1)).max() <= 2 / 65535
    borders = np.abs(shares[..., None] - (LEVELS[1:] + LEVELS[:-1]) / 2).min(axis=-1)
    clear = borders > 1 / 65535 + 1e-6
    assert clear.mean() > 0.99
    assert (codes(kernel) == distances.argmin(axis=-1))[clear].all()


def test_nf4_is_right_all_along_a_block():
    shares = np.linspace(-1, 1, 64 * 2001, dtype=np.float32).reshape(2001, 64)
    shares[:, 0] = 1  # the largest, so that the scale is 1
    kernel = stored(shares, "nf4")
    assert (kernel["scale"] == 1).all()
    nearest = np.abs(shares[..., None] - LEVELS).argmin(axis=-1).T
    borders = np.abs(shares[..., None] - (LEVELS[1:] + LEVELS[:-1]) / 2).min(axis=-1).T
    assert ((codes(kernel) == nearest) | (borders <= 1 / 65535 + 1e-6)).all()
    assert set(np.unique(codes(kernel))) == set(range(16))


def test_nf4_scales_are_the_nearest_float16():
    values = matrix(128, 50)
    kernel = stored(values, "nf4")
    largest = np.abs(values.reshape(50, 2, 64)).max(axis=-1).T
    assert (kernel["scale"] == largest.astype(np.float16)).all()
    # the largest of a block is still ±1, though its scale may be rounded down
    at = np.abs(values.reshape(50, 2, 64)).argmax(axis=-1)
    own = np.take_along_axis(codes(kernel).T.reshape(50, 2, 64), at[..., None], -1)
    assert np.isin(own, (0, 15)).all()


@pytest.mark.parametrize("format_", FORMATS)
def test_zeros_stay_zeros(format_):
    values = matrix(128, 6)
    values[2], values[3, :64] = 0, 0
    back = dequantized(stored(values, format_), format_)
    assert (back[:, 2] == 0).all()
    assert (back[:64, 3] == 0).all()
    assert np.abs(back[64:, 3]).max() > 0


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_types_and_bytes_are_those_said(shape, format_):
    kernel = stored(matrix(*shape), format_)
    said = stored_shapes(format_, *shape)
    assert {name: array.shape for name, array in kernel.items()} == {
        name: size for name, (size, _) in said.items()
    }
    if format_ != "bfloat16":  # which numpy has not
        assert {name: str(array.dtype) for name, array in kernel.items()} == {
            name: dtype for name, (_, dtype) in said.items()
        }
        assert sum(array.nbytes for array in kernel.values()) == stored_bytes(format_, *shape)
    assert dequantized(kernel, format_).shape == shape


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("kind", (np.float16, np.float32, np.float64))
def test_chunks_change_nothing(kind, format_, monkeypatch):
    values = matrix(130, 257).astype(kind)
    whole = stored(values, format_)
    monkeypatch.setattr(formats, "_FEWEST", 10)
    monkeypatch.setattr(formats, "_CHUNK", 130 * 25)
    asked = []

    def rows(start, end):
        asked.append((start, end))
        return values[start:end]

    parts = quantize(rows, 130, 257, format_)
    assert len(asked) == 11
    assert all((parts[name] == whole[name]).all() for name in whole)


@pytest.mark.parametrize("format_", BITS)
def test_values_are_not_written_to(format_):
    values = matrix(128, 9)
    before = values.copy()
    stored(values, format_)
    assert (values == before).all()


@pytest.mark.parametrize("size", (1e-30, 1e-9, 1e-5, 6e4))
def test_tiny_and_large_values_keep_to_their_bound(size):
    values = np.clip(matrix(128, 20), -1, 1) * np.float32(size)
    for format_ in BITS:
        error = np.abs(dequantized(stored(values, format_), format_) - values.T)
        # NF4's scales go down to the least normal float16, 6e-5; int8's to 1e-12 / 127
        least, gap = {"int8": (1e-12, 0.5 / 127), "nf4": (6.2e-5, 0.16)}[format_]
        assert error.max() <= gap * max(np.abs(values).max(), least) * 1.001


def test_an_odd_number_of_inputs_is_refused_for_nf4():
    for inputs in (1, 63):
        with pytest.raises(InputError, match="pairs") as raised:
            stored(matrix(inputs, 4), "nf4")
        assert f"{inputs} inputs" in str(raised.value)
        assert "decoder.format=int8" in str(raised.value)
        values = matrix(inputs, 4)
        assert np.allclose(dequantized(stored(values, "int8"), "int8"), values.T, atol=0.01)


@pytest.mark.parametrize("format_", BITS)
@pytest.mark.parametrize("value", (np.nan, np.inf, -np.inf))
def test_a_value_that_is_no_number_is_named_with_its_matrix(value, format_, tmp_path):
    model = write_reference("qwen2", tmp_path)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    del state["lm_head.weight"]
    state["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        load_decoder(tmp_path, format_)


@pytest.mark.parametrize("value", (7e4, -7e4))
def test_what_is_beyond_float16_has_no_finite_scale_in_nf4(value):
    values = matrix(128, 3)
    values[1, 7] = value
    assert not np.isfinite(stored(values, "nf4")["scale"]).all()
    assert np.isfinite(stored(values, "int8")["scale"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_unpacks_to_the_bit(backend, tmp_path):
    kernels = {
        f"{format_}.{i}": stored(matrix(*shape, i), format_)
        for format_ in BITS
        for i, shape in enumerate(SHAPES)
    }
    arrays = {f"{name}.{part}": v for name, own in kernels.items() for part, v in own.items()}
    np.savez(tmp_path / "stored.npz", **arrays)
    on_backend(backend, "decoder_unpacking", tmp_path / "stored.npz", tmp_path / "out.npz")
    found = np.load(tmp_path / "out.npz")
    for name, kernel in kernels.items():
        floats = dequantized(kernel, name.partition(".")[0])
        assert (found[f"{name}.float32"] == floats).all()
        assert (found[f"{name}.float32.product"] == floats).all()
        # level and scale are rounded to 8 bits, and their product
        error = np.abs(found[f"{name}.bfloat16"] - floats)
        assert (error <= 3.02 * 2**-8 * np.abs(floats)).all()
