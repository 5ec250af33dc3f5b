"""A run opened for prediction: which engine computes, and what it leaves in the run's folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_stages import begin, finish
from safetensors.numpy import save_file

from relx.data.labels import LabelList
from relx.devices.device import open_device
from relx.faults import InputError
from relx.files import write_json
from relx.models.classifier import head_weights, span_classifier
from relx.models.encoder.load import load_encoder, write_encoder
from relx.predict import open_run
from relx.recipe import DeviceSection, FreshSizes, FreshSource, Recipe
from relx.spans import Span
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.markers import marker_tokens
from relx.tasks.relation.rows import Example
from relx.tasks.relation.task import POOLINGS

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
from relx.predict import open_run
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
