"""Engines: OpenVINO computes what Keras computes, and is taken where it can be had."""

import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relx.data.batches import Batch
from relx.data.tokenizing.token_rows import TokenRow
from relx.devices.device import open_device
from relx.engines import engine
from relx.engines import openvino as graph
from relx.engines.engine import Trained, open_engine
from relx.engines.keras import predict_logits
from relx.engines.openvino import OpenVinoEngine, token_plan
from relx.faults import InputError
from relx.models.arrays import SpanArrays
from relx.models.classifier import span_classifier
from relx.models.encoder.load import load_encoder
from relx.recipe import DeviceSection
from relx.scoring.decisions.one_of import ONE_OF
from relx.spans import Span
from relx.tasks.relation.task import POOLINGS

pytest.importorskip("openvino")
pytest.importorskip("torch")

import encoder_models as models

CLASSES = 5


def model_of(case, folder, single=True, seed=1):
    """A classifier on a random encoder, with a head that tells rows apart."""
    models.write(models.theirs(case), folder)
    encoder = load_encoder(str(folder), seed=1).encoder
    pooling = POOLINGS["entity_starts" if single else "entity_means"]
    sizes = {"classes": CLASSES, "pooling": pooling, "dropout": 0.1}
    model = span_classifier(encoder, **sizes, seed=seed)
    rng = np.random.default_rng(seed)
    for variable in model.get_layer("relation_logits").variables:
        variable.assign(rng.standard_normal(variable.shape).astype("float32"))
    return model


def arrays_of(model, pooling="entity_starts", lengths=(5, 9, 12, 30, 17, 6, 6, 21, 33), seed=0):
    """Rows of some lengths for it."""
    rng = np.random.default_rng(seed)
    rows = []
    for length in lengths:
        starts = [int(start) for start in rng.integers(0, length - 2, 2)]
        spans = [Span(start, start + 2) for start in starts]
        ids = rng.integers(5, 60, length).astype(np.int32)
        segments = np.sort(rng.integers(0, 2, length)).astype(np.int32)
        rows.append(TokenRow(ids, segments, tuple(spans), tuple(starts)))
    return SpanArrays(rows, POOLINGS[pooling], 0, "segment_ids" in model.input)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    open_device(DeviceSection(), 0)
    return model_of("bert", tmp_path_factory.mktemp("bert"), single=False)


@pytest.fixture(scope="module")
def converted(bert, tmp_path_factory):
    """The folder of its graph."""
    folder = tmp_path_factory.mktemp("graph")
    graph.convert(bert, folder)
    return folder


@pytest.fixture
def trained(bert, tmp_path):
    return Trained(tmp_path, lambda: "name", lambda: bert, lambda: bert, DeviceSection(), 0)


@pytest.fixture
def cpu(monkeypatch, converted):
    """A machine that shows no sign of a GPU, where nothing is converted twice."""
    monkeypatch.setattr(engine, "may_have_accelerator", lambda: False)

    def convert(model, folder):
        shutil.copytree(converted, folder, dirs_exist_ok=True)

    monkeypatch.setattr(graph, "convert", convert)


def test_a_graph_is_two_files_and_computes_what_keras_computes(bert, converted):
    assert sorted(path.name for path in converted.iterdir()) == ["classifier.bin", "classifier.xml"]
    assert_equal(bert, converted, "entity_means")


@pytest.mark.parametrize("case", ["roberta", "electra", "albert", "deberta-v3", "modernbert"])
def test_every_architecture_is_converted(case, tmp_path):
    open_device(DeviceSection(), 0)
    model = model_of(case, tmp_path / "encoder")
    graph.convert(model, tmp_path)
    assert_equal(model, tmp_path, "entity_starts")


def assert_equal(model, folder, pooling):
    """Compares probabilities: by Keras of all rows at once, by OpenVINO in batches."""
    arrays = arrays_of(model, pooling)
    rows = np.arange(len(arrays.lengths))
    together = arrays.inputs(Batch(rows, len(rows), int(arrays.lengths.max())))
    expected = ONE_OF.probabilities(keras.ops.convert_to_numpy(model(together)))
    assert np.ptp(expected, axis=0).max() > 0.05  # rows out of order would be seen
    openvino = OpenVinoEngine(folder / graph.GRAPH, "f32")
    assert openvino.precision == "float32"  # also where the CPU has bfloat16
    for batch_size in (1, 4, 64):
        computed = ONE_OF.probabilities(openvino.logits(arrays, batch_size))
        assert np.abs(computed - expected).max() < 1e-5


def test_keras_puts_rows_back_in_their_order(bert):
    arrays = arrays_of(bert)
    device = open_device(DeviceSection(), 0)
    whole, batched = (predict_logits(bert, device, arrays, size) for size in (9, 4))
    assert np.abs(whole - batched).max() < 1e-5
    assert np.abs(whole - whole[::-1]).max() > 0.05


