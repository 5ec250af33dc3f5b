"""The report: what it says equals `scoring.one_of`, and it is one file that needs no network."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_stages import begin, finish

import relx.predict
from relx.answers import AnswerReader
from relx.data.labels import KLUE, LabelList
from relx.faults import InputError
from relx.look.page import require_place
from relx.look.plots import svg
from relx.look.relation.label_groups import label_groups
from relx.look.relation.report import context, page_data, write_report
from relx.look.report.class_curves import class_curves
from relx.look.report.class_plots import confusion_plot
from relx.look.report.learning import learning_plots
from relx.look.report.page import figures_of
from relx.recipe import DataSection, Recipe
from relx.runs.folds import find_trained
from relx.score import ScoredRows
from relx.scoring.decisions.one_of import ONE_OF, scores
from relx.spans import Span
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example, read_examples
from relx.tasks.task import open_task
from relx.training.log import RunLog
from relx_cli.main import main
from relx_cli.report import report

SAMPLE = Path(__file__).parents[1] / "sample" / "dev.csv"
DRAWS = ["--draws", "40"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The sample's dev rows, and a submission that is right in about two of three."""
    examples = read_examples(SAMPLE, DataSection(), KLUE)
    gold = np.array([KLUE.index(example.label) for example in examples])
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (len(gold), len(KLUE)))
    logits[np.arange(len(gold)), gold] += rng.normal(2.5, 1.5, len(gold))
    weights = np.exp(logits)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    pred = tmp_path_factory.mktemp("sample") / "submission.csv"
    write_submission(pred, [example.id for example in examples], probabilities, KLUE)
    return pred, gold, probabilities


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    """The folder in which `relx report` wrote report.html about the submission."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    arguments = ["--gold", str(SAMPLE), "--pred", str(sample[0]), "--out", str(out), *DRAWS]
    result = CliRunner().invoke(report, arguments)
    assert result.exit_code == 0, result.output
    return out.parent, result.stdout


def groups_of(rows):
    return [group.labels for group in label_groups(rows.labels)]


def numbers(folder, name):
    with (folder / "report_plots" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def two_rows(labels=None):
    """A sentence with letters of two UTF-16 units before, in and between the entities."""
    labels = labels or LabelList(("관계 없음", "사람:배우자", "사람:직업"), "관계 없음")
    sentence = "😀 철수😀는 <영희>와 결혼했다."
    subject = Entity("철수😀", Span(2, 5), "PER")
    object_ = Entity("영희", Span(8, 10), "PER")
    row = Example("a", sentence, subject, object_, labels.names[1], "wiki")
    other = replace(row, id="b", label=labels.names[0], source="")
    probabilities = np.array([[0.2, 0.7, 0.1], [0.00004, 0.33336, 0.6666]])
    gold = np.array([1, 0])
    predicted = np.array([1, 2])
    return ScoredRows("쓰기.csv", "gold.csv", (row, other), labels, gold, predicted, probabilities)


def test_the_page_is_one_file_that_needs_no_network(made):
    html = (made[0] / "report.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    outside = re.findall(r"""["'(](?:https?:)?//[^"')]*""", html)
    assert {address[1:] for address in outside} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    files = re.findall(r'(?:src|href)="([^"#:]+)"', html)
    assert files
    assert all((made[0] / file).is_file() for file in files)
    assert sorted(path.name for path in made[0].iterdir()) == ["report.html", "report_plots"]


def test_every_plot_has_its_picture_and_its_numbers(made):
    folder = made[0] / "report_plots"
    listed = json.loads((folder / "plots.json").read_text(encoding="utf-8"))["plots"]
    names = ["confusion", "classes", "precision-recall", "reliability", "confidence"]
    assert [plot["name"] for plot in listed] == names
    for name in names:
        assert {path.suffix for path in folder.glob(f"{name}.*")} == {".csv", ".png", ".svg"}


def test_what_it_says_equals_the_metrics(made, sample):
    _, gold, probabilities = sample
    expected = scores(gold, probabilities, KLUE)
    content = (made[0] / "report_plots" / "plots.json").read_text(encoding="utf-8")
    facts = json.loads(content)["facts"]
    for name in ("micro_f1", "auprc", "precision", "recall", "accuracy"):
        interval = facts["scores"][name]
        assert interval["value"] == pytest.approx(getattr(expected, name))
        assert interval["low"] < interval["high"]
    assert facts["rows"] == expected.rows
    for row, (label, figures) in zip(
        numbers(made[0], "classes"), expected.classes.items(), strict=True
    ):
        assert row["label"] == label
        for name in ("precision", "recall", "f1", "auprc", "support", "predicted"):
            assert float(row[name]) == pytest.approx(getattr(figures, name))
    html = (made[0] / "report.html").read_text(encoding="utf-8")
    assert f"{expected.micro_f1:.2f}" in html
    assert f"{expected.auprc:.2f}" in html
    low, high = (facts["scores"]["micro_f1"][end] for end in ("low", "high"))
    assert f"micro-F1 {expected.micro_f1:.2f} {low:.2f} - {high:.2f}" in " ".join(made[1].split())


def test_the_confusion_matrix_counts_every_row_once(made, sample):
    _, gold, probabilities = sample
    cells = numbers(made[0], "confusion")
    assert len(cells) == 900
    assert sum(int(cell["rows"]) for cell in cells) == len(gold)
    right = sum(int(cell["rows"]) for cell in cells if cell["gold"] == cell["predicted"])
    assert right == (probabilities.argmax(axis=1) == gold).sum()
    shares = [float(cell["percent of gold"]) for cell in cells if cell["gold"] == KLUE.names[0]]
    assert sum(shares) == pytest.approx(100)


def test_the_bins_hold_every_row(made, sample):
    rows = numbers(made[0], "reliability")
    for kind in ("equal width", "equal mass"):
        assert sum(int(row["rows"]) for row in rows if row["bins"] == kind) == len(sample[1])
    steps = numbers(made[0], "confidence")
    assert sum(int(step["right"]) + int(step["wrong"]) for step in steps) == len(sample[1])


def test_the_page_holds_the_rows(made, sample):
    html = (made[0] / "report.html").read_text(encoding="utf-8")
    text = re.search(r'id="report-data">(.*?)</script>', html, re.DOTALL)[1]
    data = json.loads(text)
    examples = read_examples(SAMPLE, DataSection(), KLUE)
    rows = data["rows"]
    assert rows["id"] == [example.id for example in examples]
    assert rows["sentence"] == [example.sentence for example in examples]
    assert rows["gold"] == sample[1].tolist()
    assert rows["predicted"] == sample[2].argmax(axis=1).tolist()
    assert np.abs(np.array(rows["probabilities"]) / 10_000 - sample[2]).max() <= 0.5e-4
    assert data["labels"] == list(KLUE.names)


def test_entities_are_found_where_javascript_counts():
    rows = two_rows()
    data = page_data(rows)
    units = rows.examples[0].sentence.encode("utf-16-le")
    for role, entity in (
        ("subject", rows.examples[0].subject),
        ("object", rows.examples[0].object),
    ):
        start, end, type_ = data["rows"][role][0]
        assert units[2 * start : 2 * end].decode("utf-16-le") == entity.word
        assert data["types"][type_] == "PER"
    assert data["sources"] == ["", "wiki"]
    assert data["rows"]["source"] == [1, 0]
    assert data["rows"]["probabilities"] == [[2000, 7000, 1000], [0, 3334, 6666]]
    assert data["negative"] == 0


def test_labels_are_grouped_by_what_stands_before_the_colon():
    labels = LabelList(("사람:배우자", "그 밖", "관계 없음", "org:x", "사람:직업"), "관계 없음")
    groups = [(group.name, group.labels) for group in label_groups(labels)]
    assert groups == [("관계 없음", (2,)), ("사람", (0, 4)), ("other", (1,)), ("org", (3,))]
    every = label_groups(LabelList(labels.names, None))
    assert sorted(index for group in every for index in group.labels) == list(range(5))


def test_the_matrix_has_the_negative_label_first_then_groups_by_frequency():
    labels = LabelList(("org:a", "per:b", "none", "org:c"), "none")
    row = two_rows().examples[0]
    gold = np.array([3, 3, 0, 1, 2])
    examples = tuple(replace(row, id=str(i)) for i in range(5))
    rows = ScoredRows("a", "gold", examples, labels, gold, gold, np.eye(4)[gold])
    (axes,) = confusion_plot(rows, groups_of(rows)).figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "none",
        "org:c",
        "org:a",
        "per:b",
    ]


