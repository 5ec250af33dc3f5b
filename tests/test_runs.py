import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relx.faults import Fault, InputError
from relx.files import is_temporary, whole_file, whole_folder
from relx.recipe import Recipe
from relx.recipe_file import load_recipe, recipe_from_tree
from relx.runs import stage as stages
from relx.runs.differences import input_differences
from relx.runs.find import find_run
from relx.runs.lock import locked
from relx.runs.manifest import PACKAGES, Git, read_manifest
from relx.runs.stage import (
    CHECKPOINT,
    Sitting,
    Start,
    begin,
    best_folder,
    drop_other_bests,
    finish,
    matches,
    nothing_left_behind,
    publish_best,
)
from relx.runs.state import list_runs

ROOT = Path(__file__).parents[1]
INPUTS = {"train": {"epochs": 3, "sizes": (1, 2)}, "seed": 42, "digest": "가" * 64}


def recipe(name: str = "first") -> Recipe:
    return recipe_from_tree({"name": name, "encoder": {"from": "klue/bert-base"}})


def started(runs_dir: Path, name: str = "first", stage: str = "train/fold-0", **changes) -> Path:
    folder = runs_dir / name / stage
    begin(folder, stage, recipe(name), INPUTS | changes, {"train": {"rows": 3}}, "model")
    (folder / CHECKPOINT).touch()
    return folder


def finished(runs_dir: Path, name: str = "first", stage: str = "train/fold-0", **results) -> Path:
    folder = started(runs_dir, name, stage)
    finish(folder, "one CPU", results)
    time.sleep(0.003)  # the order of finishing is told by milliseconds
    return folder


def test_a_stage_is_new_then_continued_then_finished(tmp_path):
    folder = tmp_path / "first" / "train" / "fold-0"
    words = (folder, "train/fold-0", recipe(), INPUTS, {}, "model")
    assert begin(*words) is Start.NEW
    assert begin(*words) is Start.NEW
    (folder / CHECKPOINT).touch()
    assert begin(*words) is Start.CONTINUED
    finish(folder, {"backend": "tensorflow"}, {"micro_f1": 71.5})
    (folder / "model").mkdir()
    assert begin(*words) is Start.FINISHED
    assert not (folder / CHECKPOINT).exists()
    (folder / "model").rmdir()
    assert begin(*words) is Start.NEW  # what was finished is gone


def test_before_the_first_checkpoint_other_inputs_just_start_anew(tmp_path):
    folder = tmp_path / "first" / "tapt"
    assert begin(folder, "tapt", recipe(), INPUTS, {}, "encoder") is Start.NEW
    assert begin(folder, "tapt", recipe(), INPUTS | {"seed": 7}, {}, "encoder") is Start.NEW
    assert read_manifest(folder).inputs["seed"] == 7


def test_a_fault_before_the_first_checkpoint_leaves_nothing(tmp_path):
    folder = tmp_path / "first" / "tapt"
    for _ in range(2):
        begin(folder, "tapt", recipe(), INPUTS, {}, "encoder")
        with pytest.raises(InputError), nothing_left_behind(folder):
            raise InputError(Fault("wrong"))
        assert not folder.exists()
    folder = started(tmp_path)
    with pytest.raises(InputError), nothing_left_behind(folder):
        raise InputError(Fault("wrong"))
    assert folder.exists()


def test_the_manifest_traces_the_run(tmp_path):
    manifest = read_manifest(finished(tmp_path, micro_f1=71.5))
    assert manifest.status == "finished" and manifest.stage == "train/fold-0"
    assert manifest.recipe == recipe().tree() and manifest.seed == 42
    assert manifest.data == {"train": {"rows": 3}}
    assert manifest.device == "one CPU" and manifest.results == {"micro_f1": 71.5}
    assert set(PACKAGES) | {"python"} == set(manifest.versions)
    assert manifest.versions["numpy"] and manifest.versions["python"].startswith("3.")
    assert manifest.started <= (manifest.finished or "")
    assert manifest.started.endswith("+00:00")


def test_the_resolved_recipe_lies_beside_the_manifest(tmp_path):
    assert load_recipe(started(tmp_path) / "recipe.yaml") == recipe()


