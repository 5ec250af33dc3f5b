import csv
from pathlib import Path

import pytest

from relx.answers import AnswerOptions
from relx.faults import InputError
from relx.recipe import DataSection
from relx.sides import is_submission, open_runs, read_sides

COLUMNS = ("id", "sentence", "subject_entity", "object_entity", "label", "source")
SUBJECT = {"word": "이순신", "start_idx": 0, "end_idx": 2, "type": "PER"}
OBJECT = {"word": "장군", "start_idx": 9, "end_idx": 10, "type": "POH"}
ROW = ("이순신은 조선의 장군이다.", SUBJECT, OBJECT, "per:title", "wiki")


def submission(path, chosen):
    """Writes a submission that is sure of one of two labels in both rows."""
    lines = ["id,pred_label,probs"]
    for row in (0, 1):
        probs = [0.9 if name == chosen else 0.1 for name in ("no_relation", "per:title")]
        lines.append(f'{row},{chosen},"{probs}"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_submission_is_told_from_a_run_by_its_name_or_by_being_a_file(tmp_path):
    file = tmp_path / "answers"
    file.write_text("")
    assert is_submission("a.csv") and is_submission("A.JSONL") and is_submission(str(file))
    assert not is_submission("bert") and not is_submission(str(tmp_path))


def test_an_option_says_how_submissions_are_read_and_else_their_task_does():
    gold = Path("gold.csv")
    assert not AnswerOptions(ends="exclusive").says_how
    assert AnswerOptions().data(gold) == DataSection(train="gold.csv")
    said = AnswerOptions(negative="", ends="exclusive")
    assert said.says_how and said.data(None) == DataSection(negative=None, ends="exclusive")
    assert AnswerOptions(task="target").data(gold).ends == "exclusive"


def test_all_wrong_names_are_said_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        open_runs(["bert", "a.csv", "b.csv"], None, tmp_path / "runs", None, None)
    kinds = [(fault.what, fault.received) for fault in caught.value.faults]
    assert [received for _, received in kinds[1:]] == ["a.csv", "b.csv"]
    assert kinds[0][0] == "there are no runs here"


def test_a_name_that_comes_again_is_numbered(tmp_path):
    gold, labels = tmp_path / "gold.csv", tmp_path / "labels.json"
    with gold.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, ("0", *ROW), ("1", *ROW)])
    labels.write_text('["no_relation", "per:title"]')
    right, wrong = (
        submission(tmp_path / f"{name}.csv", label)
        for name, label in (("right", "per:title"), ("wrong", "no_relation"))
    )
    sides = read_sides([right, wrong, right], gold, AnswerOptions(labels=str(labels)), {})
    assert [side.name for side in sides] == [right, wrong, f"{right} (2)"]
    assert [side.predicted.tolist() for side in sides] == [[1, 1], [0, 0], [1, 1]]
