"""What a user can get wrong: one clear message, exit status 2, nothing written."""

import errno
import os
import pickle
import shutil
from pathlib import Path

import pytest
from test_chain import rows_of, words, write_rows

from relx.runs.lock import locked
from relx_cli.main import run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for name, count in (("train", 40), ("dev", 10), ("test", 10), ("test_gold", 10)):
        write_rows(folder / f"{name}.csv", rows_of(ROOT / "sample" / f"{name}.csv")[:count])
    return folder


def spoiled(data, **cells):
    """Changes cells of the third training row."""
    rows = rows_of(data / "train.csv")
    rows[2] |= cells
    write_rows(data / "train.csv", rows)


def without_label(data):
    rows = [{k: v for k, v in row.items() if k != "label"} for row in rows_of(data / "train.csv")]
    write_rows(data / "train.csv", rows)


def entity(word, start, end):
    return str({"word": word, "start_idx": start, "end_idx": end, "type": "PER"})


BAD_DATA = {
    "a missing column": (without_label, ["train.csv", "column label"]),
    "an unparsable entity": (
        lambda data: spoiled(data, subject_entity="{'word': '가"),
        ["train.csv:4", "column subject_entity", "{'word': '가"],
    ),
    "code in place of an entity": (
        lambda data: spoiled(data, subject_entity="__import__('os').system('touch pwned')"),
        ["train.csv:4", "column subject_entity"],
    ),
    "a span beyond the sentence": (
        lambda data: spoiled(data, object_entity=entity("가", 900, 900)),
        ["train.csv:4", "column object_entity", "900"],
    ),
    "a span with another text": (
        lambda data: spoiled(data, object_entity=entity("없는말", 0, 2)),
        ["train.csv:4", "column object_entity", "없는말"],
    ),
    "an unknown label": (
        lambda data: spoiled(data, label="per:titel"),
        ["train.csv:4", "column label", "per:titel", "per:title"],
    ),
    "an empty file": (lambda data: (data / "train.csv").write_text(""), ["train.csv", "empty"]),
    "no CSV at all": (
        lambda data: (data / "train.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x01"),
        ["train.csv"],
    ),
    "no file": (lambda data: (data / "train.csv").unlink(), ["train.csv", "no such file"]),
}


@pytest.mark.parametrize("stage", ["validate", "tapt", "train"])
@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_refused_before_anything_is_written(name, stage, data, tmp_path, capsys):
    spoil, said = BAD_DATA[name]
    label_fault = "label" in name or name == "a missing column"
    if stage == "tapt" and label_fault:
        pytest.skip("TAPT does not look at labels")
    spoil(data)
    options = words(data, tmp_path / "runs")
    if stage == "validate":
        options = [w for w in options if w not in ("--runs-dir", str(tmp_path / "runs"))]
    assert run([stage, *options]) == 2
    captured = capsys.readouterr()
    message = captured.err + captured.out
    assert all(word in message for word in said), message
    assert "Traceback" not in message
    assert not (tmp_path / "runs").exists()
    assert not Path("pwned").exists()


def test_every_fault_of_a_file_is_said_at_once(data, tmp_path, capsys):
    rows = rows_of(data / "train.csv")
    for i in range(5):
        rows[i]["label"] = f"nonsense {i}"
    write_rows(data / "train.csv", rows)
    assert run(["train", *words(data, tmp_path / "runs")]) == 2
    message = capsys.readouterr().err
    assert all(f"nonsense {i}" in message for i in range(5))


def test_bad_rows_can_be_left_out_by_choice(data, tmp_path, capsys):
    spoiled(data, object_entity=entity("없는말", 0, 2))
    bad = tmp_path / "bad.csv"
    options = words(data, tmp_path / "runs", "tapt.epochs=1")
    assert run(["tapt", "--skip-bad-rows", str(bad), *options]) == 0
    assert "1 of 40 rows" in capsys.readouterr().err
    assert [row["id"] for row in rows_of(tmp_path / "bad-train.csv")] == ["2"]


