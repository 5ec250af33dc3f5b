"""A run opened for prediction: which engine computes, and what it leaves in the run's folder."""

import csv
import errno
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_stages import begin, finish
from safetensors.numpy import save_file

from relx import predict_file
from relx.data.labels import LabelList
from relx.devices.device import open_device
from relx.faults import InputError
from relx.files import write_json
from relx.fold_model import FoldModel
from relx.models.classifier import head_weights, span_classifier
from relx.models.encoder.load import load_encoder, write_encoder
from relx.predict import Run, open_run
from relx.recipe import DeviceSection, FreshSizes, FreshSource, Recipe
from relx.spans import Span
from relx.tasks.answer_form import AnswerForm
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import marker_tokens
from relx.tasks.relation.rows import Example
from relx.tasks.relation.task import POOLINGS, RelationTask
from relx_cli.main import run

ROOT = Path(__file__).parents[1]
converts = pytest.mark.xfail(
    sys.version_info >= (3, 13),
    reason="OpenVINO 2026.4 cannot convert TensorFlow's models on Python 3.13",
)
SENTENCES = [
    "가람은 나루의 대표이다.",
    "나루는 서울에 있는 공방이다.",
    "가람은 서울에서 나루를 만났다.",
]
LABELS = LabelList(("no_relation", "per:title", "org:members"), "no_relation")


def examples(count=12):
    """Rows of several lengths, whose entities are the first and the last word."""
    rows = []
    for i in range(count):
        text = " ".join(SENTENCES[: 1 + i % 3][::-1])
        first, last = text.split()[0], text.split()[-1]
        entities = Span(0, len(first)), Span(len(text) - len(last), len(text))
        subject, object_ = (Entity(span.of(text), span, "PER") for span in entities)
        rows.append(Example(str(i), text, subject, object_, None))
    return rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run whose model is random."""
    runs = tmp_path_factory.mktemp("runs")
    open_device(DeviceSection(), 0)
    source = FreshSource(
        fresh=FreshSizes(layers=1, hidden=16, heads=2, intermediate=32, vocabulary=200)
    )
    recipe = Recipe.model_validate({"name": "tiny", "encoder": {"from": source}})
    folder = runs / "tiny/train/fold-0"
    begin(folder, "train/fold-0", recipe, {}, {"types": ["PER"]}, "model")
    markers = marker_tokens(recipe.markers, ("PER",))
    loaded = load_encoder(source, sentences=lambda: SENTENCES, marker_tokens=markers, seed=1)
    sizes = {"classes": len(LABELS), "pooling": POOLINGS["entity_starts"], "dropout": 0.1}
    model = span_classifier(loaded.encoder, **sizes, seed=1)
    rng = np.random.default_rng(0)
    for variable in model.get_layer("relation_logits").variables:
        variable.assign(3 * rng.standard_normal(variable.shape).astype("float32"))
    (folder / "model").mkdir()
    write_encoder(loaded, folder / "model", "")
    save_file(head_weights(model), folder / "model/relation_head.safetensors")
    labels = {"names": list(LABELS.names), "negative": LABELS.negative}
    write_json(folder / "model/labels.json", labels)
    finish(folder, {}, {})
    return runs


@pytest.fixture
def runs(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "runs"))


def kept(runs):
    return list((runs / "tiny/train/fold-0").glob(".openvino-*"))


@converts
def test_both_engines_give_the_same_and_say_which_they_are(finished, capsys):
    pytest.importorskip("openvino")
    by_keras = open_run(finished, "tiny", engine="keras").predict(examples())
    assert "computing with Keras on CPU" in capsys.readouterr().err
    by_openvino = open_run(finished, "tiny", engine="openvino").predict(examples())
    assert "computing with OpenVINO" in capsys.readouterr().err
    assert np.abs(by_keras - by_openvino).max() < 1e-5
    assert np.abs(by_openvino.sum(axis=1) - 1).max() < 1e-12
    assert np.ptp(by_keras, axis=0).max() > 0.01  # the rows differ
    assert len(kept(finished)) == 1


@converts
def test_a_kept_graph_predicts_without_any_framework(finished):
    pytest.importorskip("openvino")
    open_run(finished, "tiny", engine="openvino").predict(examples(1))
    code = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(ROOT)!r}]
from pathlib import Path
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx.predict import Run, open_run
from relx.spans import Span
row = Example("0", "가람은 나루의 대표이다.", Entity("가람은", Span(0, 3), "PER"),
              Entity("나루의", Span(4, 7), "PER"), None)
run = open_run(Path({str(finished)!r}), "tiny", engine="openvino")
assert run.predict([row]).shape == (1, 3)
print({{"keras", "keras_hub", "tensorflow", "jax", "torch"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@converts
def test_other_weights_never_meet_an_old_graph(runs, capsys):
    pytest.importorskip("openvino")
    before = open_run(runs, "tiny", engine="openvino").predict(examples())
    (old,) = kept(runs)
    head = runs / "tiny/train/fold-0/model/relation_head.safetensors"
    shapes = {"relation_dense/kernel": (32, 16), "relation_dense/bias": (16,)}
    shapes |= {"relation_logits/kernel": (16, 3), "relation_logits/bias": (3,)}
    rng = np.random.default_rng(1)
    save_file({n: rng.standard_normal(s).astype("float32") for n, s in shapes.items()}, head)
    after = open_run(runs, "tiny", engine="openvino").predict(examples())
    by_keras = open_run(runs, "tiny", engine="keras").predict(examples())
    assert np.abs(after - before).max() > 0.01
    assert np.abs(after - by_keras).max() < 1e-5
    assert kept(runs) != [old]
    assert len(kept(runs)) == 1


@pytest.mark.parametrize("engine", ["keras", "openvino"])
@pytest.mark.parametrize("part", ["relation_head.safetensors", "model.safetensors"])
def test_a_run_that_lost_a_part_of_its_model_says_so(part, engine, runs):
    if engine == "openvino":
        pytest.importorskip("openvino")
    (runs / "tiny/train/fold-0/model" / part).unlink()
    with pytest.raises(InputError, match=r"gone|no weights"):
        open_run(runs, "tiny", engine=engine).predict(examples(1))


# --- files ---------------------------------------------------------------------------------------


def csv_of(rows, path, without=()):
    """A file of examples, some of which lose their sentence."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity"])
        for row in rows:
            entities = [
                {
                    "word": entity.word,
                    "start_idx": entity.span.start,
                    "end_idx": entity.span.end - 1,
                    "type": entity.type,
                }
                for entity in (row.subject, row.object)
            ]
            writer.writerow([row.id, "" if row.id in without else row.sentence, *entities])
    return path


