import json
import subprocess
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from relx.logs import RunLog, read_metrics


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
    code = (
        "import sys, relx.logs; print(sorted({'tensorflow', 'keras', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