class Opens:
    def __reduce__(self):
        return open, ("pwned", "w")


def pickled_labels(data):
    path = data / "labels.pkl"
    path.write_bytes(pickle.dumps({"no_relation": Opens()}))
    return f"data.labels={path}"


def tiny_encoder(data):
    from relx.models.encoder.load import load_encoder, save_encoder
    from relx.recipe import FreshSizes, FreshSource

    sizes = FreshSizes(layers=1, hidden=16, heads=2, intermediate=32, vocabulary=100, positions=64)
    loaded = load_encoder(FreshSource(fresh=sizes), sentences=lambda: ["가나 다라"], seed=0)
    save_encoder(loaded, data / "encoder", "")
    return data / "encoder"


def folder_without_weights(data):
    (tiny_encoder(data) / "model.safetensors").unlink()
    return f"encoder.from={data / 'encoder'}"


BAD_SETTINGS = {
    "an unknown key": (lambda data: "train.epoch=3", ["unknown key", "did you mean epochs?"]),
    "a wrong type": (lambda data: "train.epochs=many", ["train.epochs", "'many'"]),
    "a folder without a tokenizer": (lambda data: f"encoder.from={data}", ["no tokenizer"]),
    "a folder without weights": (folder_without_weights, ["has no weights", "model.safetensors"]),
    "a folder that is not there": (
        lambda data: f"encoder.from={data}/nowhere",
        ["nowhere", "encoder.from=FOLDER"],
    ),
    "a label pickle with code": (pickled_labels, ["pickle would run code", "labels.pkl"]),
    "a window that the encoder does not take": (
        lambda data: f"encoder.from={tiny_encoder(data)}",
        ["at most 64 tokens", "tokens.max_length=64"],
    ),
    "a seed that no generator takes": (lambda data: "seed=4294967296", ["seed", "4294967296"]),
    "too few rows to split": (lambda data: "data.folds=900", ["data.folds"]),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_settings_are_refused(name, data, tmp_path, capsys):
    setting, said = BAD_SETTINGS[name]
    more = ["data.dev=null"] if name == "too few rows to split" else []
    assert run(["train", *words(data, tmp_path / "runs", setting(data), *more)]) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in said), message
    assert "Traceback" not in message
    assert not (tmp_path / "runs/tiny").exists()
    assert not Path("pwned").exists()


def test_two_processes_on_one_run_are_refused(data, tmp_path, capsys):
    with locked(tmp_path / "runs" / "tiny"):
        assert run(["train", *words(data, tmp_path / "runs")]) == 2
    assert str(os.getpid()) in capsys.readouterr().err
    assert not (tmp_path / "runs/tiny/train").exists()


@pytest.mark.parametrize("stage", ["tapt", "train"])
def test_a_full_disk_is_a_message_and_the_run_carries_on(
    stage, data, tmp_path, monkeypatch, capsys
):
    import relx.training.checkpoint

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    options = words(data, tmp_path / "runs", "tapt.epochs=1", "train.epochs=1")
    with monkeypatch.context() as patch:
        patch.setattr(relx.training.checkpoint, "_write", full)
        assert run([stage, *options]) == 2
    assert "disk is full" in capsys.readouterr().err
    folder = tmp_path / "runs/tiny" / {"tapt": "tapt", "train": "train/fold-0"}[stage]
    assert not (folder / "checkpoint.safetensors").exists()
    assert not list(folder.glob(".checkpoint*"))
    assert run([stage, *options]) == 0


