import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import relx.predict
from relx.answers import AnswerReader
from relx.data.labels import KLUE, KLUE_RELATION_LIST, LabelList
from relx.faults import InputError
from relx.recipe import DataSection, Recipe
from relx.runs.find import FoundStage
from relx.runs.folds import FoundRun
from relx.runs.place import StagePlace
from relx.score import gold_of, run_rows, submission_rows
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.joined import join_on_id
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.rows import read_examples
from relx.tasks.relation.submission import read_submission
from relx.tasks.task import open_task
from relx_cli.main import run
from relx_cli.score import score

NAMES = ("no_relation", "per:spouse", "나라:수도")
LABELS = LabelList(NAMES, "no_relation")
SENTENCE = "철수는 영희와 결혼했다."
SUBJECT = {"word": "철수", "start_idx": 0, "end_idx": 1, "type": "PER"}
OBJECT = {"word": "영희", "start_idx": 4, "end_idx": 5, "type": "PER"}
DATA = DataSection()
READER = AnswerReader(open_task("relation", DATA), DATA, LABELS, ONE_OF)


def write_gold(path, ids, labels, sentence=SENTENCE):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label", "source"])
        for id_, label in zip(ids, labels, strict=True):
            writer.writerow([id_, sentence, str(SUBJECT), str(OBJECT), label, "wikipedia"])
    return path


@pytest.fixture
def gold(tmp_path):
    ids = ["a", "b", "c", "d"]
    return write_gold(tmp_path / "gold.csv", ids, [NAMES[0], NAMES[1], NAMES[2], NAMES[1]])