def test_seconds_add_up_over_sittings(tmp_path, monkeypatch):
    folder = started(tmp_path)
    clock = iter([100.0, 110.0, 110.0, 300.0, 305.5, 305.5])
    monkeypatch.setattr(stages.time, "monotonic", lambda: next(clock))
    for _ in range(2):
        Sitting(folder).count()
        assert started(tmp_path) == folder
    finish(folder, None, {})
    assert read_manifest(folder).seconds == 15.5


def test_what_a_killed_process_was_writing_is_swept_away(tmp_path):
    folder = started(tmp_path)
    for unfinished in (".model.a1b2c3_4", "best/.epoch-2.a1b2c3_4", "best/.epoch-1.a1b2c3_4.old"):
        (folder / unfinished).mkdir(parents=True)
        (folder / unfinished / "config.json").write_text("{}")
    (folder / ".checkpoint.safetensors.00000000").write_text("half")
    (folder / ".openvino-0123456789").mkdir()  # what is hidden, but whole, stays
    started(tmp_path)
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".openvino-0123456789", "best", CHECKPOINT, "manifest.json", "recipe.yaml"]
    assert not any((folder / "best").iterdir())


def test_names_of_unfinished_files_are_known(tmp_path):
    with whole_file(tmp_path / "a.json") as file, whole_folder(tmp_path / "model") as made:
        assert is_temporary(file) and is_temporary(made)
        file.touch()
    assert not any(is_temporary(path) for path in tmp_path.iterdir())


def test_the_best_model_and_what_names_it_never_disagree(tmp_path):
    folder = started(tmp_path)
    for epoch in (0, 2):
        best_folder(folder, epoch).mkdir(parents=True)
        (best_folder(folder, epoch) / "weights").write_text(str(epoch))
    drop_other_bests(folder, 2)
    assert [path.name for path in (folder / "best").iterdir()] == ["epoch-3"]
    (folder / "model").mkdir()  # of a run that was killed a moment later
    publish_best(folder, 2, "model")
    assert (folder / "model" / "weights").read_text() == "2"
    publish_best(folder, 2, "model")  # the second time nothing is left to do
    finish(folder, None, {})
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "model",
        "recipe.yaml",
    ]
    with pytest.raises(InputError, match="best epoch's model is gone"):
        publish_best(folder, 2, "encoder")


def test_a_stage_that_was_killed_while_it_finished_is_finished(tmp_path):
    folder = finished(tmp_path)
    (folder / "model").mkdir()
    (folder / CHECKPOINT).touch()
    (folder / "best").mkdir()
    words = (folder, "train/fold-0", recipe(), INPUTS, {}, "model")
    assert begin(*words) is Start.FINISHED
    assert not (folder / CHECKPOINT).exists() and not (folder / "best").exists()


def test_the_processes_beside_the_first_only_look(tmp_path):
    folder = tmp_path / "first" / "train" / "fold-0"
    words = (folder, "train/fold-0", recipe(), INPUTS, {}, "model")
    assert begin(*words, chief=False) is Start.NEW
    with locked(tmp_path / "first", chief=False):
        assert not (tmp_path / "first").exists()
    started(tmp_path)
    (folder / ".model.a1b2c3_4").mkdir()
    with locked(tmp_path / "first"), locked(tmp_path / "first", chief=False):
        assert begin(*words, chief=False) is Start.CONTINUED
        assert begin(*words, fresh=True, chief=False) is Start.NEW
    assert (folder / ".model.a1b2c3_4").exists() and (folder / CHECKPOINT).exists()
    with pytest.raises(InputError, match="seed: 42 → 7"):
        begin(*words[:3], INPUTS | {"seed": 7}, {}, "model", chief=False)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(InputError), nothing_left_behind(folder, chief=False):
        raise InputError(Fault("wrong"))
    assert folder.exists()


def test_changed_data_are_named_by_file_rows_and_digest(tmp_path):
    folder = tmp_path / "first" / "train" / "fold-0"
    old = {"train": {"file": "a.csv", "rows": 60, "digest": "1" * 64}}
    old |= {"dev": {"file": "dev.csv", "rows": 20, "digest": "3" * 64}}
    new = old | {"train": {"file": "a.csv", "rows": 61, "digest": "2" * 64}}
    words = (folder, "train/fold-0", recipe())
    begin(*words, INPUTS, old, "model")
    (folder / CHECKPOINT).touch()
    with pytest.raises(InputError) as caught:
        begin(*words, INPUTS | {"digest": "다" * 64}, new, "model")
    text = str(caught.value)
    assert "data.train: a.csv, 60 → 61 rows, SHA-256 111111111111 → 222222222222" in text
    assert "data.dev" not in text


