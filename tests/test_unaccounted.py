"""What lies in a run's folder and is none of relx's doing, or no longer known to be: it stays."""

import os

import pytest
from test_runs import finished, opened, started

from relx.faults import InputError
from relx.runs.lock import LOCK, is_locked, locked
from relx.runs.resume import CHECKPOINT
from relx.runs.stage import Start


def whole(runs_dir):
    """A finished stage with a model in it."""
    folder = finished(runs_dir)
    (folder / "model").mkdir()
    (folder / "model/model.safetensors").write_bytes(b"weights")
    return folder


def begin_anew(runs_dir):
    with opened(runs_dir) as one:
        one.checkpoint.touch()
        return one.start


def test_a_model_without_its_manifest_is_set_aside(tmp_path, capsys):
    folder = whole(tmp_path)
    (folder / "manifest.json").unlink()
    assert begin_anew(tmp_path) is Start.NEW
    aside = folder.with_name("fold-0.old-1")
    assert (aside / "model/model.safetensors").read_bytes() == b"weights"
    said = " ".join(capsys.readouterr().err.split())
    assert "is kept as" in said and "its manifest is gone" in said
    assert not (folder / "model").exists()


def test_a_checkpoint_without_its_manifest_is_set_aside(tmp_path):
    folder = started(tmp_path)
    (folder / "manifest.json").unlink()
    assert begin_anew(tmp_path) is Start.NEW
    assert (folder.with_name("fold-0.old-1") / CHECKPOINT).exists()


def test_a_model_under_the_manifest_of_a_stopped_run_is_set_aside(tmp_path):
    folder = whole(tmp_path)
    begun = started(tmp_path, name="other")
    (folder / "manifest.json").write_bytes((begun / "manifest.json").read_bytes())
    assert begin_anew(tmp_path) is Start.NEW
    assert (folder.with_name("fold-0.old-1") / "model/model.safetensors").exists()


def test_what_was_set_aside_is_back_where_the_work_fails_at_once(tmp_path):
    folder = whole(tmp_path)
    (folder / "manifest.json").unlink()
    with pytest.raises(ZeroDivisionError), opened(tmp_path):
        raise ZeroDivisionError
    assert (folder / "model/model.safetensors").read_bytes() == b"weights"
    assert not folder.with_name("fold-0.old-1").exists()


@pytest.mark.parametrize("target", ["precious.txt", "nowhere.txt", LOCK])
def test_a_lock_that_is_a_link_empties_nothing(tmp_path, target):
    (tmp_path / "precious.txt").write_text("mine")
    run = tmp_path / "first"
    run.mkdir()
    (run / LOCK).symlink_to(target if target == LOCK else tmp_path / target)
    assert not is_locked(run)
    with pytest.raises(InputError, match="no lock file"), locked(run):
        pass
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert not (tmp_path / "nowhere.txt").exists() and (run / LOCK).is_symlink()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_is_refused_at_once(tmp_path, make):
    run = tmp_path / "first"
    run.mkdir()
    make(run / LOCK)
    assert not is_locked(run)
    with pytest.raises(InputError, match="no lock file"), locked(run):
        pass