@pytest.fixture
def pred(tmp_path):
    """Right in c and d, wrong in a and b; in another order than the gold rows."""
    rows = np.array([[0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    path = tmp_path / "submission.csv"
    write_submission(path, ["d", "c", "b", "a"], rows, LABELS)
    return path


@pytest.fixture
def label_file(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(NAMES, ensure_ascii=False), encoding="utf-8")
    return str(path)


class StubRun:
    """Knows the answers that it gives."""

    labels = LABELS
    name = "stub"
    found = FoundRun("stub", (FoundStage(StagePlace(Path("runs"), "stub", "train/fold-0"), None),))
    recipe = Recipe.model_validate({"name": "stub", "encoder": {"from": "nowhere"}})

    def __init__(self, rows):
        self.data = DATA
        self.rows = np.asarray(rows, dtype=np.float32)

    def reader(self, options):
        return READER

    def kept_predictions(self, examples):
        return None

    def predict(self, examples):
        assert len(examples) == len(self.rows)
        return self.rows


def test_rows_are_joined_on_id(gold, pred):
    found = submission_rows(pred, gold, READER).scores()
    # Positive: predicted a, c, d, right c and d; gold b, c, d.
    assert found.accuracy == 50
    assert found.micro_f1 == pytest.approx(200 / 3)
    assert found.rows == 4
    assert found.classes["per:spouse"].support == 2


def test_the_order_of_a_submission_does_not_matter(tmp_path):
    rng = np.random.default_rng(3)
    ids = [str(number) for number in range(40)]
    path = write_gold(tmp_path / "gold.csv", ids, [NAMES[i] for i in rng.integers(0, 3, 40)])
    rows = rng.dirichlet(np.ones(3), 40)
    order = random.Random(5).sample(range(40), 40)
    write_submission(tmp_path / "straight.csv", ids, rows, LABELS)
    write_submission(tmp_path / "mixed.csv", [ids[i] for i in order], rows[order], LABELS)
    straight = submission_rows(tmp_path / "straight.csv", path, READER).scores()
    assert straight == submission_rows(tmp_path / "mixed.csv", path, READER).scores()


def test_rows_carry_what_was_predicted_for_each(gold, pred):
    rows = submission_rows(pred, gold, READER)
    assert [example.id for example in rows.examples] == ["a", "b", "c", "d"]
    assert rows.gold.tolist() == [0, 1, 2, 1]
    assert rows.predicted.tolist() == [1, 0, 2, 1]
    assert rows.probabilities[0].tolist() == pytest.approx([0.2, 0.5, 0.3])
    assert (rows.name, rows.found) == ("submission.csv", None)


def test_ids_that_do_not_match_are_refused(tmp_path, pred):
    path = write_gold(tmp_path / "other.csv", ["a", "b", "x"], [NAMES[0]] * 3)
    with pytest.raises(InputError) as caught:
        submission_rows(pred, path, READER)
    missing, extra = caught.value.faults
    assert missing.what == f"1 ids of {path} are missing here"
    assert missing.where == f"{pred}, column id"
    assert missing.received == "x"
    assert extra.what == f"2 ids of {pred} are missing here"
    assert extra.received == "d, c"


def test_only_the_first_few_ids_are_listed(tmp_path, pred):
    ids = ["a", "b", "c", "d", *map(str, range(50))]
    path = write_gold(tmp_path / "more.csv", ids, [NAMES[0]] * 54)
    examples = read_examples(path, DATA, LABELS)
    with pytest.raises(InputError) as caught:
        join_on_id(read_submission(pred, LABELS), examples, pred, path)
    (fault,) = caught.value.faults
    assert fault.received == "0, 1, 2, … (50 in all)"


def test_an_id_that_the_gold_rows_repeat_is_refused(gold, pred):
    examples = read_examples(gold, DATA, LABELS)
    examples.append(examples[0])
    with pytest.raises(InputError, match="1 rows repeat an earlier id"):
        join_on_id(read_submission(pred, LABELS), examples, pred, gold)


def test_gold_rows_without_labels_are_refused(gold):
    examples = read_examples(gold, DATA, LABELS)
    examples[1] = replace(examples[1], label=None)
    with pytest.raises(InputError, match="1 of 4 rows have no label") as caught:
        gold_of(examples, LABELS, gold, ONE_OF)
    assert caught.value.faults[0].received == "b"


def test_the_competitions_test_file_is_no_gold_file(tmp_path, pred):
    path = write_gold(tmp_path / "test.csv", ["a", "b", "c", "d"], ["100"] * 4)
    with pytest.raises(InputError, match="4 of 4 rows have no label"):
        submission_rows(pred, path, READER)


def test_a_label_that_overrules_its_probabilities_counts_and_is_mentioned(gold, pred, capsys):
    text = pred.read_text(encoding="utf-8").replace("b,no_relation", "b,per:spouse")
    pred.write_text(text, encoding="utf-8")
    found = submission_rows(pred, gold, READER).scores()
    assert found.accuracy == 75
    assert "in 1 of 4 rows pred_label is not the most probable class" in capsys.readouterr().err


@pytest.fixture
def klue(tmp_path):
    """Gold rows of KLUE's labels, right answers, and probabilities in relation_list's order."""
    rng = np.random.default_rng(7)
    theirs = rng.dirichlet(np.full(30, 0.1), 200)
    names = [KLUE_RELATION_LIST.names[i] for i in theirs.argmax(axis=1)]
    ids = [str(number) for number in range(200)]
    gold = write_gold(tmp_path / "gold.csv", ids, names)
    pred = tmp_path / "pred.csv"
    with pred.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "pred_label", "probs"])
        writer.writerows(zip(ids, names, map(str, theirs.tolist()), strict=True))
    return str(gold), str(pred)


def figures(capsys, *arguments):
    assert run(["score", *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), " ".join(err.split())


def test_probabilities_in_another_order_are_warned_of_and_can_be_read_in_it(klue, capsys):
    gold, pred = klue
    found, said = figures(capsys, "-q", "--gold", gold, "--pred", pred)
    assert found["micro_f1"] == 100 and found["auprc"] < 60
    assert "warning:" in said and "--probs-order klue-relation-list" in said
    order = ("--probs-order", "klue-relation-list")
    found, said = figures(capsys, "--gold", gold, "--pred", pred, *order)
    assert found["auprc"] > 80 and "warning" not in said


def test_an_order_may_be_a_file_and_is_refused_where_it_is_none(klue, tmp_path, capsys):
    gold, pred = klue
    (tmp_path / "order.txt").write_text("\n".join(KLUE_RELATION_LIST.names), encoding="utf-8")
    order = ("--probs-order", str(tmp_path / "order.txt"))
    assert figures(capsys, "--gold", gold, "--pred", pred, *order)[0]["auprc"] > 80
    (tmp_path / "order.txt").write_text("a\nb\n", encoding="utf-8")
    assert run(["score", "--gold", gold, "--pred", pred, *order]) == 2
    assert "other labels than the label list" in capsys.readouterr().err
    assert run(["score", "--gold", gold, "--pred", pred, "--probs-order", "klu"]) == 2
    assert "klue-relation-list, alphabetical" in capsys.readouterr().err
    assert run(["score", "--gold", gold, "--probs-order", "klue"]) == 2


def test_labels_that_were_looked_up_in_another_list_are_warned_of(klue, tmp_path, capsys):
    gold, pred = klue
    rows = list(csv.reader(Path(pred).read_text(encoding="utf-8").splitlines()))
    for row in rows[1:]:
        row[1] = KLUE.names[KLUE_RELATION_LIST.index(row[1])]
    with Path(pred).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    found, said = figures(capsys, "-q", "--gold", gold, "--pred", pred)
    assert found["micro_f1"] < 10
    assert "100.0 % would be if ids in the order klue-relation-list had been looked up" in said


def test_probabilities_in_columns_need_no_order(gold, tmp_path, label_file, capsys):
    pred = tmp_path / "columns.csv"
    pred.write_text(
        "id,나라:수도,per:spouse,no_relation\na,0,0,1\nb,0,1,0\nc,1,0,0\nd,0,1,0\n",
        encoding="utf-8",
    )
    files = ("--gold", str(gold), "--pred", str(pred), "--labels", label_file)
    assert figures(capsys, *files)[0]["auprc"] == 100
    assert run(["score", *files, "--probs-order", "alphabetical"]) == 2
    assert "this file names its labels" in capsys.readouterr().err


def test_a_run_is_scored_as_its_submission_would_be(tmp_path, gold):
    rows = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]])
    rows = rows.astype(np.float16)
    path = tmp_path / "submission.csv"
    write_submission(path, ["a", "b", "c", "d"], rows, LABELS)
    expected = submission_rows(path, gold, READER).scores()
    assert run_rows(StubRun(rows), gold, READER).scores() == expected


