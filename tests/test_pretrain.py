"""Stage 1 reads each file once, and of a label nothing."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from relx.dataset import read_unlabelled
from relx.files import write_text
from relx.recipe_file import recipe_from_tree
from tapt import pretrain

SAMPLE = Path(__file__).parents[1] / "sample"
PARTS = ("train", "dev", "test")
OPENED: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _watch():
    """Notes every file that is opened; a hook stays for as long as the process."""

    def note(event, arguments):
        if event == "open" and isinstance(arguments[0], str):
            OPENED.append(arguments[0])

    sys.addaudithook(note)


def recipe_in(folder, markers, label="no_relation"):
    for part in PARTS:
        lines = (SAMPLE / f"{part}.csv").read_text(encoding="utf-8").splitlines(keepends=True)[:12]
        write_text(folder / f"{part}.csv", "".join(lines).replace("no_relation", label))
    tree = {"name": "once", "encoder": {"from": "klue/bert-base"}, "tapt": {"markers": markers}}
    tree["data"] = {part: str(folder / f"{part}.csv") for part in PARTS}
    return recipe_from_tree(tree)


class Stopped(BaseException):
    """Ends the stage where its work would begin."""


@pytest.mark.parametrize("markers", [False, True])
def test_every_file_is_read_once(markers, tmp_path, monkeypatch):
    recipe = recipe_in(tmp_path, markers)

    def stop(*words, **_):
        raise Stopped

    monkeypatch.setattr(pretrain, "open_device", stop)
    del OPENED[:]
    with pytest.raises(Stopped):
        pretrain.pretrain(recipe, tmp_path / "runs")
    counts = Counter(path for path in OPENED if path.endswith(".csv"))
    read = PARTS if markers else ("train", "test")
    assert counts == {str(tmp_path / f"{part}.csv"): 1 for part in read}


@pytest.mark.parametrize("markers", [False, True])
def test_another_label_is_no_other_input(markers, tmp_path):
    def seen(label):
        recipe = recipe_in(tmp_path, markers, label)
        rows = read_unlabelled(recipe, dev=markers)
        corpus = pretrain.stage_corpus(recipe, rows)
        return pretrain.stage_inputs(recipe, corpus), pretrain._facts(recipe, rows, corpus)

    one, other = seen("no_relation"), seen("per:title")
    assert one == other
    assert one[1]["train"]["rows"] == 11
