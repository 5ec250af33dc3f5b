"""Parts of a run that are not its own: nothing is predicted with them unless that is meant."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file
from test_chain import data, words  # noqa: F401 - a fixture

from relx.engines import openvino
from relx.files import read_json, write_json
from relx_cli.main import run

MODEL = "runs/tiny/train/fold-0/model"


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):  # noqa: F811 - the fixture
    """A finished run, with a graph of OpenVINO's where it is installed."""
    folder = tmp_path_factory.mktemp("verified")
    options = words(data, folder / "runs", "train.epochs=1", "predict.engine=auto")
    assert run(["train", *options]) == 0
    assert run(["predict", "--runs-dir", str(folder / "runs"), "--out", str(folder / "a.csv")]) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def predicted(folder, *more):
    out = folder / "b.csv"
    out.unlink(missing_ok=True)
    status = run(["predict", "--runs-dir", str(folder / "runs"), "--out", str(out), *more])
    assert out.exists() is (status == 0)
    return status


def flip_a_bit(folder):
    path = folder / MODEL / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))


def take_other_weights(folder):
    path = folder / MODEL / "relation_head.safetensors"
    save_file({name: np.ones_like(t) for name, t in load_file(path).items()}, path)


def reorder_labels(folder):
    path = folder / MODEL / "labels.json"
    labels = read_json(path)
    labels["names"][1:3] = labels["names"][2:0:-1]
    write_json(path, labels)


def edit_configuration(folder):
    path = folder / MODEL / "config.json"
    write_json(path, read_json(path) | {"layer_norm_eps": 1e-3})


def edit_tokenizer(folder):
    path = folder / MODEL / "tokenizer.json"
    path.write_text(path.read_text("utf-8").replace('"lowercase":false', '"lowercase":true') + " ")


def add_a_file(folder):
    (folder / MODEL / "added_tokens.json").write_text("{}")


def edit_markers(folder):
    path = folder / "runs/tiny/train/fold-0/manifest.json"
    manifest = read_json(path)
    manifest["recipe"]["markers"]["style"] = "none"
    path.write_text(json.dumps(manifest))


def edit_pooling(folder):
    path = folder / "runs/tiny/train/fold-0/manifest.json"
    manifest = read_json(path)
    manifest["recipe"]["train"]["pooling"] = "cls"
    path.write_text(json.dumps(manifest))


def edit_results(folder):
    path = folder / "runs/tiny/train/fold-0/manifest.json"
    manifest = read_json(path)
    manifest["results"]["micro_f1"] = 99.9
    path.write_text(json.dumps(manifest))