def test_a_run_that_gives_nan_is_refused(gold):
    with pytest.raises(InputError, match="nan"):
        run_rows(StubRun(np.full((4, 3), np.nan)), gold, READER)


def test_rows_that_were_trained_on_are_warned_about(gold, capsys):
    data = DataSection(train=str(gold))
    run_rows(StubRun(np.eye(3)[[0, 1, 2, 1]]), gold, replace(READER, data=data))
    assert "the run was trained on" in capsys.readouterr().err


def test_command_prints_tables_without_colour_into_a_pipe(gold, pred, label_file):
    arguments = ["--gold", str(gold), "--pred", str(pred), "--labels", label_file]
    result = CliRunner().invoke(score, arguments)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "66.67" in result.stdout
    assert "나라:수도" in result.stdout
    assert "4 rows" in result.stdout
    shorter = CliRunner().invoke(score, [*arguments, "--no-per-class"])
    assert "나라:수도" not in shorter.stdout
    assert "66.67" in shorter.stdout


def test_command_prints_json_alone(gold, pred, label_file):
    arguments = ["--gold", str(gold), "--pred", str(pred), "--labels", label_file, "--json"]
    result = CliRunner().invoke(score, arguments)
    expected = submission_rows(pred, gold, READER).scores().to_json()
    assert json.loads(result.stdout) == expected


