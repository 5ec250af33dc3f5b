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
from relx.files import is_temporary, whole_file, whole_folder, write_json, write_text
from relx.recipe import Recipe
from relx.recipe_file import load_recipe, recipe_from_tree
from relx.runs import stage as stages
from relx.runs.differences import input_differences
from relx.runs.find import find_run
from relx.runs.lock import locked
from relx.runs.manifest import PACKAGES, Git, read_manifest
from relx.runs.place import StagePlace, fold_stage
from relx.runs.resume import CHECKPOINT
from relx.runs.stage import Start, compare_stage, open_stage
from relx.runs.state import list_runs

ROOT = Path(__file__).parents[1]
INPUTS = {"train": {"epochs": 3, "sizes": (1, 2)}, "seed": 42, "digest": "가" * 64}


def recipe(name: str = "first") -> Recipe:
    return recipe_from_tree({"name": name, "encoder": {"from": "klue/bert-base"}})


def opened(runs_dir: Path, name: str = "first", stage: str = "train/fold-0", **given):
    """Opens a stage; `inputs`, `data`, `fresh` and `chief` as given."""
    words = {"inputs": INPUTS, "data": {"train": {"rows": 3}}} | given
    result = "encoder" if stage == "tapt" else "model"
    return open_stage(StagePlace(runs_dir, name, stage), recipe(name), result=result, **words)


def started(runs_dir: Path, name: str = "first", stage: str = "train/fold-0", **given) -> Path:
    """A stage with a checkpoint, which is not a whole one."""
    with opened(runs_dir, name, stage, **given) as one:
        one.checkpoint.touch()
    return one.folder


def finished(runs_dir: Path, name: str = "first", stage: str = "train/fold-0", **results) -> Path:
    with opened(runs_dir, name, stage) as one:
        one.checkpoint.touch()
        one.finish({"hardware": "one CPU"}, results)
    time.sleep(0.003)  # the order of finishing is told by milliseconds
    return one.folder


def start(*words, **given) -> Start:
    with opened(*words, **given) as one:
        return one.start


def test_a_place_is_told_by_names(tmp_path):
    place = StagePlace(tmp_path, "first", fold_stage(3))
    assert place.folder == tmp_path / "first" / "train" / "fold-3"
    assert place.run_folder == tmp_path / "first"
    assert place.beside("tapt").folder == tmp_path / "first" / "tapt"


def test_a_stage_is_new_then_continued_then_finished(tmp_path, capsys):
    assert start(tmp_path) is Start.NEW
    assert start(tmp_path) is Start.NEW
    folder = started(tmp_path)
    with opened(tmp_path) as one:
        assert one.start is Start.CONTINUED and not one.is_finished
        one.finish({"backend": "tensorflow"}, {"micro_f1": 71.5}, [{"loss": 1.0}])
        (folder / "model").mkdir()
    assert json.loads((folder / "metrics.json").read_text()) == {
        "micro_f1": 71.5,
        "history": [{"loss": 1.0}],
    }
    assert "finished already" not in capsys.readouterr().err
    with opened(tmp_path) as one:
        assert one.start is Start.FINISHED and one.is_finished
        assert one.results == {"micro_f1": 71.5}
    assert "is finished already; --fresh" in capsys.readouterr().err
    assert not (folder / CHECKPOINT).exists()
    (folder / "model").rmdir()
    assert start(tmp_path) is Start.NEW  # what was finished is gone


def test_before_the_first_checkpoint_other_inputs_just_start_anew(tmp_path):
    assert start(tmp_path) is Start.NEW
    with opened(tmp_path, inputs=INPUTS | {"seed": 7}) as one:
        assert one.start is Start.NEW
    assert read_manifest(one.folder).inputs["seed"] == 7


def test_a_fault_before_the_first_checkpoint_leaves_nothing(tmp_path):
    for _ in range(2):
        with pytest.raises(InputError), opened(tmp_path, stage="tapt"):
            raise InputError(Fault("wrong"))
        assert not (tmp_path / "first").exists()
    folder = started(tmp_path)
    with pytest.raises(InputError), opened(tmp_path):
        raise InputError(Fault("wrong"))
    assert folder.exists()


def test_a_fault_after_the_end_leaves_the_result(tmp_path):
    with pytest.raises(InputError), opened(tmp_path) as one:
        (one.folder / "model").mkdir()
        one.finish({}, {"micro_f1": 1.0})
        raise InputError(Fault("another process is lost"))
    assert read_manifest(one.folder).status == "finished"
    with pytest.raises(InputError), opened(tmp_path):
        raise InputError(Fault("wrong"))
    assert (one.folder / "model").exists()


def test_the_manifest_traces_the_run(tmp_path):
    manifest = read_manifest(finished(tmp_path, micro_f1=71.5))
    assert manifest.status == "finished" and manifest.stage == "train/fold-0"
    assert manifest.recipe == recipe().tree() and manifest.seed == 42
    assert manifest.data == {"train": {"rows": 3}}
    assert manifest.device == {"hardware": "one CPU"} and manifest.results == {"micro_f1": 71.5}
    assert set(PACKAGES) | {"python"} == set(manifest.versions)
    assert manifest.versions["numpy"] and manifest.versions["python"].startswith("3.")
    assert manifest.started <= (manifest.finished or "")
    assert manifest.started.endswith("+00:00")


