"""Weight files: read tensor by tensor, written as the library would, pickles only where allowed."""

import json
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from relx.faults import InputError
from relx.models.stored.folder import (
    INDEX,
    PICKLE,
    PICKLE_INDEX,
    WEIGHTS,
    open_checkpoint,
    require_free,
    write_checkpoint,
)


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    shapes = {"b.weight": (3, 5), "a.bias": (7,), "c": (1,), "한": (2, 3, 2)}
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


def shapes_of(tensors):
    return {name: array.shape for name, array in tensors.items()}


def test_a_file_has_the_bytes_that_the_library_writes(tensors, tmp_path):
    write_checkpoint(tmp_path, shapes_of(tensors), reversed(tensors.items()))
    assert (tmp_path / WEIGHTS).read_bytes() == save(tensors, metadata={"format": "pt"})


def test_tensors_that_are_views_are_written_as_they_look(tmp_path):
    table = np.arange(12, dtype="float32").reshape(3, 4)
    write_checkpoint(tmp_path, {"t": (4, 3)}, [("t", table.T)])
    np.testing.assert_array_equal(load_file(tmp_path / WEIGHTS)["t"], table.T)


def test_a_tensor_that_is_not_written_or_has_another_shape_is_a_fault_of_ours(tensors, tmp_path):
    with pytest.raises(ValueError, match=r"a\.bias"):
        write_checkpoint(tmp_path, shapes_of(tensors), [("c", tensors["c"])])
    with pytest.raises(ValueError, match="not"):
        write_checkpoint(tmp_path, {"c": (2,)}, [("c", tensors["c"])])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ml_dtypes.bfloat16])
def test_every_floating_type_is_read_as_float32(tensors, tmp_path, dtype):
    stored = {name: array.astype(dtype) for name, array in tensors.items()}
    save_file(stored, tmp_path / WEIGHTS)
    checkpoint = open_checkpoint(tmp_path)
    assert set(checkpoint) == set(tensors)
    for name, array in stored.items():
        assert checkpoint.is_float(name) and checkpoint.shape(name) == array.shape
        value = checkpoint.read(name)
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, array.astype("float32"))


def test_whole_numbers_are_listed_and_never_read_as_weights(tmp_path):
    save_file({"position_ids": np.arange(4)}, tmp_path / WEIGHTS)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.shape("position_ids") == (4,) and not checkpoint.is_float("position_ids")
    with pytest.raises(InputError, match="not hold floating-point numbers"):
        checkpoint.read("position_ids")


def test_an_empty_tensor_and_a_single_number_are_read(tmp_path):
    stored = {"empty": np.zeros((0, 3), "float32"), "one": np.array(2.0, "float32")}
    save_file(stored, tmp_path / WEIGHTS)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.read("empty").shape == (0, 3)
    assert checkpoint.read("one").shape == () and checkpoint.read("one") == 2


@pytest.mark.parametrize("keep", [0, 4, 60, -4])
def test_a_file_cut_short_anywhere_is_an_error(tensors, tmp_path, keep):
    save_file(tensors, tmp_path / WEIGHTS)
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[:keep])
    with pytest.raises(InputError, match="not a complete safetensors file") as caught:
        open_checkpoint(tmp_path)
    assert caught.value.faults[0].next_step


def split(tensors, folder, index, ending, save_part):
    """Writes every tensor into a shard of its own."""
    places = {name: f"part-{i}.{ending}" for i, name in enumerate(tensors)}
    for name, file in places.items():
        save_part({name: tensors[name]}, folder / file)
    (folder / index).write_text(json.dumps({"weight_map": places}))
    return places


def test_shards_are_one_checkpoint_and_a_missing_one_is_named(tensors, tmp_path):
    places = split(tensors, tmp_path, INDEX, "safetensors", save_file)
    checkpoint = open_checkpoint(tmp_path)
    for name, array in tensors.items():
        np.testing.assert_array_equal(checkpoint.read(name), array)
    (tmp_path / places["c"]).unlink()
    with pytest.raises(InputError, match="a shard is missing") as caught:
        open_checkpoint(tmp_path)
    assert places["c"] in caught.value.faults[0].received