def test_bfloat16_comes_close(bert, converted):
    arrays, path = arrays_of(bert), converted / graph.GRAPH
    exact, rough = (
        ONE_OF.probabilities(OpenVinoEngine(path, p).logits(arrays, 64)) for p in ("f32", "bf16")
    )
    assert np.abs(exact - rough).max() < 0.05


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    batch_size=st.integers(1, 20),
    tokens=st.integers(1, 400),
)
def test_a_plan_holds_every_row_once_within_its_bounds(lengths, batch_size, tokens):
    lengths = np.array(lengths)
    plan = token_plan(lengths, batch_size, tokens)
    rows = np.concatenate([batch.rows for batch in plan])
    assert sorted(rows) == list(range(len(lengths)))
    assert list(lengths[rows]) == sorted(lengths, reverse=True)
    for batch in plan:
        assert batch.length == lengths[batch.rows].max()
        assert len(batch.rows) <= batch_size
        assert len(batch.rows) == 1 or len(batch.rows) * batch.length <= tokens


def test_auto_takes_openvino_on_a_cpu_and_keeps_the_graph(trained, cpu, capsys):
    opened = open_engine(trained, "auto")
    assert str(opened).startswith("OpenVINO 2")
    assert capsys.readouterr().err.count("converting the model for OpenVINO, once") == 1

    def build():
        raise AssertionError("the graph is there")

    again = open_engine(replace(trained, build=build), "openvino")
    assert isinstance(again, OpenVinoEngine)
    assert capsys.readouterr().err == ""


def test_another_model_is_converted_anew_and_the_old_graph_goes(trained, cpu):
    open_engine(trained, "auto")
    open_engine(replace(trained, graph_name=lambda: "another"), "auto")
    assert [path.name for path in trained.stage_folder.iterdir()] == [".openvino-another"]


def test_a_damaged_graph_is_made_anew(trained, cpu, capsys):
    open_engine(trained, "auto")
    path = graph.kept_graph(trained.stage_folder, "name")
    path.write_text(path.read_text(encoding="utf-8")[:1000], encoding="utf-8")
    assert isinstance(open_engine(trained, "auto"), OpenVinoEngine)
    assert "it is made again" in capsys.readouterr().err


def test_a_graph_is_named_by_the_content_of_its_files(tmp_path):
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    name = graph.graph_name([file], ["cls"])
    assert graph.graph_name([file], ["entity_starts"]) != name
    file.write_bytes(b"two")
    assert graph.graph_name([file], ["cls"]) != name
    file.write_bytes(b"one")
    assert graph.graph_name([file], ["cls"]) == name


def test_a_graph_that_computes_otherwise_is_refused(
    trained, bert, tmp_path_factory, capsys, monkeypatch
):
    monkeypatch.setattr(engine, "may_have_accelerator", lambda: False)
    other = model_of("bert", tmp_path_factory.mktemp("other"), False, seed=2)

    class Traced:
        """The model, of which a tracer makes another."""

        input, output, export = bert.input, bert.output, other.export

        def __call__(self, inputs, training):
            return bert(inputs, training=training)

        predict = bert.predict

    wrong = replace(trained, build_for_export=Traced)
    with pytest.raises(InputError, match=r"cannot be converted.*its logits would be"):
        open_engine(wrong, "openvino")
    assert str(open_engine(wrong, "auto")).startswith("Keras on ")
    assert "note: this model cannot be converted for OpenVINO" in capsys.readouterr().err
    assert list(trained.stage_folder.iterdir()) == []


def test_without_openvino_auto_names_what_to_install(trained, cpu, monkeypatch, capsys):
    monkeypatch.setattr(graph, "is_installed", lambda: False)
    assert str(open_engine(trained, "auto")).startswith("Keras on CPU")
    assert "pip install 'relx[cpu]'" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"not installed(.|\n)*relx\[cpu\]"):
        open_engine(trained, "openvino")


def test_a_gpu_is_left_to_keras(trained, monkeypatch, capsys):
    opened = open_device(DeviceSection(), 0)
    gpu = replace(opened, machine=replace(opened.machine, accelerated=True))
    monkeypatch.setattr(engine, "may_have_accelerator", lambda: True)
    monkeypatch.setattr(engine, "open_device", lambda *_: gpu)
    assert str(open_engine(trained, "auto")).startswith("Keras on ")
    monkeypatch.setattr(graph, "is_installed", lambda: False)
    assert str(open_engine(trained, "auto")).startswith("Keras on ")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"precision": "mixed_float16"}, "does not compute in this precision"),
        ({"virtual_devices": 2}, "virtual devices"),
        ({"backend": "jax"}, "only a model on TensorFlow can be converted"),
    ],
)
def test_what_openvino_cannot_do_is_said(section, words, trained, cpu, monkeypatch):
    monkeypatch.setattr(engine, "open_device", lambda *_: SimpleNamespace(machine=None))
    other = replace(trained, section=DeviceSection.model_validate(section))
    with pytest.raises(InputError, match=words):
        open_engine(other, "openvino")


def test_openvino_is_imported_without_what_reports_its_use():
    code = "from relx.engines.openvino import import_openvino; import_openvino(); import sys; "
    code += "print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