def predicted(runs, folder, test, *more):
    """What `relx predict` writes of a file: its status, the answers and the probabilities."""
    outs = [folder / "out.csv", folder / "probs.csv"]
    words = ["predict", "--runs-dir", str(runs), "--run", "tiny", "--engine", "keras"]
    words += ["--test", str(test), "--out", str(outs[0]), "--probs", str(outs[1]), *more]
    status = run(words)
    return status, *(out.read_text("utf-8") if out.exists() else None for out in outs)


def numbers_of(text):
    return np.array([row[1:] for row in csv.reader(text.splitlines()[1:])], float)


@pytest.fixture
def in_parts(monkeypatch):
    """Five rows at once are many."""
    monkeypatch.setattr(predict_file, "AT_ONCE", 5)


def test_many_rows_are_predicted_as_few_are(finished, tmp_path, capsys, monkeypatch):
    test = csv_of(examples(13), tmp_path / "test.csv")
    _, answers, probabilities = predicted(finished, tmp_path, test)
    monkeypatch.setattr(predict_file, "AT_ONCE", 5)
    capsys.readouterr()
    status, in_parts, numbers = predicted(finished, tmp_path, test)
    said = capsys.readouterr().err
    assert status == 0 and "10 of 13 rows are predicted" in said and "13 rows in" in said
    assert said.count("of them unknown") == 1
    columns = [[row[:2] for row in csv.reader(text.splitlines())] for text in (answers, in_parts)]
    assert columns[0] == columns[1] and len(columns[0]) == 14
    assert np.abs(numbers_of(probabilities) - numbers_of(numbers)).max() < 1e-6
    assert {path.name for path in tmp_path.iterdir()} == {"test.csv", "out.csv", "probs.csv"}


@pytest.mark.parametrize("bad", ["0", "12"])
def test_a_bad_row_is_found_before_any_is_predicted(bad, in_parts, runs, tmp_path, monkeypatch):
    test = csv_of(examples(13), tmp_path / "test.csv", without=[bad])
    monkeypatch.setattr(FoldModel, "_open", lambda self: pytest.fail("the engine was opened"))
    assert predicted(runs, tmp_path, test) == (2, None, None)