def test_command_counts_every_class_where_none_is_negative(gold, pred, label_file):
    arguments = ["--gold", str(gold), "--pred", str(pred), "--labels", label_file, "--json"]
    result = CliRunner().invoke(score, [*arguments, "--negative", ""])
    assert json.loads(result.stdout)["micro_f1"] == 50
    result = CliRunner().invoke(score, [*arguments, "--negative", "per:spouse"])
    labels = LabelList(NAMES, "per:spouse")
    expected = submission_rows(pred, gold, replace(READER, labels=labels)).scores().micro_f1
    assert json.loads(result.stdout)["micro_f1"] == expected


def test_command_without_a_submission_predicts_with_the_run(gold, monkeypatch, capsys):
    opened = []

    def open_run(runs_dir, name, device, engine):
        opened.append((str(runs_dir), name))
        return StubRun(np.tile([0.5, 0.3, 0.2], (4, 1)))

    monkeypatch.setattr(relx.predict, "open_run", open_run)
    assert run(["score", "--gold", str(gold), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["micro_f1"] == 0
    assert "every one of the 4 rows was predicted to be no_relation" in said.err
    CliRunner().invoke(score, ["--gold", str(gold), "--run", "mine", "--runs-dir", "elsewhere"])
    assert opened == [("runs", None), ("elsewhere", "mine")]


def test_command_scores_a_submission_with_a_runs_labels(gold, pred, monkeypatch):
    monkeypatch.setattr(relx.predict, "open_run", lambda *_: StubRun([]))
    arguments = ["--gold", str(gold), "--pred", str(pred), "--run", "mine", "--json"]
    result = CliRunner().invoke(score, arguments)
    assert json.loads(result.stdout)["accuracy"] == 50
    result = CliRunner().invoke(score, [*arguments, "--labels", "klue"])
    assert result.exit_code == 2
    assert "a run has its own" in result.output


@pytest.fixture
def semeval(tmp_path):
    """A key and answers with ids and labels alone: one relation right, one the wrong way round."""
    (tmp_path / "key.csv").write_text(
        'id,label\n1,"A-B(e1,e2)"\n2,"A-B(e2,e1)"\n3,"C-D(e1,e2)"\n4,Other\n', encoding="utf-8"
    )
    (tmp_path / "answers.csv").write_text(
        'pred_label,id\n"A-B(e1,e2)",1\n"A-B(e1,e2)",2\nOther,4\n"C-D(e1,e2)",3\n',
        encoding="utf-8",
    )
    files = ("--gold", str(tmp_path / "key.csv"), "--pred", str(tmp_path / "answers.csv"))
    return (*files, "--labels", "from-train", "--negative", "Other")


def test_an_official_score_needs_ids_and_labels_alone(semeval, capsys):
    found, _ = figures(capsys, *semeval, "--average", "macro", "--direction")
    assert found["averaged"]["f1"] == 75 and found["averaged"]["classes"] == ["A-B", "C-D"]
    assert found["auprc"] is None
    found, _ = figures(capsys, *semeval, "--average", "macro")
    assert found["averaged"]["f1"] == pytest.approx(100 * (2 / 3 + 0 + 1) / 3)
    assert "averaged" not in figures(capsys, *semeval)[0]


def test_an_average_is_printed_first_and_its_relations_in_a_table(semeval, capsys):
    assert run(["score", *semeval, "--average", "macro", "--direction"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["macro-F1", "75.00"]
    assert any(line.split() == ["A-B", "50.00", "50.00", "50.00", "2", "2"] for line in lines)
    assert lines[-1] == "macro: over 2 relations, their direction counted"


def test_a_direction_without_an_average_is_refused(semeval, gold, pred, label_file, capsys):
    assert run(["score", *semeval, "--direction"]) == 2
    assert "name both" in capsys.readouterr().err
    files = ("--gold", str(gold), "--pred", str(pred), "--labels", label_file)
    assert run(["score", *files, "--average", "macro", "--direction"]) == 2
    assert "no label says a direction" in capsys.readouterr().err


def test_command_help_has_examples():
    result = CliRunner().invoke(score, ["--help"])
    assert "relx score --gold dev.csv --run roberta --json" in result.stdout
