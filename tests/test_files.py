import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError

from relx import files
from relx.faults import InputError
from relx.files import (
    digest,
    disk_faults,
    folder_for_now,
    is_temporary,
    read_json,
    require_place,
    sweep,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_with_its_folder(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "가나다")
    assert (tmp_path / "new" / "a.txt").read_text(encoding="utf-8") == "가나다"
    assert names_in(tmp_path / "new") == ["a.txt"]


def test_a_file_has_the_permissions_of_any_other(tmp_path):
    write_text(tmp_path / "a.txt", "")
    (tmp_path / "b.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_nothing_is_half_written_when_the_block_fails(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.txt") as beside:
        beside.write_text("ne")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_full_disk_is_a_message_and_the_old_file_stays(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {"a": 1})
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(InputError) as caught:
        write_json(tmp_path / "a.json", {"a": 2})
    assert caught.value.faults[0].what == "the disk is full"
    assert caught.value.faults[0].where == str(tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert names_in(tmp_path) == ["a.json"]


def test_a_file_in_the_place_of_the_folder_is_a_message(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="is a file"):
        write_text(tmp_path / "a" / "b.txt", "")


def test_a_folder_in_the_place_of_the_file_is_a_message(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_text(tmp_path / "a", "")
    assert names_in(tmp_path) == ["a"]


def test_another_error_is_not_hidden(tmp_path):
    with pytest.raises(OSError, match="broken") as caught, whole_file(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "broken")
    assert not isinstance(caught.value, InputError)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for content in ("old", "new"):
        with whole_folder(tmp_path / "encoder") as beside:
            (beside / content).mkdir()
            (beside / content / "weights").write_text(content)
    assert names_in(tmp_path) == ["encoder"]
    assert names_in(tmp_path / "encoder") == ["new"]
    assert (tmp_path / "encoder" / "new" / "weights").read_text() == "new"


def test_a_folder_stays_when_the_block_fails(tmp_path, monkeypatch):
    with whole_folder(tmp_path / "encoder") as beside:
        (beside / "weights").write_text("old")
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with (
        pytest.raises(InputError, match="the disk is full"),
        whole_folder(tmp_path / "encoder") as beside,
    ):
        (beside / "weights").write_text("new")
    assert (tmp_path / "encoder" / "weights").read_text() == "old"
    assert names_in(tmp_path) == ["encoder"]


def test_a_folder_comes_back_when_the_last_rename_fails(tmp_path, monkeypatch):
    with whole_folder(tmp_path / "encoder") as beside:
        (beside / "weights").write_text("old")
    replace, calls = Path.replace, []

    def fails_at_the_second(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            full_disk()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fails_at_the_second)
    with pytest.raises(InputError), whole_folder(tmp_path / "encoder") as beside:
        (beside / "weights").write_text("new")
    assert (tmp_path / "encoder" / "weights").read_text() == "old"
    assert names_in(tmp_path) == ["encoder"]


def test_a_folder_has_the_permissions_of_any_other(tmp_path):
    with whole_folder(tmp_path / "a"):
        pass
    (tmp_path / "b").mkdir()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("content", [b'{"a": 1', b"\xff\xfe\x00", b""])
def test_what_is_no_json_is_a_message(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match="not JSON"):
        read_json(tmp_path / "a.json")


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_equal_digests_mean_equal_texts(one, other):
    assert (digest(one) == digest(other)) == (one == other)


def test_a_digest_sees_where_one_text_ends():
    parts = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"]]
    assert len({digest(texts) for texts in parts}) == len(parts)


def test_a_full_disk_under_safetensors_is_a_message(tmp_path):
    def full(path):
        raise SafetensorError("Error while serializing: IoError: No space left (os error 28)")

    with pytest.raises(InputError, match="disk is full"), whole_file(tmp_path / "a") as beside:
        full(beside)
    with pytest.raises(SafetensorError), whole_file(tmp_path / "a") as beside:
        raise SafetensorError("header too small")
    assert list(tmp_path.iterdir()) == []


def test_a_link_keeps_pointing_and_its_file_is_replaced(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a device or a pipe"):
        write_text(tmp_path / "pipe", "new")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_that_is_too_long_is_a_message(tmp_path):
    with pytest.raises(InputError, match="too long"):
        write_text(tmp_path / ("a" * 300), "new")


def test_what_killed_processes_left_is_swept_and_nothing_else(tmp_path):
    left, young = (tmp_path / f".page[1].html.{part}.part" for part in ("abcd1234", "efgh5678"))
    names = ("page[1].html.original", "other.html.abcd1234.part", "page[1].html.mine")
    others = [tmp_path / f".{name}" for name in names]
    folder = tmp_path / ".page[1].html.ijkl9012.part"
    folder.mkdir()
    (folder / "plot.png").touch()
    for file in (left, young, *others):
        file.touch()
    for old in (left, folder, *others):
        os.utime(old, (0, 0))
    write_text(tmp_path / "page[1].html", "a page")
    assert set(tmp_path.iterdir()) == {tmp_path / "page[1].html", young, *others}


def test_of_a_link_to_a_folder_the_folder_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with whole_folder(tmp_path / "link") as folder:
        (folder / "new").touch()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real/new").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_what_a_kill_between_two_renames_left_is_put_back(tmp_path):
    old = tmp_path / ".plots.abcd1234.part.old"
    old.mkdir()
    (old / "mine.txt").write_text("mine")
    os.utime(old, (0, 0))
    sweep(tmp_path / "plots")
    assert (tmp_path / "plots/mine.txt").read_text() == "mine" and not old.exists()


def test_a_part_that_another_process_finishes_meanwhile_is_none_to_sweep(tmp_path, monkeypatch):
    gone = tmp_path / ".a.json.abcd1234.part"
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([gone]))
    write_text(tmp_path / "a.json", "{}")
    assert (tmp_path / "a.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["a" * 255, "가" * 85, "a" * 240])
def test_any_name_that_the_disk_takes_can_be_written(name, tmp_path):
    require_place(tmp_path / name, "--out")
    for text in ("old", "new"):
        write_text(tmp_path / name, text)
    assert (tmp_path / name).read_text() == "new"
    with whole_folder(tmp_path / "folder" / name) as folder:
        (folder / "a").touch()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


def test_a_place_of_the_systems_own_is_a_message():
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    with (
        pytest.raises(InputError, match="no file or folder can be made here"),
        disk_faults(Path("/proc/x")),
    ):
        Path("/proc/x").mkdir(parents=True)


def test_a_folder_for_now_is_gone_afterwards(tmp_path):
    with folder_for_now(tmp_path / "no such/out.csv") as folder:
        assert folder.parent == tmp_path and is_temporary(folder)
        (folder / "a").write_text("x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="within"), folder_for_now(tmp_path / "out.csv"):
        raise ValueError("within")
    assert list(tmp_path.iterdir()) == []