def test_other_inputs_are_refused_and_each_difference_is_named(tmp_path):
    started(tmp_path)
    with pytest.raises(InputError) as caught:
        started(tmp_path, train={"epochs": 5, "sizes": (1, 2)}, digest="나" * 64, extra={"a": None})
    text = str(caught.value)
    assert "train.epochs: 3 → 5" in text
    assert "digest: '가" in text and "→ '나" in text
    assert "extra.a: absent → None" in text
    assert "seed" not in text and "sizes" not in text
    assert "--set name=NAME" in text and "fold-0.old-1" in text


def test_fresh_keeps_the_old_result_aside(tmp_path, capsys):
    folder, said = finished(tmp_path, epochs=3), []
    for number in (1, 2):
        marks = {"seed": number}
        start = begin(folder, "train/fold-0", recipe(), INPUTS | marks, {}, "model", fresh=True)
        assert start is Start.NEW
        said.append(capsys.readouterr().err.replace("\n", ""))
        assert f"fold-0.old-{number}" in said[-1]
    assert read_manifest(folder.with_name("fold-0.old-1")).status == "finished"
    assert "finished, 3 epochs" in said[0] and "minutes of work" in said[0] and " MB" in said[0]
    assert "stopped after 0 of 5 epochs and 0 steps" in said[1]
    assert read_manifest(folder).inputs["seed"] == 2
    assert [row.stage for row in list_runs(tmp_path)] == ["train/fold-0"]


def test_a_fresh_start_that_fails_gives_the_old_result_back(tmp_path, capsys):
    folder = finished(tmp_path, micro_f1=71.5)
    begin(folder, "train/fold-0", recipe(), INPUTS | {"seed": 7}, {}, "model", fresh=True)
    with pytest.raises(InputError), nothing_left_behind(folder, restore=True):
        raise InputError(Fault("wrong"))
    assert read_manifest(folder).results == {"micro_f1": 71.5}
    assert not folder.with_name("fold-0.old-1").exists()
    assert "the earlier result is back" in capsys.readouterr().err


def test_of_all_runs_a_broken_one_is_left_out(tmp_path, capsys):
    good = finished(tmp_path, "good")
    (started(tmp_path, "bad") / "manifest.json").write_text("{")
    assert find_run(tmp_path, None) == good
    assert "bad" in capsys.readouterr().err
    with pytest.raises(InputError, match="manifest is broken"):
        find_run(tmp_path, "bad")


def test_fresh_with_nothing_there_is_new(tmp_path):
    folder = tmp_path / "first" / "tapt"
    assert begin(folder, "tapt", recipe(), INPUTS, {}, "encoder", fresh=True) is Start.NEW
    assert [path.name for path in folder.parent.iterdir()] == ["tapt"]


def test_matches_wants_the_same_inputs_and_the_end(tmp_path):
    folder = tmp_path / "first" / "tapt"
    assert matches(folder, INPUTS, "encoder") == (False, ["it was not run"])
    started(tmp_path, stage="tapt")
    assert matches(folder, INPUTS, "encoder") == (False, ["it is not finished"])
    finish(folder, None, {})
    assert matches(folder, INPUTS, "encoder") == (False, ["its encoder folder is gone"])
    (folder / "encoder").mkdir()
    assert matches(folder, INPUTS, "encoder") == (True, [])
    assert matches(folder, INPUTS | {"seed": 1}, "encoder") == (False, ["seed: 42 → 1"])