def test_all_rows_that_do_not_fit_are_named(in_parts, runs, tmp_path, capsys):
    rows = examples(13)
    for i in (1, 11):
        text = f"{'가람은 ' * 400}나루의 대표이다."
        ends = Span(0, 2), Span(len(text) - 5, len(text))
        rows[i] = Example(str(i), text, *(Entity(s.of(text), s, "PER") for s in ends), None)
    test = csv_of(rows, tmp_path / "test.csv")
    assert predicted(runs, tmp_path, test) == (2, None, None)
    said = capsys.readouterr().err
    assert re.search(r"row 1\b", said) and re.search(r"row 11\b", said), said


def test_a_file_that_changes_meanwhile_is_not_written_short(
    in_parts, runs, tmp_path, capsys, monkeypatch
):
    test, settle = csv_of(examples(13), tmp_path / "test.csv"), predict_file._Check.settle

    def changed(self, file):
        settle(self, file)
        csv_of(examples(13), file, without=["7"])

    monkeypatch.setattr(predict_file._Check, "settle", changed)
    assert predicted(runs, tmp_path, test) == (2, None, None)
    assert "the file was changed while it was predicted" in capsys.readouterr().err


def test_unknown_types_and_texts_are_judged_over_all_rows(in_parts, runs, tmp_path, capsys):
    rows = examples(13)
    rows[7] = replace(rows[7], subject=replace(rows[7].subject, type="ORG"))
    test = csv_of(rows, tmp_path / "test.csv")
    assert predicted(runs, tmp_path, test)[0] == 0
    assert capsys.readouterr().err.count("entities of type ORG are in none") == 1
    strange = [replace_words(row, "〄㉠㋿〠㈱㌔") for row in rows]
    test = csv_of(strange, tmp_path / "test.csv")
    (tmp_path / "out.csv").unlink(), (tmp_path / "probs.csv").unlink()
    assert predicted(runs, tmp_path, test) == (2, None, None)
    assert "the tokenizer does not know these texts" in capsys.readouterr().err


def replace_words(row, words):
    text = f"{words} " * 6
    spans = Span(0, len(words)), Span(len(words) + 1, 2 * len(words) + 1)
    return Example(row.id, text, *(Entity(s.of(text), s, "PER") for s in spans), None)


def test_the_cause_is_found_where_the_unknown_texts_are(in_parts, runs, tmp_path, capsys):
    rows = examples(13)
    rows[5:] = [replace_words(row, "〄㉠㋿〠㈱㌔") for row in rows[5:]]
    assert predicted(runs, tmp_path, csv_of(rows, tmp_path / "test.csv")) == (2, None, None)
    assert "such as '〄㉠㋿〠㈱㌔'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied", "elsewhere/graph.xml"),
    ],
)
def test_what_a_prediction_lacks_is_not_said_of_its_file(
    error, runs, tmp_path, capsys, monkeypatch
):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr(Run, "predict", refused)
    test = csv_of(examples(3), tmp_path / "test.csv")
    assert predicted(runs, tmp_path, test) == (2, None, None)
    said = capsys.readouterr().err
    assert "out.csv" not in said.split("error:")[1] and "probs.csv" not in said
    assert error.filename is None or error.filename in said


@pytest.mark.parametrize(("form", "file"), [("answers", "out"), ("probabilities", "probs")])
def test_a_full_disk_is_said_of_the_file_that_it_fails(
    form, file, runs, tmp_path, capsys, monkeypatch
):
    def full(rows, probabilities):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RelationTask, form, lambda *_: AnswerForm(full))
    test = csv_of(examples(3), tmp_path / "test.csv")
    assert predicted(runs, tmp_path, test) == (2, None, None)
    assert f"{tmp_path / file}.csv: the disk is full" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_predicted_at_once(in_parts, finished, tmp_path):
    test, pipe = csv_of(examples(13), tmp_path / "test.csv"), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(test.read_bytes(),))
    writer.start()
    status, answers, _ = predicted(finished, tmp_path, pipe)
    writer.join()
    assert status == 0 and len(answers.splitlines()) == 14


def test_a_run_that_is_stopped_leaves_nothing(in_parts, runs, tmp_path, monkeypatch):
    test, original = csv_of(examples(13), tmp_path / "test.csv"), Run.predict

    def stopped(self, rows, *args, **options):
        if rows[0].id == "10":
            raise KeyboardInterrupt
        return original(self, rows, *args, **options)

    monkeypatch.setattr(Run, "predict", stopped)
    assert predicted(runs, tmp_path, test)[1:] == (None, None)
    assert {path.name for path in tmp_path.iterdir()} == {"test.csv", "runs"}
