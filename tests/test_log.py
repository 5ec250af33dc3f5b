import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_curve,
    precision_score,
    recall_score,
)
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugin_util import markdown_to_safe_html
from tensorboard.util.tensor_util import make_ndarray

from relx.training.log import RunLog, curve_counts, escaped, markdown_table, read_metrics


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "logs")).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_figures_stand_in_both_files(tmp_path):
    with RunLog(tmp_path) as log:
        log.epoch(0, {"loss": 2.5, "micro_f1": 10.0})
        log.epoch(1, {"loss": 1.5, "micro_f1": 20.0})
    assert read_metrics(tmp_path) == [
        {"epoch": 0, "loss": 2.5, "micro_f1": 10.0},
        {"epoch": 1, "loss": 1.5, "micro_f1": 20.0},
    ]
    assert scalars(tmp_path, "loss") == [(0, 2.5), (1, 1.5)]


def test_figures_are_on_disk_before_the_log_is_closed(tmp_path):
    log = RunLog(tmp_path)
    log.epoch(0, {"loss": 2.5})
    assert read_metrics(tmp_path) == [{"epoch": 0, "loss": 2.5}]
    assert scalars(tmp_path, "loss") == [(0, 2.5)]
    log.close()


def test_a_resumed_run_replaces_the_epochs_it_does_again(tmp_path):
    with RunLog(tmp_path) as log:
        for epoch in range(3):
            log.epoch(epoch, {"loss": float(epoch)})
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"epoch": 3, "lo')  # a kill in the middle of a line
    with RunLog(tmp_path, from_epoch=1) as log:
        log.epoch(1, {"loss": 7.0})
    assert [(r["epoch"], r["loss"]) for r in read_metrics(tmp_path)] == [(0, 0.0), (1, 7.0)]
    assert scalars(tmp_path, "loss") == [(0, 0.0), (1, 7.0)]


def test_a_figure_that_is_not_finite_keeps_the_file_json(tmp_path):
    with RunLog(tmp_path) as log:
        log.epoch(0, {"loss": float("nan")})

    def no_constants(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=no_constants) == {"epoch": 0, "loss": None}


def test_no_framework_is_loaded():
    code = "import sys, relx.training.log; "
    code += "print(sorted({'tensorflow', 'keras', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def tensors(folder: Path, tag: str) -> list[tuple[int, np.ndarray]]:
    """Reads texts and curves as TensorBoard does; its older reader drops scalars alone."""
    events = plugin_event_accumulator.EventAccumulator(str(folder / "logs")).Reload()
    return [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]


def test_a_text_stands_in_the_event_file(tmp_path):
    with RunLog(tmp_path) as log:
        log.text(0, "mistakes", "**가** → 나")
    ((step, text),) = tensors(tmp_path, "mistakes")
    assert step == 0 and text.item().decode() == "**가** → 나"
    assert read_metrics(tmp_path) == []


def test_a_curve_has_scikit_learns_precision_and_recall_at_every_threshold(tmp_path):
    rng = np.random.default_rng(1)
    gold = rng.random(300) < 0.2
    scores = np.round(np.clip(0.4 * gold + 0.6 * rng.random(300), 0, 1), 2)  # many on a threshold
    with RunLog(tmp_path) as log:
        log.pr_curve(2, "precision-recall/org:members", gold, scores)
    ((step, curve),) = tensors(tmp_path, "precision-recall/org:members")
    assert step == 2 and curve.shape == (6, 201) and curve.dtype == np.float32
    for place, threshold in enumerate(np.arange(201) / 200):
        given = scores >= threshold
        (tn, fp), (fn, tp) = confusion_matrix(gold, given, labels=[False, True])
        assert curve[:4, place].tolist() == [tp, fp, tn, fn]
        precision = precision_score(gold, given, zero_division=0)
        assert curve[4, place] == pytest.approx(precision)
        assert curve[5, place] == pytest.approx(recall_score(gold, given))