def test_a_submission_on_a_full_disk_leaves_the_old_one(data, tmp_path, monkeypatch, capsys):
    runs, out = tmp_path / "runs", tmp_path / "out.csv"
    assert run(["train", *words(data, runs, "train.epochs=1")]) == 0
    out.write_text("the old one")
    from relx import files

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", full)
    assert run(["predict", "--runs-dir", str(runs), "--out", str(out)]) == 2
    assert "disk is full" in capsys.readouterr().err
    assert out.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict"], "--out"),
        (["predict", "--sentence", "가람은 나루를 만났다."], "no runs here"),
        (["predict", "--sentence", "가람", "--subject-type", "PER"], "--subject"),
        (["predict", "--subject", "가람"], "--sentence"),
        (["score", "--gold", "nowhere.csv", "--pred", "nowhere.csv"], "nowhere.csv"),
        (["train"], "--recipe"),
        (["train", "--recipe", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_command_without_what_it_needs_says_so(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_submission_does_not_replace_the_rows_that_it_predicts(data, tmp_path, capsys):
    runs, test = tmp_path / "runs", data / "test.csv"
    assert run(["train", *words(data, runs, "train.epochs=1")]) == 0
    before = test.read_text(encoding="utf-8")
    assert run(["predict", "--runs-dir", str(runs), "--out", str(test)]) == 2
    assert "would replace the rows" in capsys.readouterr().err
    assert test.read_text(encoding="utf-8") == before


def test_a_dev_file_that_is_trained_on_is_refused_and_a_shared_row_warned_of(
    data, tmp_path, capsys
):
    options = words(data, tmp_path / "runs", f"data.dev={data / 'train.csv'}")
    assert run(["train", *options]) == 2
    assert "every dev row is trained on" in capsys.readouterr().err
    train, dev = rows_of(data / "train.csv"), rows_of(data / "dev.csv")
    write_rows(data / "dev.csv", [*dev, train[0] | {"id": "900"}])
    assert run(["train", *words(data, tmp_path / "runs", "train.epochs=1")]) == 0
    assert "1 of 11 rows" in capsys.readouterr().err


def test_a_checkpoint_of_another_precision_is_a_message(data, tmp_path, monkeypatch, capsys):
    from relx.training import fit

    save = fit.save_checkpoint

    def stop_after_saving(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    options = words(data, tmp_path / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_checkpoint", stop_after_saving)
        assert run(["train", *options]) == 130
    assert run(["train", *options, "--set", "device.precision=mixed_float16"]) == 2
    assert "another precision" in capsys.readouterr().err
    assert run(["train", *options]) == 0


def test_a_changed_test_file_is_another_run_where_the_vocabulary_is_fresh(
    data, tmp_path, monkeypatch, capsys
):
    from relx.training import fit

    save = fit.save_checkpoint

    def stop_after_saving(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    options = words(data, tmp_path / "runs")
    monkeypatch.setattr(fit, "save_checkpoint", stop_after_saving)
    assert run(["train", *options]) == 130
    write_rows(data / "test.csv", rows_of(data / "test.csv")[:5])
    assert run(["train", *options]) == 2
    assert "sentences: " in capsys.readouterr().err


def test_a_run_without_its_model_is_a_message(data, tmp_path, capsys):
    runs = tmp_path / "runs"
    assert run(["train", *words(data, runs, "train.epochs=1")]) == 0
    shutil.rmtree(runs / "tiny/train/fold-0/model")
    assert run(["predict", "--runs-dir", str(runs), "--out", str(tmp_path / "out.csv")]) == 2
    assert "model" in capsys.readouterr().err


def test_entities_too_far_apart_are_named_by_row_and_file(data, tmp_path, capsys):
    far = "가람은 " + "아주 " * 60 + "나루를 만났다."
    start = far.index("나루")
    cells = {"sentence": far, "subject_entity": entity("가람", 0, 1)}
    spoiled(data, **cells, object_entity=entity("나루", start, start + 1))
    assert run(["train", *words(data, tmp_path / "runs", "tokens.max_length=32")]) == 2
    said = capsys.readouterr().err
    assert f"row 2 of {data / 'train.csv'}" in said
    assert "32" in said
    assert not (tmp_path / "runs/tiny").exists()