CHANGES = {
    change.__name__: (change, named)
    for change, named in (
        (flip_a_bit, "model.safetensors (changed)"),
        (take_other_weights, "relation_head.safetensors (changed)"),
        (reorder_labels, "labels.json (changed)"),
        (edit_configuration, "config.json (changed)"),
        (edit_tokenizer, "tokenizer.json (changed)"),
        (add_a_file, "added_tokens.json (not of this run)"),
        (edit_markers, "manifest.json"),
        (edit_pooling, "manifest.json"),
        (edit_results, "manifest.json"),
    )
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_part_that_is_not_the_runs_own_is_refused(name, copied, capsys):
    change, named = CHANGES[name]
    change(copied)
    assert predicted(copied) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert named in said and "--unverified" in said and "Traceback" not in said


@pytest.mark.parametrize("gone", ["tokenizer.json", "labels.json", "model.safetensors"])
def test_a_part_that_is_gone_is_named(gone, copied, capsys):
    (copied / MODEL / gone).unlink()
    assert predicted(copied) == 2
    assert f"{gone} (gone)" in " ".join(capsys.readouterr().err.split())


def test_those_who_mean_it_can_take_other_parts(copied, capsys):
    take_other_weights(copied)
    assert predicted(copied, "--unverified") == 0
    assert "unverified" in capsys.readouterr().err
    assert predicted(copied) == 2  # the next command is asked again


def trained(folder, data, *more):  # noqa: F811 - the fixture
    settings = ("train.epochs=1", "tapt.epochs=1", "predict.engine=auto")
    return run(["train", *words(data, folder / "runs", *settings), *more])


def test_a_finished_stage_is_not_called_finished_over_other_files(copied, data, capsys):  # noqa: F811
    assert trained(copied, data) == 0  # nothing to do
    flip_a_bit(copied)
    assert trained(copied, data) == 2
    assert "model.safetensors (changed)" in " ".join(capsys.readouterr().err.split())
    assert trained(copied, data, "--unverified") == 0


def test_nothing_is_trained_from_an_adapted_encoder_that_is_damaged(data, tmp_path, capsys):  # noqa: F811
    options = words(data, tmp_path / "runs", "train.epochs=1", "tapt.epochs=1")
    assert run(["tapt", *options]) == 0
    path = tmp_path / "runs/tiny/tapt/encoder/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(bytes(content))
    assert run(["train", *options]) == 2
    assert "model.safetensors (changed)" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs/tiny/train/fold-0/model").exists()


def test_the_card_may_be_written_to(copied, capsys):
    (copied / MODEL / "README.md").write_text("my notes")
    assert predicted(copied) == 0
    said = capsys.readouterr().err
    assert "not of this run" not in said and "unverified" not in said


def test_a_run_of_before_is_taken_with_a_note(copied, capsys):
    path = copied / "runs/tiny/train/fold-0/manifest.json"
    manifest = read_json(path)
    del manifest["model"], manifest["seal"]
    write_json(path, manifest)
    assert predicted(copied) == 0
    assert "whether its files are its own is not known" in " ".join(capsys.readouterr().err.split())


@pytest.mark.skipif(not openvino.is_installed(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("suffix", [".bin", ".xml"])
def test_a_graph_that_was_exchanged_is_made_again(suffix, copied, capsys):
    before = (copied / "a.csv").read_bytes()
    (graph,) = (copied / "runs/tiny/train/fold-0").glob(f".openvino-*/classifier{suffix}")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(bytes(content))
    assert predicted(copied) == 0
    assert "made again" in " ".join(capsys.readouterr().err.split())
    assert (copied / "b.csv").read_bytes() == before


@pytest.mark.skipif(not openvino.is_installed(), reason="OpenVINO is not installed")
def test_a_graph_of_another_run_is_made_again(copied, capsys):
    (folder,) = (copied / "runs/tiny/train/fold-0").glob(".openvino-*")
    write_json(folder / "digests.json", read_json(folder / "digests.json") | {"graph": "0" * 20})
    assert predicted(copied) == 0
    assert "made again" in " ".join(capsys.readouterr().err.split())


def test_a_file_deep_in_a_model_counts(tmp_path):
    from relx.runs.verified import result_digests

    (tmp_path / "base").mkdir()
    Path(tmp_path / "base/model.safetensors").write_bytes(b"1")
    assert set(result_digests(tmp_path)) == {"base/model.safetensors"}


HEADS = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "no tensors": lambda content: b"[1]",
    "other tensors": lambda content: save({"a": np.zeros(3)}),
    "a header of 2 ** 60 bytes": lambda content: (2**60).to_bytes(8, "little") + content[8:],
}


@pytest.mark.parametrize("damage", HEADS)
def test_a_damaged_head_is_a_message_also_where_files_are_taken_as_they_are(copied, damage, capsys):
    path = copied / MODEL / "relation_head.safetensors"
    path.write_bytes(HEADS[damage](path.read_bytes()))
    assert predicted(copied, "--unverified", "--engine", "keras") == 2
    assert "relation_head.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("names", [[1, 2], None, ["a", ["b"]], "ab", {"a": 1}, 3])
def test_labels_that_are_no_names_are_a_message(copied, names, capsys):
    path = copied / MODEL / "labels.json"
    write_json(path, {"names": names, "negative": None})
    assert predicted(copied, "--unverified") == 2
    assert "Traceback" not in capsys.readouterr().err
