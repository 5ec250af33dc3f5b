"""A decoder from files to answers, with every command on the way, for both tasks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from target_data import record, write_lines

from relx.files import read_json
from relx.training import fit
from relx_cli.main import run

WORDS = {"joy": "기쁨", "fear": "공포", "anger": "분노", "trust": "믿음"}
LABELS = tuple(WORDS)
THINGS = ("국밥", "시험", "바다", "친구")
FRESH = "{fresh: {layers: 2, hidden: 32, heads: 2, kv_heads: 1, intermediate: 64, vocabulary: 420}}"
RELATION = Path(__file__).parents[1] / "sample"


def rows(part, count):
    """Rows that spell their labels."""
    rng = np.random.default_rng(len(part))
    for i in range(count):
        thing = THINGS[rng.integers(4)]
        true = [LABELS[j] for j in rng.permutation(4)[: rng.integers(1, 3)]]
        form = f"{part} {i}번째 {thing} 앞에서 {' '.join(WORDS[name] for name in true)}."
        at = form.index(thing)
        yield record(f"{part}{i}", form, (thing, at, at + len(thing)), true, LABELS)


def options(folder, **changes):
    values = {"name": "feel", "task": "target", "decoder.from": FRESH, "tokens.max_length": 96}
    values |= {"decoder.format": "nf4", "decoder.words": json.dumps(WORDS, ensure_ascii=False)}
    values |= {"decoder.lora.rank": 8, "decoder.lora.dropout": 0.1, "train.learning_rate": 0.01}
    values |= {"train.epochs": 2, "train.batch_size": 8, "predict.engine": "keras"}
    values |= {f"data.{part}": folder / f"{part}.jsonl" for part in ("train", "dev", "test")}
    recipe = folder / "recipe.yaml"
    recipe.write_text("name: feel\n")
    sets = [
        word for key, value in (values | changes).items() for word in ("--set", f"{key}={value}")
    ]
    return ["--recipe", str(recipe), *sets]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the task and a finished run."""
    folder = tmp_path_factory.mktemp("decoder")
    for part, count in (("train", 64), ("dev", 24), ("test", 20)):
        write_lines(folder / f"{part}.jsonl", rows(part, count))
    assert run(["validate", *options(folder)]) == 0
    assert run(["train", *options(folder), "--runs-dir", str(folder / "runs")]) == 0
    return folder


def said(arguments, capsys, status=0):
    capsys.readouterr()
    assert run(arguments) == status
    return capsys.readouterr()


def probabilities(path):
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return np.array([list(line["output"].values()) for line in lines])


def test_a_run_keeps_adapters_and_what_they_belong_to(folder):
    model = folder / "runs/feel/train/fold-0/model"
    config = read_json(model / "adapter_config.json")
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 8, 32.0)
    assert len(config["target_modules"]) == 7
    with safe_open(model / "adapter_model.safetensors", "np") as file:
        assert len(list(file.keys())) == 2 * 7 * 2
    base = read_json(model / "decoder.json")
    assert base["source"] == "" and len(base["tokens"]) == 4 and len(base["prefix"]) > 5


def test_predictions_of_both_engines_are_those_of_the_dev_rows(folder, tmp_path, capsys):
    runs = ["--runs-dir", str(folder / "runs")]
    found = {}
    for engine in ("keras", "openvino"):
        probs = tmp_path / f"{engine}.jsonl"
        words = ["--test", str(folder / "dev.jsonl"), "--engine", engine, "--probs", str(probs)]
        said(["predict", *runs, *words, "--out", str(tmp_path / "a.jsonl")], capsys)
        found[engine] = probabilities(probs)
    kept = np.load(folder / "runs/feel/train/fold-0/dev.npz")["probabilities"]
    assert np.abs(found["keras"] - kept).max() < 1e-6
    assert np.abs(found["openvino"] - kept).max() < 1e-4
    assert np.allclose(kept.sum(axis=1), 1)  # of one position's words


