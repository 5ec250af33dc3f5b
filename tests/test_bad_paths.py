"""Every path that a command takes, where no file can be, or where it is nothing of the kind."""

import json
import shutil
from importlib import import_module

import click
import pytest
import yaml
from test_chain import TINY, data, words  # noqa: F401 - a fixture

from relx_cli.main import COMMANDS, run

LONGEST_MESSAGE = 12  # lines
SHARE = 3  # each path meets a third of the options, and each option a third of the paths
# Bad paths, as they are in the folder that `place` makes.
BAD = {
    "a long name": "a" * 300 + ".csv",
    "a long path": "/".join(["a" * 200] * 30) + "/b.csv",
    "a link to itself": "loop.csv",
    "a link to nothing": "dangling.csv",
    "under a file": "file.txt/b.csv",
    "under a link to itself": "loop.csv/b.csv",
    "in a folder of the system's": "/proc/none/b.csv",
    "a file that cannot be read": "/proc/self/mem",
    "no UTF-8": "\udcff\udcfe.csv",
    "with a zero byte": "a\0b.csv",
    "a folder": "folder",
    "an empty file": "empty.csv",
    "bytes at random": "garbage.csv",
    "nothing": "",
    "a device": "/dev/null",
}
RUN = ("--runs-dir", "@runs", "--run", "@tiny")
GOLD = ("--gold", "@data/dev.csv")
PRED = ("--pred", "@pred.csv", *GOLD)
DATA = tuple(
    word for part in ("train", "dev", "test") for word in ("--set", f"data.{part}=@data/{part}.csv")
)
RECIPE = ("--recipe", "@demo", *DATA, "--set", f"encoder.from=@{TINY}")
FOLD = ("--folds", "0", "--set", "data.dev=null", "--set", "data.folds=2")
STAGE = (*RECIPE, "--runs-dir", "@new", "--set", "train.epochs=1")
# Commands that go well; one word after the other that begins with @ is exchanged for a bad path.
CASES = [
    ("tapt", *STAGE, "--skip-bad-rows", "@bad"),
    ("train", *STAGE, "--set", "data.labels=@klue", "--skip-bad-rows", "@bad"),
    ("train", *STAGE, "--set", "decide.thresholds=@cut.json", "--set", "train.start_from=@new"),
    ("train", *STAGE, *FOLD, "--out", "@o.csv"),
    ("predict", *RUN, "--test", "@data/test.csv", "--out", "@o.csv", "--probs", "@p.csv"),
    ("predict", *RUN, "--thresholds", "@cut.json", "--out", "o.csv"),
    ("score", *PRED, "--labels", "@klue", "--probs-order", "@klue"),
    ("score", *PRED, "--recipe", "@demo"),
    ("score", *PRED, "--thresholds", "@cut.json"),
    ("score", *RUN, *GOLD),
    ("report", *PRED, "--out", "@page.html"),
    ("report", *RUN, *GOLD, "--out", "@page.html"),
    ("compare", "@pred.csv", "pred.csv", *GOLD, "--out", "@page.html"),
    ("compare", "tiny", "@tiny", "--runs-dir", "@runs", "--out", "@page.html"),
    ("report", *PRED, "--thresholds", "@cut.json"),
    ("compare", "pred.csv", "pred.csv", *GOLD, "--thresholds", "@cut.json"),
    ("thresholds", *PRED, "--thresholds", "@cut.json"),
    ("thresholds", "--runs-dir", "@runs"),
    ("thresholds", *PRED, "--out", "@cut.json", "--plots", "@plots"),
    ("attention", *RUN, *GOLD, "--id", "0", "--out", "@page.html"),
    ("attention", *RUN, "--test", "@data/test.csv", "--id", "0", "--out", "@page.html"),
    ("eda", "--recipe", "demo", "--runs-dir", "@new", "--pred", "@pred.csv", "--out", "@page.html"),
    ("validate", "--data", "@data/dev.csv", "--labels", "@klue", "--skip-bad-rows", "@bad"),
    ("validate", *RECIPE),
    ("ensemble", "@pred.csv", "pred2.csv", "--test", "@data/dev.csv", "--out", "@o.csv"),
    ("ensemble", "pred.csv", "@pred2.csv=@pred.csv", *GOLD, "--probs", "@p.csv"),
    ("ensemble", "tiny", "pred.csv", "--runs-dir", "@runs", "--thresholds", "@cut.json"),
    ("study", "list", "@study.yaml", "--runs-dir", "@new"),
    ("study", "run", "@study.yaml", "--runs-dir", "@new", "--cells", "0"),
    ("study", "show", "@study.yaml", "--runs-dir", "@new", "--out", "@page.html"),
    ("study", "search", "@search.yaml", "--runs-dir", "@new"),
    ("study", "trials", "@search.yaml", "--runs-dir", "@new", "--out", "@best.yaml"),
    ("study", "slurm", "@study.yaml", "--runs-dir", "@new", "--out", "@job.sh"),
    ("recipes", "show", "@demo"),
    ("recipes", "copy", "@demo", "@my.yaml"),
    ("runs", "list", "--runs-dir", "@runs"),
    ("runs", "show", "@tiny", "--runs-dir", "@runs"),
    ("import", "@export.jsonl", "--format", "doccano", "--out", "@rows.csv"),
    ("import", "@brat", "--format", "brat", "--out", "@rows.jsonl"),
    ("fit", *RECIPE),
    ("encoder", "show", "@encoder", "--sentences", "@data/dev.csv"),
    ("encoder", "convert", "@encoder", "@copy"),
    ("encoder", "check", "@encoder", "@encoder", "--sentences", "@data/dev.csv"),
    ("decoder", "words", "--recipe", "@decoder-demo", "--set", "decoder.from=@encoder"),
    ("decoder", "merge", "@merged", *RUN),
    ("demo", "--runs-dir", "@new"),
]
EXCHANGED = [
    (case, at)
    for case in CASES
    for at, word in enumerate(case)
    if word.startswith("@") or "=@" in word
]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):  # noqa: F811 - the fixture
    """A finished run of both stages, data, an answer file, an encoder, and bad paths."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(data, folder / "data")
    options = words(data, folder / "runs", "train.epochs=1", "tapt.epochs=1")
    assert run(["tapt", *options]) == run(["train", *options]) == 0
    answers = ["--test", str(data / "dev.csv"), "--out", str(folder / "pred.csv")]
    assert run(["predict", "--runs-dir", str(folder / "runs"), *answers]) == 0
    shutil.copytree(folder / "runs/tiny/tapt/encoder", folder / "encoder")
    span = {"label": "PER", "start_offset": 0, "end_offset": 2}
    entities = [{"id": 0, **span}, {"id": 1, **span}]
    record = {"text": "가람", "entities": entities}
    record["relations"] = [{"from_id": 0, "to_id": 1, "type": "a"}]
    (folder / "export.jsonl").write_text(json.dumps(record), encoding="utf-8")
    shutil.copy(folder / "pred.csv", folder / "pred2.csv")
    small = {"encoder.from": yaml.safe_load(TINY), "train.epochs": 1, "data.test": None}
    small |= {f"data.{part}": f"data/{part}.csv" for part in ("train", "dev")}
    tree = {"name": "small", "recipe": "demo", "set": small}
    study = tree | {"seeds": [1], "options": {"less": {"set": {"train.label_smoothing": 0.0}}}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    search = tree | {"trials": 1, "space": {"train.batch_size": [8, 16]}}
    (folder / "search.yaml").write_text(yaml.safe_dump(search), encoding="utf-8")
    (folder / "brat").mkdir()
    (folder / "brat/a.txt").write_text("가람", encoding="utf-8")
    (folder / "brat/a.ann").write_text(
        "T1\tPER 0 2\t가람\nR1\ta Arg1:T1 Arg2:T1\n", encoding="utf-8"
    )
    (folder / "loop.csv").symlink_to("loop.csv")
    (folder / "dangling.csv").symlink_to("nowhere.csv")
    (folder / "file.txt").write_text("a file\n", encoding="utf-8")
    (folder / "empty.csv").touch()
    (folder / "garbage.csv").write_bytes(bytes(range(256)) * 4)
    (folder / "folder").mkdir()
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy of it, in which commands run."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(("case", "at"), EXCHANGED)
def test_a_bad_path_is_one_message(case, at, place, capsys):
    head, _, _ = case[at].partition("@")
    good = [word.replace("@", "", 1) if word.startswith("@") else word for word in case]
    good = [word.replace("=@", "=", 1) for word in good]
    faults = []
    turn = EXCHANGED.index((case, at))
    for name, path in list(BAD.items())[turn % SHARE :: SHARE]:
        status = run(["-q", *good[:at], head + path, *good[at + 1 :]])
        said = capsys.readouterr().err
        if status not in (0, 2) or "Traceback" in said:
            faults.append(f"{name}: {said.splitlines()[-2:]}")
        elif status == 2 and said.count("error:") <= 1 and said.count("\n") > LONGEST_MESSAGE:
            faults.append(f"{name}: {said.count(chr(10))} lines: {said[:300]}")
    assert not faults, "\n".join([" ".join([*good[:at], "…"]), *faults])
    assert (place / "file.txt").read_text(encoding="utf-8") == "a file\n"
    assert (place / "garbage.csv").exists() and (place / "loop.csv").is_symlink()


def commands(group, name=()):
    """Yields the words and the parameters of each command."""
    for word in group.list_commands(None):
        found = group.get_command(click.Context(group), word)
        if isinstance(found, click.Group):
            yield from commands(found, (*name, word))
        else:
            yield (*name, word), found.params


def test_every_path_of_every_command_is_tried():
    relx = import_module("relx_cli.main").relx
    missing = []
    for name, params in commands(relx):
        own = [case for case in CASES if case[: len(name)] == name]
        tried = {option for case in own for option in case}
        for param in params:
            if not isinstance(param.type, click.Path):
                continue
            is_option = isinstance(param, click.Option)
            if not own or (is_option and not tried & set(param.opts)):
                missing.append((*name, param.name))
    assert missing == [] and len(COMMANDS) > 10