def test_long_labels_and_formulas_are_written_as_text():
    labels = LabelList(("가" * 60, "$a_b$ 50%"), None)
    gold = np.array([0, 1])
    rows = replace(two_rows(), labels=labels, gold=gold, predicted=gold, probabilities=np.eye(2))
    figure = confusion_plot(rows, groups_of(rows)).figure
    figure.draw_without_rendering()
    written = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert written[0] == f"{'가' * 38}…"
    assert written[1] == labels.names[1]
    assert "$a_b$ 50%" in svg(figure)


def test_one_row_is_enough_for_a_report(tmp_path):
    rows = two_rows()
    one = replace(
        rows,
        examples=rows.examples[:1],
        gold=rows.gold[:1],
        predicted=rows.predicted[:1],
        probabilities=rows.probabilities[:1],
    )
    write_report(figures_of(one, 40), tmp_path / "report.html")
    assert (tmp_path / "report_plots/reliability.png").exists()


def test_a_class_without_gold_rows_has_no_curve():
    rows = two_rows()
    figures = figures_of(rows, 40)
    assert [curve.figures.support for curve in figures.curves] == [1, 1, 0]
    assert "no gold rows" in context(figures)["curves"][2]["svg"]
    assert class_curves(rows, rows.scores())[1].share == 0.5