def test_the_resolved_recipe_lies_beside_the_manifest(tmp_path):
    assert load_recipe(started(tmp_path) / "recipe.yaml") == recipe()


def test_seconds_add_up_over_sittings(tmp_path, monkeypatch):
    clock = iter([100.0, 110.0, 300.0, 304.0, 305.5])
    monkeypatch.setattr(stages.time, "monotonic", lambda: next(clock))
    with opened(tmp_path) as one:
        one.count()
        one.checkpoint.touch()
    assert read_manifest(one.folder).seconds == 10.0
    with opened(tmp_path) as one:
        one.record_encoder("encoder", None, [])
        one.finish({}, {})
    manifest = read_manifest(one.folder)
    assert manifest.seconds == 15.5 and manifest.encoder["source"] == "encoder"


def test_what_a_killed_process_was_writing_is_swept_away(tmp_path):
    folder = started(tmp_path)
    names = (".model.{}", "best/.epoch-2.{}", "best/.epoch-1.{}.old")
    for unfinished in (name.format("a1b2c3_4.part") for name in names):
        (folder / unfinished).mkdir(parents=True)
        (folder / unfinished / "config.json").write_text("{}")
    (folder / ".checkpoint.safetensors.00000000.part").write_text("half")
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
    with opened(tmp_path) as one:
        for epoch in (0, 2):
            one.keep_best(epoch, lambda folder: write_text(folder / "weights", folder.name))
        one.drop_other_bests(2)
        assert [path.name for path in (one.folder / "best").iterdir()] == ["epoch-3"]
        one.checkpoint.touch()
        (one.folder / "model").mkdir()  # of a run that was killed a moment later
        one.finish({}, {}, best=2)
        assert (one.folder / "model" / "weights").read_text() == "epoch-3"
        one.finish({}, {}, best=2)  # the second time nothing is left to do
    left = ["manifest.json", "metrics.json", "model", "recipe.yaml"]
    assert sorted(path.name for path in one.folder.iterdir()) == left
    with (
        pytest.raises(InputError, match="best epoch's model is gone"),
        opened(tmp_path, "b") as one,
    ):
        one.finish({}, {}, best=2)


def test_a_stage_that_was_killed_while_it_finished_is_finished(tmp_path):
    folder = finished(tmp_path)
    (folder / "model").mkdir()
    (folder / CHECKPOINT).touch()
    (folder / "best").mkdir()
    assert start(tmp_path) is Start.FINISHED
    assert not (folder / CHECKPOINT).exists() and not (folder / "best").exists()


def test_the_processes_beside_the_first_only_look(tmp_path, monkeypatch):
    monkeypatch.setattr(stages.progress, "configure", lambda quiet: None)
    with opened(tmp_path, chief=False) as one:
        assert one.start is Start.NEW
        one.keep_best(0, lambda folder: pytest.fail("it wrote"))
        one.finish({}, {}, best=0)
        assert not (tmp_path / "first").exists()
        folder = started(tmp_path)  # by the first process
        assert one.manifest.status == "running" and one.pinned_revision("main") == "main"
        one.record_encoder("elsewhere", None, [])
        one.count()
        assert one.manifest == read_manifest(folder) and not one.manifest.encoder
    (folder / ".model.a1b2c3_4.part").mkdir()
    with locked(tmp_path / "first"):
        assert start(tmp_path, chief=False) is Start.CONTINUED
        assert start(tmp_path, fresh=True, chief=False) is Start.NEW
    assert (folder / ".model.a1b2c3_4.part").exists() and (folder / CHECKPOINT).exists()
    with pytest.raises(InputError, match="seed: 42 → 7"):
        start(tmp_path, inputs=INPUTS | {"seed": 7}, chief=False)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(InputError), opened(tmp_path, chief=False):
        raise InputError(Fault("wrong"))
    assert folder.exists()


def test_changed_data_are_named_by_file_rows_and_digest(tmp_path):
    old = {"train": {"file": "a.csv", "rows": 60, "digest": "1" * 64}}
    old |= {"dev": {"file": "dev.csv", "rows": 20, "digest": "3" * 64}}
    new = old | {"train": {"file": "a.csv", "rows": 61, "digest": "2" * 64}}
    started(tmp_path, data=old)
    with pytest.raises(InputError) as caught:
        start(tmp_path, inputs=INPUTS | {"digest": "다" * 64}, data=new)
    text = str(caught.value)
    assert "data.train: a.csv, 60 → 61 rows, SHA-256 111111111111 → 222222222222" in text
    assert "data.dev" not in text