def test_a_curve_is_the_one_of_scikit_learn_where_a_threshold_is_a_score():
    rng = np.random.default_rng(2)
    gold, scores = rng.random(500) < 0.3, rng.integers(0, 51, 500) / 50
    precision, recall, thresholds = precision_recall_curve(gold, scores)
    ours = curve_counts(gold, scores, thresholds=51)
    places = np.round(thresholds * 50).astype(int)
    assert np.allclose(ours[4, places], precision[:-1])
    assert np.allclose(ours[5, places], recall[:-1])


def test_a_curve_of_a_class_without_rows_is_zero():
    counts = curve_counts(np.zeros(4, bool), np.full(4, 0.5), thresholds=3)
    assert counts.tolist() == [[0] * 3, [4, 4, 0], [0, 0, 4], [0] * 3, [0] * 3, [0] * 3]


def test_texts_and_curves_of_epochs_done_again_are_replaced(tmp_path):
    gold, scores = np.array([True, False]), np.array([0.9, 0.1])
    with RunLog(tmp_path) as log:
        for epoch in range(3):
            log.text(epoch, "mistakes", f"first {epoch}")
            log.pr_curve(epoch, "precision-recall/micro", gold, scores)
    with RunLog(tmp_path, from_epoch=1) as log:
        log.text(1, "mistakes", "second 1")
        log.pr_curve(1, "precision-recall/micro", ~gold, scores)
    texts = [(step, text.item().decode()) for step, text in tensors(tmp_path, "mistakes")]
    assert texts == [(0, "first 0"), (1, "second 1")]
    curves = tensors(tmp_path, "precision-recall/micro")
    assert [step for step, _ in curves] == [0, 1]
    assert curves[0][1][0, 100] == 1 and curves[1][1][0, 100] == 0


NASTY = r"a|b *c* _d_ [e](f) <b>g</b> `h` \i &amp; # 제목 ~~j~~ ![k](l) {m}" + "\n줄"


def test_escaped_text_stands_as_it_was_in_tensorboards_table():
    html = markdown_to_safe_html(markdown_table(("x", "y"), [(escaped(NASTY), "1")]))
    cells = re.findall("<td>(.*?)</td>", html, flags=re.DOTALL)
    assert [unescape(cell) for cell in cells] == [NASTY.replace("\n", " "), "1"]


def test_tensorboard_serves_all_of_it(tmp_path):
    with RunLog(tmp_path / "demo/train/fold-0") as log:
        log.epoch(0, {"loss": 2.5})
        log.text(0, "mistakes", "**가** → 나")
        log.pr_curve(0, "precision-recall/micro", np.array([True, False]), np.array([0.9, 0.1]))
    with served(tmp_path) as data:
        run = str(Path("demo/train/fold-0/logs"))
        assert list(data("scalars/tags")[run]) == ["loss"]
        assert data("text/tags") == {run: ["mistakes"]}
        assert list(data("pr_curves/tags")[run]) == ["precision-recall/micro"]
        ((curve,),) = data(f"pr_curves/pr_curves?tag=precision-recall/micro&run={run}").values()
        assert curve["step"] == 0 and max(curve["true_positives"]) == 1
        (text,) = data(f"text/text?tag=mistakes&run={run}")
        assert "<strong>가</strong> → 나" in text["text"]


@contextlib.contextmanager
def served(folder):
    """Starts TensorBoard on a folder; gives what fetches from its plugins."""
    words = ["--logdir", str(folder), "--port", "0", "--host", "127.0.0.1", "--load_fast", "false"]
    command = [sys.executable, "-m", "tensorboard.main", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        lines = iter(process.stderr.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://\S+/", line)))

        def data(path):
            with opener.open(f"{address}data/plugin/{path}", timeout=60) as answer:
                return json.load(answer)

        deadline = time.monotonic() + 60  # the logs are read in the background
        while not data("pr_curves/tags") and time.monotonic() < deadline:
            time.sleep(0.2)
        yield data
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()