def test_a_decoder_too_large_for_float32_is_not_converted(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("relx.family.decoder._MOST_EXPORTED", 1000)
    runs, out = ["--runs-dir", str(folder / "runs")], ["--out", str(tmp_path / "a.jsonl")]
    stage = folder / "runs/feel/train/fold-0"
    for kept in stage.glob(".openvino-*"):
        shutil.rmtree(kept)
    error = said(["predict", *runs, *out, "--engine", "openvino"], capsys, 2).err
    assert "too large to be converted" in error and "--engine keras" in error
    found = said(["predict", *runs, *out, "--engine", "auto"], capsys).err
    assert "too large" in found and "computing with Keras" in found


def test_a_run_is_merged_into_one_folder(folder, tmp_path, capsys):
    runs = ["--runs-dir", str(folder / "runs")]
    merged = tmp_path / "merged"
    assert str(merged) in said(["decoder", "merge", str(merged), *runs], capsys).err
    names = {path.name for path in merged.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not any("adapter" in name for name in names)
    assert said(["decoder", "merge", str(merged), *runs], capsys, 2).err  # which is taken


def test_the_label_words_are_shown_as_they_are_cut(folder, capsys):
    out = said(["decoder", "words", *options(folder), "--json"], capsys).out
    table = json.loads(out)
    assert [word["label"] for word in table["words"]] == list(LABELS)
    assert all(len(word["token_ids"]) == 1 for word in table["words"])
    assert table["pairs"] == [] and table["log_probabilities"] == {}


def test_scores_and_pages_are_made_as_for_an_encoder(folder, tmp_path, capsys):
    runs = ["--runs-dir", str(folder / "runs")]
    gold = ["--gold", str(folder / "test.jsonl")]
    scores = json.loads(said(["score", *runs, *gold, "--json"], capsys).out)
    assert 0 <= scores["micro_f1"] <= 100
    said(["report", *runs, *gold, "--out", str(tmp_path / "r.html")], capsys)
    assert (tmp_path / "r.html").stat().st_size > 10_000
    words = [
        "--sentence",
        "바다 앞에서 기쁨",
        "--target",
        "바다",
        "--out",
        str(tmp_path / "a.html"),
    ]
    error = said(["attention", *runs, *words], capsys, 2).err
    assert "decoder" in error and not (tmp_path / "a.html").exists()


def test_a_run_that_was_stopped_ends_as_one_that_was_not(folder, tmp_path, monkeypatch):
    words = ["train", *options(folder), "--set", "checkpoint.steps=3"]
    saved, save = [], fit.save_checkpoint

    def save_and_stop(path, *arguments):
        save(path, *arguments)
        saved.append(path.stat().st_size)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_checkpoint", save_and_stop)
        assert run([*words, "--runs-dir", str(tmp_path)]) != 0
    # Adapters, their two moments and the optimiser's few numbers: no base.
    adapters = (folder / "runs/feel/train/fold-0/model/adapter_model.safetensors").stat().st_size
    assert saved[0] < 3.5 * adapters
    assert run([*words, "--runs-dir", str(tmp_path)]) == 0
    for name in ("model/adapter_model.safetensors", "dev.npz"):
        whole = (folder / "runs/feel/train/fold-0" / name).read_bytes()
        assert (tmp_path / "feel/train/fold-0" / name).read_bytes() == whole, name


@pytest.mark.parametrize("head", ["label_words", "new", "classes"])
def test_relations_are_told_by_every_head(head, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("name: rel\n")
    values = {"decoder.from": FRESH, "decoder.head": head, "train.epochs": 1, "data.folds": 5}
    values |= {f"data.{part}": RELATION / f"{part}.csv" for part in ("train", "test")}
    values |= {"data.labels": '"from-train"', "tokens.max_length": 192, "predict.engine": "keras"}
    values["decoder.prompt"] = '"{sentence}\\n{subject} / {object}\\n:"'
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    runs = ["--runs-dir", str(tmp_path / "runs")]
    arguments = ["train", "--recipe", str(recipe), *sets, *runs]
    if head == "label_words":  # such as per:title
        error = said(arguments, capsys, 2).err
        assert "tokens, not one" in error and "decoder.head=new" in error
        assert not (tmp_path / "runs/rel/train/fold-0/model").exists()
        return
    assert run(arguments) == 0
    out = tmp_path / "out.csv"
    said(["predict", *runs, "--out", str(out)], capsys)
    assert len(out.read_text(encoding="utf-8").splitlines()) > 10


BAD = {
    "a word of two tokens": ({"decoder.words": "joy sadly"}, "the word is 2 tokens"),
    "two words of one token": ({"decoder.words": "공포"}, "is the same token as that of joy"),
    "a word for no label": (
        {"decoder.words": '{"joy": "기쁨", "x": "y"}'},
        "a word for each label",
    ),
    "a prompt without its sentence": ({"decoder.prompt": '"{target}:"'}, "{sentence}"),
    "a prompt without its target": ({"decoder.prompt": '"{sentence}:"'}, "{target}"),
    "a slot that is none": ({"decoder.prompt": '"{sentence} {targte}:"'}, "did you mean {target}"),
    "no chat template": ({"decoder.chat": "true"}, "no chat template"),
    "a window too small": ({"tokens.max_length": 20}, "tokens.max_length="),
    "a folder that is none": ({"decoder.from": "no/such/folder/here"}, "there is no such folder"),
    "a module that is none": ({"decoder.lora.targets": "[q_prj]"}, "did you mean q_proj"),
    "too few positions": ({"tokens.max_length": 4096}, "positions"),
    "an encoder's key": ({"train.pooling": "cls"}, "only an encoder has it"),
    "an encoder too": ({"encoder.from": "x"}, "encoder and decoder are both there"),
    "a query": ({"markers.query": '"{target}?"'}, "decoder.prompt"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_message_and_leaves_nothing(case, folder, tmp_path, capsys):
    changes, expected = BAD[case]
    if changes.get("decoder.words") in ("joy sadly", "공포"):
        words = WORDS | {"joy": changes["decoder.words"]}
        changes = {"decoder.words": json.dumps(words, ensure_ascii=False)}
    arguments = ["train", *options(folder, **changes), "--runs-dir", str(tmp_path / "runs")]
    error = " ".join(said(arguments, capsys, 2).err.split())
    assert expected in error, error
    assert not list(tmp_path.glob("runs/feel/train/*/model"))


def test_tapt_is_refused_with_what_to_do(folder, tmp_path, capsys):
    error = said(["tapt", *options(folder), "--runs-dir", str(tmp_path / "runs")], capsys, 2).err
    assert "never looks ahead" in " ".join(error.split()) and "relx train" in error


DAMAGED = {
    "adapters that were cut short": ("adapter_model.safetensors", lambda data: data[:900]),
    "adapters that are gone": ("adapter_model.safetensors", None),
    "a base that changed": ("base/config.json", lambda data: data + b" "),
    "a base whose weights are cut": ("base/model.safetensors", lambda data: data[:5000]),
    "another rank": ("adapter_config.json", lambda data: data.replace(b'"r": 8', b'"r": 9')),
    "a note that is gone": ("decoder.json", None),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_run_is_one_message(case, folder, tmp_path, capsys):
    name, change = DAMAGED[case]
    shutil.copytree(folder / "runs", tmp_path / "runs")
    file = tmp_path / "runs/feel/train/fold-0/model" / name
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    out = tmp_path / "a.jsonl"
    words = ["predict", "--runs-dir", str(tmp_path / "runs"), "--out", str(out)]
    error = said(words, capsys, 2).err
    assert "Error" in error or "error" in error
    assert file.name in error or str(file.parent) in error
    assert not out.exists()