def test_facts_and_notes_say_what_was_scored():
    made = context(figures_of(two_rows(), 40))
    assert made["lead"] == "쓰기.csv against the labels of gold.csv: 2 rows."
    told = dict(made["facts"])
    assert told["Mistakes"] == "1: false positives 1, false negatives 0, wrong relation 0"
    notes = {card["name"]: card["note"] for card in made["scores"]}
    assert notes["micro-F1"] == "over all classes but 관계 없음"
    assert notes["AUPRC"] == "the mean of all 3 classes; 1 without gold rows count 50 each"
    every = replace(two_rows(), labels=LabelList(("가", "나", "다"), None))
    made = context(figures_of(every, 40))
    assert dict(made["facts"])["Mistakes"] == "1"
    assert made["scores"][0]["note"] == "over all classes"


def stage(folder, name, records, results):
    recipe = Recipe.model_validate({"name": "가", "encoder": {"from": "klue/bert-base"}})
    data = {"train": {"file": "train.csv", "rows": 1}}
    begin(folder, name, recipe, {}, data, "model")
    with RunLog(folder) as log:
        for epoch, record in enumerate(records):
            log.epoch(epoch, record)
    finish(folder, {}, results)
    return folder


@pytest.fixture
def run_folder(tmp_path):
    sentences = [{"loss": 7.0, "pseudo_perplexity": 300.0}]
    before = {"pseudo_perplexity_before": 90000.0}
    stage(tmp_path / "runs/가/tapt", "tapt", sentences, before)
    rows = [
        {"loss": 2.0, "micro_f1": 10.0, "auprc": 20.0},
        {"loss": float("nan"), "micro_f1": 30.0, "auprc": 25.0},
    ]
    folder = tmp_path / "runs/가/train/fold-0"
    return stage(folder, "train/fold-0", rows, {"best_epoch": 2, "epochs": 2})


def found_in(folder):
    """The run of a `RUNS/NAME/train/fold-0` folder, as `find_trained` gives it."""
    return find_trained(folder.parents[2], folder.parents[1].name)


def test_both_stages_learning_is_drawn(run_folder):
    train, tapt = learning_plots(found_in(run_folder))
    assert (train.name, tapt.name) == ("learning-train", "learning-tapt")
    assert train.columns == ("epoch", "loss", "micro_f1", "auprc")
    assert train.rows == [(1, 2.0, 10.0, 20.0), (2, None, 30.0, 25.0)]
    assert train.note == "The model is from epoch 2, the best by micro-F1."
    assert len(train.figure.axes) == 2  # no learning rate was noted
    assert tapt.rows == [(0, None, 90000.0), (1, 7.0, 300.0)]
    assert tapt.figure.axes[1].get_yscale() == "log"


def test_a_run_without_logs_has_no_curves(run_folder):
    (run_folder / "metrics.jsonl").unlink()
    (run_folder.parents[1] / "tapt/metrics.jsonl").unlink()
    assert learning_plots(found_in(run_folder)) == []


def test_a_run_is_said_to_have_seen_the_rows(run_folder):
    rows = replace(two_rows(), found=found_in(run_folder))
    assert "on these rows" not in context(figures_of(rows, 40))["lead"]
    trained = replace(rows, gold_file="data/train.csv")
    assert "was trained on these rows" in context(figures_of(trained, 40))["lead"]
    chosen = replace(rows, gold_file="a fold of data/train.csv", own_dev=True)
    made = context(figures_of(chosen, 40))
    assert "chose its epoch by these rows" in made["lead"]
    assert dict(made["facts"])["Best epoch"] == "2 of 2"


