"""Work that has to be done by a time: what fits, what is left out, and that it is said."""

from types import SimpleNamespace

import pytest
from fold_runs import words

import relx.train_folds
from relx.deadline import Deadline, in_words, read_deadline
from relx.faults import InputError
from relx.files import read_json
from relx.predict import open_run
from relx.recipe_file import recipe_from_tree
from relx.train_folds import finetune_folds
from relx.training.time_left import TimeLeft
from relx_cli.main import run


class Clock:
    """A clock that work moves on."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6h", 21600),
        ("90min", 5400),
        ("90m", 5400),
        ("1h30min", 5400),
        ("45 s", 45),
        ("1.5h", 5400),
    ],
)
def test_lengths_of_time_are_read(text, seconds):
    clock = Clock()
    assert read_deadline(text, clock).left == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "6x", "-1h", "0s", "1h30", "6 hours", "1h,2m"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(InputError, match="this is no length of time"):
        read_deadline(text)


def test_a_piece_of_work_fits_with_a_tenth_to_spare():
    clock = Clock()
    deadline = Deadline(1110.0, clock)
    assert deadline.fits(99.9) and not deadline.fits(101)
    assert deadline.earlier(50).left == pytest.approx(55)
    clock.now = 1111
    assert not deadline.fits(0.0)


def test_time_is_said_as_a_person_would():
    said = [in_words(seconds) for seconds in (0, 40.4, 99, 125, 3600, 7500)]
    assert said == ["0 s", "40 s", "99 s", "2 min", "1 h 0 min", "2 h 5 min"]


def test_an_epoch_that_would_not_end_in_time_is_not_begun(capsys):
    clock = Clock()
    pace = TimeLeft(Deadline(1400.0, clock))
    clock.now += 100
    assert not pace.has_ended(4, [])  # 300 s are left, one takes 110
    clock.now += 150
    assert pace.has_ended(3, [{"seconds": 100.0}])  # 150 are left, one takes 165
    assert pace.facts() == {"ended_by_deadline": True}
    said = " ".join(capsys.readouterr().err.split())
    assert "3 epochs were left out: the next takes 2 min, and 2 min are left" in said
    last = TimeLeft(Deadline(1010.0, Clock()))
    assert not last.has_ended(0, [])  # nothing is left out
    assert last.facts() == {} == TimeLeft(None).facts()


def test_an_epoch_of_an_earlier_sitting_counts():
    pace = TimeLeft(Deadline(1400.0, Clock()))
    assert pace.has_ended(1, [{"seconds": 380.0}])


@pytest.fixture
def folds(monkeypatch):
    """Folds that take no time but that of a fake clock: 100 s each, and 10 s an answer file."""
    clock, done, answers = Clock(), [], []

    def finetune(dataset, runs_dir, origin, fresh, deadline):
        assert deadline is None or deadline.left > 0
        clock.now += 100
        done.append(dataset)

    def predict_file(runs_dir, name, test, out):
        clock.now += 10
        answers.append(len(done))

    def stages(runs_dir, name):
        if not done:
            raise InputError
        return [SimpleNamespace(manifest=SimpleNamespace(seconds=100.0)) for _ in done]

    monkeypatch.setattr(relx.train_folds, "finetune", finetune)
    monkeypatch.setattr(relx.train_folds, "predict_file", predict_file)
    monkeypatch.setattr(relx.train_folds, "finished_stages", stages)
    monkeypatch.setattr(relx.train_folds, "_together", lambda *_: {})
    monkeypatch.setattr(relx.train_folds.time, "monotonic", clock)
    recipe = recipe_from_tree({"name": "a", "encoder": {"from": "x"}})
    dataset = SimpleNamespace(recipe=recipe, at_fold=lambda fold: fold)

    def train(seconds, out=None):
        deadline = None if seconds is None else Deadline(clock.now + seconds, clock)
        finetune_folds(dataset, "runs", "origin", range(5), False, deadline, out)
        return done, answers, None if deadline is None else deadline.left

    return train


def test_folds_that_would_not_end_in_time_are_left_out_aloud(folds, capsys):
    done, answers, left = folds(350.0)
    assert done == [0, 1, 2] and answers == [] and left == 50
    said = " ".join(capsys.readouterr().err.split())
    assert "folds 3, 4 left out: one takes 2 min, and 50 s are left" in said


def test_answers_are_there_from_the_first_fold_on_and_in_time(folds, tmp_path):
    done, answers, left = folds(350.0, tmp_path / "out.csv")
    assert done == [0, 1, 2] and answers == [1, 2, 3] and left == 20
    done.clear()
    answers.clear()


def test_without_a_deadline_all_are_trained(folds):
    done, _, _ = folds(None)
    assert done == [0, 1, 2, 3, 4]


def test_the_first_fold_is_begun_however_little_time_there_is(folds):
    done, _, _ = folds(1.0)
    assert done == [0]


def test_a_run_in_a_hurry_leaves_what_it_has(few_rows, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    more = {"train.epochs": "50"}
    command = [*words(few_rows, tmp_path / "runs", **more), "--folds", "all", "--deadline", "8s"]
    assert run([*command, "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "left out" in said
    assert len(out.read_text(encoding="utf-8").splitlines()) == 13
    found = open_run(tmp_path / "runs", "tiny").found
    assert len(found.folds) < 3
    manifest = read_json(found.first.folder / "manifest.json")
    assert manifest["results"]["ended_by_deadline"] and manifest["results"]["epochs"] < 50


def test_what_goes_with_what_is_checked_first(few_rows, tmp_path, capsys):
    command = words(few_rows, tmp_path / "runs")
    assert run([*command, "--out", "x.csv"]) == 2
    assert "--out goes with --folds" in capsys.readouterr().err
    assert run([*command, "--folds", "all", "--out", str(few_rows / "test.csv")]) == 2
    assert run([*command, "--deadline", "soon"]) == 2
    assert "this is no length of time" in capsys.readouterr().err
    with_none = words(few_rows, tmp_path / "runs", **{"data.test": "null"})
    assert run([*with_none, "--folds", "all", "--out", "x.csv"]) == 2
    assert "names no test file" in capsys.readouterr().err
    several = words(few_rows, tmp_path / "runs", **{"device.strategy": "multi_worker"})
    assert run([*several, "--deadline", "1h"]) == 2
    assert "do not tell the same time" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