def test_other_inputs_are_refused_and_each_difference_is_named(tmp_path):
    started(tmp_path)
    with pytest.raises(InputError) as caught:
        changed = {"train": {"epochs": 5, "sizes": (1, 2)}, "digest": "나" * 64}
        start(tmp_path, inputs=INPUTS | changed | {"extra": {"a": None}})
    text = str(caught.value)
    assert "train.epochs: 3 → 5" in text
    assert "digest: '가" in text and "→ '나" in text
    assert "extra.a: absent → None" in text
    assert "seed" not in text and "sizes" not in text
    assert "--set name=NAME" in text and "fold-0.old-1" in text


def test_fresh_keeps_the_old_result_aside(tmp_path, capsys):
    folder, said = finished(tmp_path, epochs=3), []
    for number in (1, 2):
        assert start(tmp_path, inputs=INPUTS | {"seed": number}, fresh=True) is Start.NEW
        said.append(capsys.readouterr().err.replace("\n", ""))
        assert f"fold-0.old-{number}" in said[-1]
    assert read_manifest(folder.with_name("fold-0.old-1")).status == "finished"
    assert "finished, 3 epochs" in said[0] and "minutes of work" in said[0] and " MB" in said[0]
    assert "stopped after 0 of 5 epochs and 0 steps" in said[1]
    assert read_manifest(folder).inputs["seed"] == 2
    assert [row.stage for row in list_runs(tmp_path)] == ["train/fold-0"]


def test_a_fresh_start_that_fails_gives_the_old_result_back(tmp_path, capsys):
    folder = finished(tmp_path, micro_f1=71.5)
    with pytest.raises(InputError), opened(tmp_path, inputs=INPUTS | {"seed": 7}, fresh=True):
        raise InputError(Fault("wrong"))
    assert read_manifest(folder).results == {"micro_f1": 71.5}
    assert not folder.with_name("fold-0.old-1").exists()
    assert "the earlier result is back" in capsys.readouterr().err


def test_of_all_runs_a_broken_one_is_left_out(tmp_path, capsys):
    good = finished(tmp_path, "good")
    (started(tmp_path, "bad") / "manifest.json").write_text("{")
    assert find_run(tmp_path, None).folder == good
    assert "bad" in capsys.readouterr().err
    with pytest.raises(InputError, match="manifest is broken"):
        find_run(tmp_path, "bad")


def test_fresh_with_nothing_there_is_new(tmp_path):
    assert start(tmp_path, stage="tapt", fresh=True) is Start.NEW
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == [".lock", "tapt"]


def test_a_result_is_of_the_same_inputs_and_finished_or_the_reasons_are_told(tmp_path):
    def reasons(**changes):
        return compare_stage(tmp_path / "first" / "tapt", lambda: INPUTS | changes, "encoder")[1]

    assert compare_stage(tmp_path, dict, "encoder") == (None, ["it was not run"])
    assert reasons() == ["it was not run"]
    started(tmp_path, stage="tapt")
    assert reasons() == ["it is not finished"]
    folder = finished(tmp_path, stage="tapt")
    assert reasons() == ["its encoder folder is gone"]
    (folder / "encoder").mkdir()
    assert reasons() == []
    assert reasons(seed=1) == ["seed: 42 → 1"]


def test_a_stage_of_an_earlier_version_is_no_work_on_other_data(tmp_path):
    """Its digests are of another format: that the data changed may not be said."""
    folder = started(tmp_path)
    tree = read_manifest(folder).model_dump()
    del tree["format"]
    write_json(folder / "manifest.json", tree)
    with pytest.raises(InputError, match="begun with another version") as caught:
        start(tmp_path, inputs=INPUTS | {"digest": "나" * 64})
    assert "earlier version of relx" in caught.value.faults[0].received
    assert "digest:" not in str(caught.value) and "--fresh" in str(caught.value)
    manifest, reasons = compare_stage(folder, dict, "model")
    assert manifest == read_manifest(folder)
    assert "earlier version of relx" in reasons[-1] and len(reasons) == 2


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
    found = find_run(tmp_path, None)
    assert (found.run, found.folder) == ("a", tmp_path / "a" / "train" / "fold-0")
    assert found.manifest == read_manifest(found.folder) and found.recipe == recipe("a")
    assert find_run(tmp_path, "b").folder == tmp_path / "b" / "train" / "fold-0"


def test_a_found_run_says_what_it_is_computed_with(tmp_path):
    finished(tmp_path)
    found = find_run(tmp_path, None)
    assert found.device(None) == recipe().device
    other = found.device("jax")
    assert (other.backend, other.precision) == ("jax", recipe().device.precision)


def test_folds_are_told_apart(tmp_path):
    for fold in (1, 10, 2):
        finished(tmp_path, stage=f"train/fold-{fold}")
    assert find_run(tmp_path, "first", "train/fold-1").place.stage == "train/fold-1"
    assert find_run(tmp_path, "first").place.stage == "train/fold-2"
    stages = [row.stage for row in list_runs(tmp_path)]
    assert stages == ["train/fold-1", "train/fold-2", "train/fold-10"]


def test_tapt_is_no_training_run(tmp_path):
    folder = finished(tmp_path, stage="tapt")
    assert find_run(tmp_path, None, "tapt").folder == folder
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
    with opened(tmp_path):
        pass
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