class StubRun:
    """Predicts the rows that it chose its epoch by."""

    labels = two_rows().labels
    data = DataSection()
    recipe = Recipe.model_validate({"name": "가", "encoder": {"from": "nowhere"}})

    def __init__(self, folder):
        self.found = found_in(folder)
        self.name = self.found.name

    def dev_probabilities(self, examples):
        return two_rows().probabilities

    def dev_folds(self):
        return None

    def reader(self, options):
        return AnswerReader(open_task("relation", self.data), self.data, self.labels, ONE_OF)

    def dev_rows(self):
        return list(two_rows().examples)


def test_without_gold_rows_the_run_predicts_those_it_chose_its_epoch_by(
    run_folder, tmp_path, monkeypatch
):
    opened = []

    def open_run(runs_dir, name, device, engine):
        opened.append((name, engine))
        return StubRun(run_folder)

    monkeypatch.setattr(relx.predict, "open_run", open_run)
    out = tmp_path / "seen/report.html"
    words = ["--run", "가", "--engine", "keras", "--out", str(out), *DRAWS]
    result = CliRunner().invoke(report, words)
    assert result.exit_code == 0, result.output
    assert opened == [("가", "keras")]
    html = out.read_text(encoding="utf-8")
    assert "relx report: 가" in html
    assert "figure-learning-train" in html
    assert "figure-learning-tapt" in html


def test_a_submission_is_reported_without_a_framework(sample, tmp_path):
    words = ["report", "--gold", str(SAMPLE), "--pred", str(sample[0]), "-q"]
    words += ["--out", str(tmp_path / "report.html"), *DRAWS]
    heavy = "keras,tensorflow,torch,jax,pandas,sklearn,scipy,transformers,tokenizers,tensorboard"
    code = (
        f"import sys; sys.argv = ['relx', *{words!r}]\n"
        "from relx_cli.main import main\n"
        "try: main()\n"
        "except SystemExit as done: assert not done.code\n"
        f"print([name for name in {heavy.split(',')!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert (tmp_path / "report.html").exists()


def refused(monkeypatch, capsys, *words):
    """Runs the command, which shall end with status 2 and one message; returns the message."""
    monkeypatch.setattr(sys, "argv", ["relx", "report", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_what_cannot_be_reported_leaves_nothing_behind(sample, tmp_path, monkeypatch, capsys):
    pred, out = sample[0], tmp_path / "out/report.html"
    absent = tmp_path / "absent.csv"
    message = refused(monkeypatch, capsys, "--gold", absent, "--pred", pred, "--out", out)
    assert "absent.csv" in message
    other = SAMPLE.with_name("test_gold.csv")
    message = refused(monkeypatch, capsys, "--gold", other, "--pred", pred, "--out", out)
    assert "missing here" in message
    (tmp_path / "folder").mkdir()
    words = ("--gold", SAMPLE, "--pred", pred, "--out", tmp_path / "folder")
    assert "this is a folder, not a file" in refused(monkeypatch, capsys, *words)
    (tmp_path / "file").write_text("")
    words = ("--gold", SAMPLE, "--pred", pred, "--out", tmp_path / "file/report.html")
    assert "a folder of this path is a file" in refused(monkeypatch, capsys, *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_page_replaces_neither_its_input_nor_someones_folder(sample, tmp_path):
    with pytest.raises(InputError, match="would replace a file that it is made from"):
        require_place(sample[0], [None, tmp_path / "absent", sample[0]])
    (tmp_path / "report_plots").mkdir()
    (tmp_path / "report_plots" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="something else is here already"):
        require_place(tmp_path / "report.html")
    require_place(tmp_path / "deep" / "other.html")
    assert not (tmp_path / "deep").exists()


def test_options_without_effect_are_refused(sample):
    invoke = CliRunner().invoke
    alone = invoke(report, ["--pred", str(sample[0])])
    assert alone.exit_code == 2
    assert "--pred needs --gold" in alone.stderr
    both = ["--gold", str(SAMPLE), "--pred", str(sample[0])]
    assert "--engine applies to a run" in invoke(report, [*both, "--engine", "keras"]).stderr
    assert "a run has its own" in invoke(report, ["--labels", "klue"]).stderr


def test_command_help_has_examples():
    result = CliRunner().invoke(report, ["--help"])
    assert "relx report --run roberta --gold dev.csv" in result.stdout
