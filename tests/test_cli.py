import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from made_stages import begin, finish

from relx.faults import Fault, InputError
from relx.recipe_file import recipe_from_tree
from relx.shipped import shipped
from relx_cli import main
from relx_cli.main import COMMANDS, relx, run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def failing(monkeypatch):
    """Gives `relx fail`, a command that raises what it is told to."""

    def install(error: BaseException) -> None:
        @click.command("fail")
        def fail() -> None:
            raise error

        monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: fail)

    return install


def relx_process(*words: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relx_cli.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
def test_every_help_has_a_worked_example(words, capsys):
    assert run([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"relx {' '.join(words)}".strip() in text.partition("Example")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_to_its_name(name):
    command = relx.get_command(click.Context(relx), name)
    assert command is not None and command.name == name


def test_an_unknown_command_names_the_nearest(capsys):
    assert run(["tarin"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--no-such-option"], ["recipes", "show"], ["runs", "lst"]])
def test_a_usage_error_ends_with_2(words, capsys):
    assert run(words) == 2
    assert "Usage:" in capsys.readouterr().err


def test_faults_are_shown_and_the_rest_is_counted_by_kind(failing, capsys):
    faults = [Fault("wrong", f"a.csv:{row}", kind="span") for row in range(22)]
    failing(InputError(*faults, Fault("wrong", "a.csv:99", kind="unknown label")))
    assert run(["fail"]) == 2
    text = capsys.readouterr().err
    assert "error: a.csv:0: wrong\n" in text and "error: a.csv:19: wrong\n" in text
    assert "a.csv:20" not in text
    assert text.endswith("and 3 more: 2 × span, 1 × unknown label\n")


def test_a_bug_has_a_traceback_and_ends_with_1(failing, capsys):
    failing(ZeroDivisionError("one by nought"))
    assert run(["fail"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text and "ZeroDivisionError: one by nought" in text
    assert text.splitlines()[-1].startswith("this is a bug in relx: please report it")


def test_an_end_of_file_inside_is_a_bug_not_a_stop(failing, capsys):
    failing(EOFError("ran out of input"))
    assert run(["fail"]) == 1
    assert "EOFError: ran out of input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "", "runs/a"), "runs/a: the disk is full"),
        (OSError(errno.EACCES, "", "runs/a"), "runs/a: no permission to read or write here"),
        (OSError(errno.ENOENT, "", "runs/a"), "runs/a: there is no such file or folder"),
        (OSError(errno.EMFILE, "", b"runs/a"), "runs/a: too many files are open"),
        (OSError(errno.EIO, ""), "the disk cannot read or write this"),
        (OSError(errno.ENOMEM, ""), "the memory is used up"),
        (MemoryError(), "the memory is used up"),
        (RuntimeError("std::bad_alloc"), "the memory is used up"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough"), "the memory is used up"),
        (ValueError("embedded null byte"), "a path cannot hold a zero byte"),
    ],
)
def test_what_the_system_refuses_is_no_bug(error, said, failing, capsys):
    failing(error)
    assert run(["fail"]) == 2
    text = capsys.readouterr().err
    assert text.startswith(f"error: {said}\n") and "Traceback" not in text


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "", str(ROOT / "relx/look/static/gone.css")),
        FileNotFoundError(errno.ENOENT, "", f"{sys.prefix}/lib/gone.so"),
        OSError(errno.EINVAL, ""),
        RuntimeError("shapes differ"),
        ValueError("too many values to unpack"),
    ],
)
def test_what_relx_lacks_is_a_bug(error, failing, capsys):
    failing(error)
    assert run(["fail"]) == 1
    assert "this is a bug in relx" in capsys.readouterr().err


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full"])
@pytest.mark.parametrize("words", ["recipes list", "score --gold nowhere.csv"])
def test_a_closed_stream_changes_no_status(words, streams):
    command = f"{sys.executable} -m relx_cli.main {words} {streams}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == (0 if words == "recipes list" else 2)
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(failing, capsys):
    failing(KeyboardInterrupt())
    assert run(["train"]) == 130
    assert capsys.readouterr().err.strip() == "stopped; the same command carries on"
    assert run(["score"]) == 130
    assert capsys.readouterr().err.strip() == "stopped"


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m relx_cli.main recipes show demo | true"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


def test_who_stops_reading_ends_a_command_that_writes_more():
    words = "validate --data sample/train.csv -q"
    command = f"set -o pipefail; {sys.executable} -m relx_cli.main {words} | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_quiet_is_for_one_command(capsys):
    from relx.progress import say

    assert run(["-q", "recipes", "list"]) == 0
    say("heard again")
    assert "heard again" in capsys.readouterr().err


def test_libraries_are_told_to_be_quiet_unless_the_user_said_otherwise():
    code = "import os, atexit; from relx_cli import main; main.sys.argv = ['relx', '--help']\n"
    code += "atexit.register(lambda: print(os.environ['TF_CPP_MIN_LOG_LEVEL']))\nmain.main()"
    for given, expected in (({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")):
        environment = {k: v for k, v in os.environ.items() if k not in main.SILENCE} | given
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == expected


def test_recipes_are_listed_with_model_and_purpose(capsys):
    assert run(["recipes", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "model", "what", "for"]
    assert [line.split()[0] for line in lines[1:]] == list(shipped())
    (large,) = (line for line in lines if line.startswith("roberta "))
    assert "klue/roberta-large" in large and len(large.split()) > 3


def test_a_recipe_is_shown_as_it_stands(capsys):
    assert run(["recipes", "show", "demo"]) == 0
    assert capsys.readouterr().out == (ROOT / "recipes" / "demo.yaml").read_text(encoding="utf-8")


def test_an_unknown_recipe_names_the_nearest(capsys):
    assert run(["recipes", "show", "dmeo"]) == 2
    assert "did you mean demo?" in capsys.readouterr().err


def test_a_recipe_is_copied_but_never_over_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for words, target in (
        ([], "demo.yaml"),
        (["my.yaml"], "my.yaml"),
        (["folder"], "folder/demo.yaml"),
    ):
        assert run(["recipes", "copy", "demo", *words]) == 0
        assert f"--recipe {target}" in capsys.readouterr().out
        assert (tmp_path / target).read_text("utf-8") == shipped()["demo"].read_text("utf-8")
    (tmp_path / "my.yaml").write_text("mine")
    assert run(["recipes", "copy", "demo", "my.yaml"]) == 2
    assert "this file exists already" in capsys.readouterr().err
    assert (tmp_path / "my.yaml").read_text() == "mine"


@pytest.fixture
def two_runs(tmp_path) -> Path:
    for name, stage, results in (
        ("a", "tapt", {"pseudo_perplexity": 12.345}),
        ("a", "train/fold-0", {"micro_f1": 71.5, "auprc": 73.25}),
        ("b", "train/fold-0", None),
    ):
        recipe = recipe_from_tree({"name": name, "encoder": {"from": "klue/bert-base"}})
        folder = tmp_path / name / stage
        begin(folder, stage, recipe, {"seed": 1}, {}, "model")
        if results is not None:
            finish(folder, "one CPU", results, seconds=90.0)
    return tmp_path


def test_runs_are_listed_with_their_figures(two_runs, capsys):
    assert run(["runs", "list", "--runs-dir", str(two_runs)]) == 0
    _, tapt, first, second = capsys.readouterr().out.splitlines()
    assert tapt.split()[:3] == ["a", "tapt", "finished"] and tapt.split()[-2:] == ["1.5", "12.35"]
    assert first.split()[:3] == ["a", "train/fold-0", "finished"]
    assert first.split()[-3:] == ["1.5", "71.50", "73.25"]
    assert second.split() == ["b", "train/fold-0", "stopped", "0.0"]


def test_runs_are_listed_for_programs(two_runs, capsys):
    assert run(["runs", "list", "--json", "--runs-dir", str(two_runs)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["state"]) for row in rows] == [
        ("a", "finished"),
        ("a", "finished"),
        ("b", "stopped"),
    ]
    assert rows[1]["manifest"]["results"]["micro_f1"] == 71.5


def test_a_run_is_shown_with_its_files(two_runs, capsys):
    assert run(["runs", "show", "a", "--runs-dir", str(two_runs)]) == 0
    text = capsys.readouterr().out
    assert "micro_f1: 71.5" in text and "    from: klue/bert-base" in text
    assert "recipe.yaml" in text and "manifest.json" in text
    assert str(two_runs / "b") not in text
    assert run(["runs", "show", "a", "--json", "--runs-dir", str(two_runs)]) == 0
    stages = json.loads(capsys.readouterr().out)
    assert [stage["stage"] for stage in stages] == ["tapt", "train/fold-0"]
    assert "recipe.yaml" in stages[0]["files"]


def test_missing_runs_are_a_message(tmp_path, two_runs, capsys):
    assert run(["runs", "list", "--runs-dir", str(tmp_path / "none")]) == 2
    assert "there are no runs here" in capsys.readouterr().err
    assert run(["runs", "show", "c", "--runs-dir", str(two_runs)]) == 2
    assert "there is no run of this name" in capsys.readouterr().err
