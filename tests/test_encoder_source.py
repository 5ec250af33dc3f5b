"""What `encoder.from` names, with a hub cache laid out by hand: no test asks the network."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from relx.faults import InputError
from relx.models.stored import source
from relx.models.stored.source import find_source
from relx.models.stored.tokenizers.tokenizer import load_tokenizer
from relx.recipe_file import recipe_from_tree
from relx.runs.manifest import read_manifest
from relx.runs.place import StagePlace
from relx.runs.stage import open_stage

OLD, NEW = "1" * 40, "2" * 40
HUB_ID = "somebody/tiny"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub cache with two commits of one checkpoint; main is the newer, v1 the older."""
    folder = tmp_path / "hub" / "models--somebody--tiny"
    for commit in (OLD, NEW):
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text(f'{{"commit": "{commit}"}}')
        (snapshot / "model.safetensors").write_bytes(b"")
    (folder / "refs").mkdir()
    for name, commit in (("main", NEW), ("v1", OLD)):
        (folder / "refs" / name).write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(source, "_fetch", functools.cache(source._fetch.__wrapped__))
    return folder


@pytest.mark.parametrize(
    ("revision", "commit"), [(None, NEW), ("main", NEW), ("v1", OLD), (OLD, OLD), (NEW, NEW)]
)
def test_a_branch_a_tag_and_a_commit_are_found_in_the_cache(cache, revision, commit):
    found = find_source(HUB_ID, revision)
    assert (found.folder, found.kind) == (cache / "snapshots" / commit, "huggingface")
    assert found.revision == commit


def test_the_environment_decides_where_the_cache_is_and_that_nothing_is_fetched(cache):
    code = "from relx.models.stored.source import find_source; "
    code += f"print(find_source({HUB_ID!r}).revision)"
    environment = os.environ | {"HF_HUB_CACHE": str(cache.parent), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == NEW, done.stderr


def test_offline_a_revision_that_is_not_in_the_cache_says_how_to_get_it(cache):
    with pytest.raises(InputError) as caught:
        find_source(HUB_ID, "v2")
    (fault,) = caught.value.faults
    assert (fault.kind, fault.where) == ("offline", "encoder.from")
    assert "HF_HUB_OFFLINE" in fault.what
    assert f"hf download {HUB_ID} --revision v2" in fault.next_step


def test_a_folder_here_goes_before_the_hub(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / HUB_ID).mkdir(parents=True)
    found = find_source(HUB_ID)
    assert (found.folder, found.revision) == (Path(HUB_ID), None)


@pytest.mark.parametrize("kind", ["folder", "preset"])
def test_what_is_not_on_the_hub_has_no_revisions(tmp_path, kind):
    named = str(tmp_path) if kind == "folder" else f"keras:{tmp_path}"
    with pytest.raises(InputError, match="only a hub id has revisions") as caught:
        find_source(named, "v1")
    assert caught.value.faults[0].where == "encoder.revision"


def test_the_tokenizer_is_looked_for_in_the_same_revision(cache):
    (cache / "snapshots" / OLD / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n가\n")
    assert len(load_tokenizer(HUB_ID, lambda: (), "v1")) == 6
    with pytest.raises(InputError, match="no tokenizer"):
        load_tokenizer(HUB_ID, lambda: ())


def raising(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def http(kind, monkeypatch):
    """An error as the library raises it, without a response from anywhere."""
    monkeypatch.setattr(kind, "__init__", lambda self, *_: Exception.__init__(self, "http"))
    return kind("http")


@pytest.mark.parametrize(
    ("kind", "name", "step"),
    [
        (errors.RepositoryNotFoundError, "no repository", "hf auth login"),
        (errors.GatedRepoError, "gated", f"page of {HUB_ID}"),
        (errors.RevisionNotFoundError, "no revision", "lists the commits"),
    ],
)
def test_what_the_hub_refuses_is_told_with_its_remedy(cache, monkeypatch, kind, name, step):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", raising(http(kind, monkeypatch)))
    with pytest.raises(InputError) as caught:
        find_source(HUB_ID, "v1")
    (fault,) = caught.value.faults
    assert fault.kind == name and step in fault.next_step
    assert HUB_ID in fault.received


def test_without_a_network_the_remedy_is_a_folder(cache, monkeypatch):
    class ConnectError(Exception):
        """Raised by the network's library, which knows no OSError."""

    monkeypatch.setattr(huggingface_hub, "snapshot_download", raising(ConnectError("no route")))
    with pytest.raises(InputError, match=r"--set encoder\.from=FOLDER") as caught:
        find_source(HUB_ID)
    assert "no route" in caught.value.faults[0].received


def test_pickles_are_fetched_only_where_allowed_and_needed(cache, monkeypatch):
    asked = []

    def download(hub_id, *, revision, allow_patterns, **_):
        asked.append("pytorch_model*.bin" in allow_patterns)
        return str(cache / "snapshots" / OLD)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    find_source(HUB_ID, allow_pickle=True)
    assert asked == [False]
    (cache / "snapshots" / OLD / "model.safetensors").unlink()
    find_source(HUB_ID)
    assert asked == [False]
    assert find_source(HUB_ID, allow_pickle=True).allow_pickle
    assert asked == [False, True]


def test_a_stage_that_carries_on_takes_the_commit_that_it_began_with(tmp_path):
    recipe = recipe_from_tree({"name": "a", "encoder": {"from": HUB_ID, "revision": "main"}})
    place = StagePlace(tmp_path, "a", "tapt")
    with open_stage(place, recipe, {}, {}, "encoder") as stage:
        assert stage.pinned_revision("main") == "main"
        stage.record_encoder(HUB_ID, OLD, ["a note"])
        stage.checkpoint.touch()
    recorded = read_manifest(place.folder).encoder
    assert recorded == {"source": HUB_ID, "revision": OLD, "notes": ["a note"]}
    with open_stage(place, recipe, {}, {}, "encoder") as stage:
        assert stage.pinned_revision("main") == OLD


def test_a_revision_decides_the_result_and_allowing_a_pickle_does_not():
    def inputs(**section):
        recipe = recipe_from_tree({"name": "a", "encoder": {"from": HUB_ID, **section}})
        return recipe.encoder.inputs()

    assert inputs() == inputs(allow_pickle=True) == {"from": HUB_ID}
    assert inputs(revision="v1") == {"from": HUB_ID, "revision": "v1"}


def test_a_fresh_encoder_has_no_revision():
    with pytest.raises(InputError, match="a fresh encoder has none"):
        recipe_from_tree({"name": "a", "encoder": {"from": {"fresh": {}}, "revision": "v1"}})