trees = st.recursive(
    st.integers() | st.text(max_size=3) | st.none() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure
@given(st.dictionaries(st.text("ab", min_size=1), trees), st.dictionaries(st.just("a"), trees))
def test_no_differences_means_equal_inputs(one, other):
    assert (input_differences(one, other) == []) == (one == other)


@pytest.mark.parametrize("content", ['{"stage": "tr', "[1]", '{"stage": "train"}', ""])
def test_a_broken_manifest_is_a_message(tmp_path, content):
    folder = started(tmp_path)
    (folder / "manifest.json").write_text(content)
    with pytest.raises(InputError, match="manifest is broken") as caught:
        started(tmp_path)
    assert "--fresh" in caught.value.faults[0].next_step
    assert [row.state for row in list_runs(tmp_path)] == ["broken"]
    with pytest.raises(InputError, match="manifest is broken"):
        find_run(tmp_path, "first")


def test_the_latest_finished_run_is_found(tmp_path):
    finished(tmp_path, "b")
    finished(tmp_path, "a")
    started(tmp_path, "c")
    assert find_run(tmp_path, None) == tmp_path / "a" / "train" / "fold-0"
    assert find_run(tmp_path, "b") == tmp_path / "b" / "train" / "fold-0"


def test_folds_are_told_apart(tmp_path):
    for fold in (1, 10, 2):
        finished(tmp_path, stage=f"train/fold-{fold}")
    assert find_run(tmp_path, "first", "train/fold-1").name == "fold-1"
    assert find_run(tmp_path, "first").name == "fold-2"
    stages = [row.stage for row in list_runs(tmp_path)]
    assert stages == ["train/fold-1", "train/fold-2", "train/fold-10"]


def test_tapt_is_no_training_run(tmp_path):
    folder = finished(tmp_path, stage="tapt")
    assert find_run(tmp_path, None, "tapt") == folder
    with pytest.raises(InputError, match="no train stage has finished"):
        find_run(tmp_path, None)


def test_what_is_missing_is_said_with_the_command(tmp_path):
    with pytest.raises(InputError, match=r"no runs here.*\n.*relx train"):
        find_run(tmp_path / "runs", None)
    folder = started(tmp_path)
    with pytest.raises(InputError) as caught:
        find_run(tmp_path, "first")
    step = f"relx train --recipe {folder / 'recipe.yaml'} --runs-dir {tmp_path}"
    assert caught.value.faults[0].next_step == step
    with pytest.raises(InputError, match="did you mean first"):
        find_run(tmp_path, "fist")
    with pytest.raises(InputError, match="no run of this name"):
        find_run(tmp_path, "../first")


HOLDER = """
import sys, time
from pathlib import Path
from relx.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(run_folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is at work in a run."""
    command = [sys.executable, "-c", HOLDER, str(run_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    started(tmp_path)
    with holder(tmp_path / "first") as process:
        with pytest.raises(InputError) as caught, locked(tmp_path / "first"):
            pass
        assert f"process {process.pid} on " in str(caught.value)
        assert [row.state for row in list_runs(tmp_path)] == ["running"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert [row.state for row in list_runs(tmp_path)] == ["stopped"]
        with locked(tmp_path / "first"):
            assert [row.state for row in list_runs(tmp_path)] == ["running"]


def test_a_lock_is_given_back_also_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path / "first"):
            raise ZeroDivisionError
    assert not (tmp_path / "first").exists()  # an empty run leaves no trace


def test_a_run_with_work_in_it_keeps_its_folder(tmp_path):
    with locked(tmp_path / "first"):
        started(tmp_path)
    assert (tmp_path / "first" / ".lock").read_text() == ""


def test_runs_do_not_lock_each_other(tmp_path):
    with locked(tmp_path / "first"), locked(tmp_path / "second"):
        pass


def test_the_repository_is_noted(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(["git", *name, *words], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode().strip()

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert read_manifest(started(tmp_path / "runs", "outside")).git is None
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "a")
    clean = read_manifest(started(tmp_path / "runs", "clean")).git
    (tmp_path / "a").write_text("2")
    dirty = read_manifest(started(tmp_path / "runs", "dirty")).git
    assert clean == Git(commit=git("rev-parse", "HEAD"), dirty=False)
    assert dirty == Git(commit=git("rev-parse", "HEAD"), dirty=True)


def test_a_manifest_is_json_for_people(tmp_path):
    text = (finished(tmp_path) / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text)["inputs"]["train"] == {"epochs": 3, "sizes": [1, 2]}
    assert "가" in text and text.count("\n") > 10
