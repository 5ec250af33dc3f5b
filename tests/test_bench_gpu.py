"""The GPU's bench in its smallest form: it packs, runs without TensorFlow, and outlives kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench" / "gpu"))

import parts
import record
import speed

ROOT = Path(__file__).parents[1]
GPU = ROOT / "bench" / "gpu.py"


# Read by Python when it starts: TensorFlow is nowhere on the path.
HIDDEN = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name == "tensorflow" else find(name, *rest)
"""


def without_tensorflow(folder):
    """An environment in which TensorFlow is not installed."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDDEN)
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(*words, env=None):
    words = [sys.executable, *map(str, words)]
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A pack of the code alone: wheels are fetched, and data are elsewhere."""
    folder = tmp_path_factory.mktemp("gpu") / "pack"
    nowhere = folder.with_name("nowhere")
    done = run(GPU, "pack", "--folder", folder, "--shared", nowhere, "--no-wheels")
    assert done.returncode == 0, done.stderr
    assert "it is left out" in done.stdout
    return folder


def test_a_pack_holds_the_code_and_the_sample_but_no_results(packed):
    code = packed / "code"
    for name in ("relx/predict.py", "bench/gpu/klue.py", "sample/train.csv", "recipes/demo.yaml"):
        assert (code / name).is_file(), name
    assert not (code / "bench/results").exists()
    assert (code / "COMMIT").read_text().strip()


def test_a_pack_above_the_limit_is_refused(tmp_path):
    asked = ("--folder", tmp_path / "pack", "--shared", tmp_path, "--no-wheels", "--limit", "0.1")
    done = run(GPU, "pack", *asked)
    assert done.returncode == 1
    assert "more than the 0 that a transfer holds" in done.stderr


def test_an_unknown_part_is_refused(tmp_path):
    done = run(GPU, "run", "--parts", "parity,sped", "--out", tmp_path)
    assert done.returncode == 2
    assert "no such part: sped" in done.stderr


@pytest.mark.slow
def test_the_smallest_run_needs_no_tensorflow(packed, tmp_path):
    pytest.importorskip("torch")
    gpu, out = packed / "code/bench/gpu.py", tmp_path / "out"
    asked = ("run", "--cpu", "--tiny", "--parts", "parity", "--minutes", "20", "--out", out)
    done = run(gpu, *asked, env=without_tensorflow(tmp_path / "hidden"))
    logs = "".join(path.read_text() for path in out.glob("*.log"))
    assert done.returncode == 0, done.stderr
    assert "tensorflow  not installed" in done.stdout
    for backend in ("jax", "torch"):
        found = json.loads((out / f"parity_{backend}.json").read_text())
        assert found["state"] == "complete", logs
        exact = [row for row in found["outputs"] if row["precision"] == "float32"]
        assert {row["case"] for row in exact} == set(parts.TINY[:1])
        assert max(row[name] for row in exact for name in ("hidden", "logits")) < 2e-5
        assert found["training"][0]["loss"] < 1e-5
        assert len(set(found["training"][0]["losses"])) == found["training"][0]["steps"]


def session(tmp_path, program):
    """A session whose only program is the one given."""
    folder = tmp_path / "root/bench/gpu"
    folder.mkdir(parents=True)
    (folder / "program.py").write_text(program)
    for path in (tmp_path / "out", tmp_path / "work"):
        path.mkdir()
    places = (tmp_path / "root", tmp_path / "out", tmp_path / "work", tmp_path)
    return parts.Session(*places, {"PYTHONPATH": str(ROOT / "bench/gpu")}, True, True, True)


WRITES = """
import json, sys, time
from pathlib import Path
from record import Record
work = json.loads(Path(sys.argv[1]).read_text())
record = Record(Path(work["out"]), "stub", work["deadline"])
record.add("rows", {"number": 1})
"""


def run_stub(tmp_path, monkeypatch, ending, seconds=60.0):
    """Runs a part of two processes, of which the first ends as told and the second one well."""
    asked = session(tmp_path, WRITES + ending)
    (tmp_path / "root/bench/gpu/after.py").write_text(WRITES + "record.end('complete')")

    def processes(session, seeds):
        for program, name in (("program.py", "first.json"), ("after.py", "second.json")):
            yield program, name, {"out": str(session.out / name)}

    monkeypatch.setitem(parts.PARTS, "stub", parts.Part(1.0, processes))
    assert not parts.run_part(asked, "stub", time.time() + seconds, 1)
    found = [json.loads((asked.out / f"{n}.json").read_text()) for n in ("first", "second")]
    assert all(figures["rows"] == [{"number": 1}] for figures in found)
    assert found[1]["state"] == "complete"
    return found[0]


def test_a_process_that_fails_leaves_its_reason_and_the_next_begins(tmp_path, monkeypatch):
    first = run_stub(tmp_path, monkeypatch, "raise ValueError('no such kernel')")
    assert first["state"] == "failed with exit status 1"
    assert first["last_lines"][-1] == "ValueError: no such kernel"


def test_a_process_that_is_killed_leaves_what_it_had_written(tmp_path, monkeypatch):
    ending = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    first = run_stub(tmp_path, monkeypatch, ending)
    assert first["state"] == f"failed with exit status {-signal.SIGKILL}"


def test_a_process_out_of_time_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "GRACE", 0.0)
    first = run_stub(tmp_path, monkeypatch, "time.sleep(600)", seconds=16.0)
    assert first["state"] == "killed: out of time"


def test_what_is_stopped_leaves_nothing_running(tmp_path, monkeypatch):
    ending = f"Path({str(tmp_path / 'pid')!r}).write_text(str(__import__('os').getpid()))"
    asked = session(tmp_path, WRITES + ending + "; time.sleep(600)")

    def processes(session, seeds):
        yield "program.py", "first.json", {"out": str(session.out / "first.json")}

    def interrupt(process, timeout=None):
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setitem(parts.PARTS, "stub", parts.Part(1.0, processes))
    monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        parts.run_part(asked, "stub", time.time() + 60, 1)
    assert not Path("/proc", (tmp_path / "pid").read_text(), "cmdline").exists()
    found = json.loads((asked.out / "first.json").read_text())
    assert (found["state"], found["rows"]) == ("stopped", [{"number": 1}])


def test_a_file_is_never_seen_half_written(tmp_path):
    path = tmp_path / "part.json"
    found = record.Record(path, "stub", time.time() + 60)
    assert json.loads(path.read_text())["state"] == "running"
    found.add("rows", {"number": 1})
    found.end("complete")
    figures = json.loads(path.read_text())
    assert (figures["part"], figures["state"], figures["rows"]) == (
        "stub",
        "complete",
        [{"number": 1}],
    )
    assert [p.name for p in tmp_path.iterdir()] == ["part.json"]


def test_ratios_compare_the_same_task_shape_and_batch():
    def row(side, task, speed, batch=32):
        place = {"side": side, "shape": "base", "task": task, "batch": batch}
        return place | {"tokens_per_second": speed}

    rows = [
        row("transformers", "train", 10.0),
        row("transformers", "train", 40.0, 256),
        row("relx jax", "train", 25.0),
        row("relx torch", "tapt", 9.0),
    ]
    assert speed.ratios(rows) == [
        {"shape": "base", "task": "train", "batch": 32, "side": "relx jax", "to transformers": 2.5},
        {"shape": "base", "task": "tapt", "batch": 32, "side": "relx torch"},
    ]