@pytest.mark.parametrize("content", ["{}", "[]", '{"weight_map": {"a": 3}}', '{"weight_map": {}}'])
def test_an_index_without_its_map_is_an_error(tmp_path, content):
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(InputError, match="weight_map"):
        open_checkpoint(tmp_path)


def pickled(tensors, path, **options):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(array) for name, array in tensors.items()}, path, **options)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_and_read_where_allowed(tensors, tmp_path, zipped):
    pickled(tensors, tmp_path / PICKLE, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="only as a pickle") as caught:
        open_checkpoint(tmp_path)
    (fault,) = caught.value.faults
    assert "encoder convert" in fault.next_step and "\n" not in fault.next_step
    assert "encoder.allow_pickle=true" in fault.next_step
    checkpoint = open_checkpoint(tmp_path, allow_pickle=True)
    for name, array in tensors.items():
        assert checkpoint.shape(name) == array.shape and checkpoint.dtype(name) == "F32"
        np.testing.assert_array_equal(checkpoint.read(name), array)


def test_half_precision_in_a_pickle_is_read_exactly(tmp_path):
    torch = pytest.importorskip("torch")
    values = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    torch.save({"a": values, "ids": torch.arange(3)}, tmp_path / PICKLE)
    checkpoint = open_checkpoint(tmp_path, allow_pickle=True)
    assert checkpoint.dtype("a") == "BF16" and not checkpoint.is_float("ids")
    np.testing.assert_array_equal(checkpoint.read("a"), np.array([1.5, -2.25], "float32"))


def test_safetensors_go_before_a_pickle(tensors, tmp_path):
    save_file({"a": np.ones(2, "float32")}, tmp_path / WEIGHTS)
    pickled(tensors, tmp_path / PICKLE)
    assert list(open_checkpoint(tmp_path, allow_pickle=True)) == ["a"]


def test_pickled_shards_are_one_checkpoint(tensors, tmp_path):
    split(tensors, tmp_path, PICKLE_INDEX, "bin", pickled)
    checkpoint = open_checkpoint(tmp_path, allow_pickle=True)
    for name, array in tensors.items():
        np.testing.assert_array_equal(checkpoint.read(name), array)
    with pytest.raises(InputError, match="only as a pickle"):
        open_checkpoint(tmp_path)


class Harmful:
    """Writes a file when it is unpickled, as a pickle may."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": Harmful(tmp_path / "ran")}, tmp_path / PICKLE)
    with pytest.raises(InputError, match="weights alone"):
        open_checkpoint(tmp_path, allow_pickle=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle at all", b"PK\x03\x04"])
def test_a_damaged_pickle_is_an_error(tmp_path, content):
    pytest.importorskip("torch")
    (tmp_path / PICKLE).write_bytes(content)
    with pytest.raises(InputError, match="weights alone"):
        open_checkpoint(tmp_path, allow_pickle=True)


def test_a_pickle_of_something_else_is_an_error(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / PICKLE)
    with pytest.raises(InputError, match="does not map names to tensors"):
        open_checkpoint(tmp_path, allow_pickle=True)


def test_without_torch_the_message_says_what_to_install(tensors, tmp_path, monkeypatch):
    pickled(tensors, tmp_path / PICKLE)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="pip install torch"):
        open_checkpoint(tmp_path, allow_pickle=True)


def test_a_folder_without_weights_says_so(tmp_path):
    with pytest.raises(InputError, match="no weights") as caught:
        open_checkpoint(tmp_path)
    assert "model.safetensors" in caught.value.faults[0].next_step
    snapshot = tmp_path / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    with pytest.raises(InputError, match=r"encoder\.allow_pickle=true"):
        open_checkpoint(snapshot)


def test_a_folder_is_taken_by_what_is_in_it(tmp_path):
    require_free(tmp_path, force=False)
    require_free(tmp_path / "nothing", force=False)
    (tmp_path / "letter.txt").write_text("")
    with pytest.raises(InputError, match="never replaced"):
        require_free(tmp_path, force=True)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="--force"):
        require_free(tmp_path, force=False)
    require_free(tmp_path, force=True)
