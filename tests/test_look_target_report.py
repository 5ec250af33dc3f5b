"""The pages about targets: what they say equals the scores, and what they cannot say they say."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from target_rows import CUTOFFS, LABELS, many, one_label, row, scored

from relx.compare import compare
from relx.data.labels import LabelList
from relx.faults import InputError
from relx.look.plots import svg
from relx.look.report.calibration import calibration_of, labels_plot
from relx.look.report.class_curves import class_curves
from relx.look.report.missing_surplus import counted_mistakes, mistakes_plot
from relx.look.report.page import figures_of
from relx.look.target import compare as compare_page
from relx.look.target.report import context, mistakes_in_words, page_data, write_report
from relx.look.task_pages import task_page
from relx.scoring.curves import precision_recall, reliability
from relx_cli.main import run

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

EMOJI = row("a", "😀 국밥은 맛있다.", "국밥", frozenset({"joy"}))
WHOLE = row("b", "별일 없었다.")


def two_rows():
    """A row whose target follows a letter of two UTF-16 units, and one about its sentence."""
    return scored([EMOJI, WHOLE], [[0], []], [[0.2, 0.7, 0.1, 0.1], [0.00004, 0.1, 0.33336, 0.2]])


@pytest.fixture(scope="module")
def rows():
    return many(120)


@pytest.fixture(scope="module")
def made(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(figures_of(rows, 40), folder / "report.html")
    return folder


def numbers(folder, name, page="report"):
    with (folder / f"{page}_plots" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_plot_has_its_picture_and_its_numbers(made):
    folder = made / "report_plots"
    listed = json.loads((folder / "plots.json").read_text(encoding="utf-8"))["plots"]
    assert [plot["name"] for plot in listed] == [
        "mistakes",
        "classes",
        "precision-recall",
        "thresholds",
        "reliability",
        "confidence",
        "label-reliability",
    ]
    for plot in listed:
        assert {path.suffix for path in folder.glob(f"{plot['name']}.*")} == {
            ".csv",
            ".png",
            ".svg",
        }


def test_what_it_says_equals_the_scores(made, rows):
    scores = rows.scores()
    html = (made / "report.html").read_text(encoding="utf-8")
    facts = json.loads((made / "report_plots/plots.json").read_text(encoding="utf-8"))["facts"]
    assert list(facts["scores"]) == list(scores.titles)
    for name, interval in facts["scores"].items():
        assert interval["value"] == pytest.approx(getattr(scores, name))
        assert f"{getattr(scores, name):.2f}" in html
    wrong = (rows.gold != rows.predicted).any(axis=1)
    assert facts["mistakes"] == wrong.sum() > 0
    for shown, (label, figures) in zip(
        numbers(made, "classes"), scores.classes.items(), strict=True
    ):
        assert shown["label"] == label
        assert float(shown["f1"]) == pytest.approx(figures.f1)


def test_the_table_of_labels_has_counts_areas_and_cut_offs(rows):
    shown = context(figures_of(rows, 40))
    titles = [title for _, title, _ in shown["more_columns"]]
    assert titles == ["AUROC", "Brier", "ECE", "TP", "FP", "FN", "Cut-off"]
    for line, cutoff in zip(shown["classes"], CUTOFFS, strict=True):
        figures = rows.scores().classes[line["label"]]
        texts = dict(zip(titles, (cell["text"] for cell in line["more"]), strict=True))
        assert [texts[name] for name in ("TP", "FP", "FN")] == [
            f"{n:,}" for n in (figures.tp, figures.fp, figures.fn)
        ]
        assert float(texts["Cut-off"]) == cutoff
        assert texts["Brier"] == f"{figures.brier:.4f}"


def test_the_point_of_a_curve_is_where_it_is_cut(rows):
    for index, curve in enumerate(class_curves(rows, rows.scores())):
        assert curve.cutoff == CUTOFFS[index]
        full = precision_recall(rows.gold[:, index], rows.probabilities[:, index])
        at = np.flatnonzero(full.thresholds >= curve.cutoff)[-1]
        assert curve.figures.recall == pytest.approx(100 * full.recall[at])
        assert curve.figures.precision == pytest.approx(100 * full.precision[at])


def test_cut_offs_that_nobody_searched_are_shown_too():
    rows = many(40)
    usual = replace(rows, decision=replace(rows.decision, cutoffs=None))
    assert page_data(usual)["cutoffs"] == (0.5,) * 4
    given = replace(rows.decision, cutoffs=None, thresholds=dict.fromkeys(LABELS.names, 0.2))
    assert page_data(replace(rows, decision=given))["cutoffs"] == (0.2,) * 4


def test_mistakes_are_counted_by_what_is_missing_and_what_is_surplus():
    gold = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], bool)
    said = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]], bool)
    counts = counted_mistakes(gold, said)
    found = {(int(i), int(j)): int(counts[i, j]) for i, j in zip(*counts.nonzero(), strict=True)}
    assert found == {(0, 1): 1, (0, 2): 1, (1, 3): 1, (3, 2): 1}


def test_mistakes_are_counted_once_a_row(rows):
    said = mistakes_in_words(rows)
    total, *kinds = map(int, re.findall(r"\d+", said))
    assert total == sum(kinds) == (rows.gold != rows.predicted).any(axis=1).sum()
    assert mistakes_in_words(one_label()).isdigit()


def test_calibration_is_of_every_cell_and_of_each_label(rows):
    found = calibration_of(rows)
    assert found.by_width.count.sum() == rows.gold.size
    for index, (label, bins) in enumerate(found.labels.items()):
        expected = reliability(rows.probabilities[:, index], rows.gold[:, index])
        assert label == LABELS.names[index]
        assert bins.ece == expected.ece == rows.scores().classes[label].ece


def test_targets_are_found_where_javascript_counts():
    data = page_data(two_rows())
    start, end = data["rows"]["target"][0]
    units = EMOJI.sentence.encode("utf-16-le")
    assert units[2 * start : 2 * end].decode("utf-16-le") == "국밥"
    assert data["rows"]["target"][1] is None
    assert data["rows"]["gold"] == [[0], []]
    assert data["rows"]["predicted"] == [[1], []]
    assert data["rows"]["probabilities"] == [[2000, 7000, 1000, 1000], [0, 1000, 3334, 2000]]


def test_rows_of_one_label_have_the_confusion_matrix(tmp_path):
    rows = one_label()
    write_report(figures_of(rows, 20), tmp_path / "one.html")
    html = (tmp_path / "one.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="report-data">(.*?)</script>', html, re.DOTALL)[1])
    assert data["cutoffs"] is None
    assert data["rows"]["gold"] == rows.gold.tolist()
    assert "Confusion matrix" in html
    assert not (tmp_path / "one_plots/thresholds.csv").exists()
    cells = numbers(tmp_path, "confusion", "one")
    assert sum(int(cell["rows"]) for cell in cells) == 60


def test_one_row_without_any_label_is_enough(tmp_path):
    rows = scored([WHOLE], [[]], [[0.1, 0.1, 0.1, 0.1]])
    write_report(figures_of(rows, 20), tmp_path / "report.html")
    assert (tmp_path / "report_plots/label-reliability.png").exists()


def test_long_labels_are_written_as_text():
    labels = LabelList(("가" * 60, "$a_b$ 50%"), None)
    examples = [row(f"r{i}", "국밥은 맛있다.", "국밥") for i in range(2)]
    rows = scored(examples, [[0], [1]], [[0.9, 0.2], [0.1, 0.2]], (0.5, 0.5), labels=labels)
    for plot in (mistakes_plot(rows), labels_plot(calibration_of(rows))):
        plot.figure.draw_without_rendering()
        assert "$a_b$ 50%" in svg(plot.figure)


def test_answers_without_probabilities_have_no_report(rows):
    answers = replace(rows, probabilities=None, name="answers.jsonl")
    with pytest.raises(InputError, match="no probabilities, which a report needs") as caught:
        figures_of(answers, 20)
    assert "--probs" in str(caught.value)


# The comparison


@pytest.fixture(scope="module")
def compared(rows):
    other = many(120, seed=1, noise=0.2, name="b.jsonl")
    answers = replace(many(120, seed=2, name="answers.jsonl"), probabilities=None)
    return compare([rows, other, answers], draws=40)


def test_the_comparison_leaves_out_what_needs_probabilities_and_says_so(compared, tmp_path):
    compare_page.write_comparison(compared, tmp_path / "compare.html")
    html = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "answers.jsonl holds labels and no probabilities" in html
    assert "--probs" in html
    shown = {
        (line["name"], line["score"]) for line in numbers(tmp_path, "score-differences", "compare")
    }
    assert ("b.jsonl", "auprc") in shown and ("answers.jsonl", "auprc") not in shown
    assert ("answers.jsonl", "micro_f1") in shown


def test_every_label_has_a_test_of_its_own(compared, rows):
    from relx.look.compare import comparison_context

    first = comparison_context(compared)["others"][0]
    other = compared.others[0].rows
    for index, line in enumerate(first["labels"]):
        before = rows.predicted[:, index] == rows.gold[:, index]
        after = other.predicted[:, index] == rows.gold[:, index]
        assert (line["fixed"], line["broken"]) == (
            str((~before & after).sum()),
            str((before & ~after).sum()),
        )


def test_the_rows_of_the_page_are_those_whose_labels_changed(compared):
    data = compare_page.page_data(compared)
    changed = np.zeros(120, bool)
    for other in compared.others:
        changed |= (other.rows.predicted != compared.reference.predicted).any(axis=1)
    ids = [compared.reference.examples[at].id for at in np.flatnonzero(changed)]
    assert data["rows"]["id"] == ids
    assert data["many"] is True
    assert data["rows"]["probability"][2] is None
    assert len(data["rows"]["probability"][0][0]) == len(LABELS)


def test_rows_of_one_label_are_compared_too(tmp_path):
    sides = [one_label(), replace(one_label(seed=0), name="b")]
    moved = sides[1].predicted.copy()
    moved[:3] = (moved[:3] + 1) % len(LABELS)
    result = compare([sides[0], replace(sides[1], predicted=moved, probabilities=None)], draws=20)
    data = compare_page.page_data(result)
    assert data["rows"]["predicted"][1] == moved[:3].tolist()
    assert data["rows"]["probability"][1] is None
    compare_page.write_comparison(result, tmp_path / "compare.html")
    assert "McNemar (1947), over all labels" in (tmp_path / "compare.html").read_text("utf-8")


def test_rows_of_another_task_cannot_be_compared(rows):
    with pytest.raises(InputError, match="another task"):
        compare([rows, replace(rows, name="b", task="relation")], draws=20)


# The commands


@pytest.fixture
def files(tmp_path):
    """Labelled rows, probabilities of them, and answers without any."""
    rows = many(30)
    gold, probabilities, answers = [], [], []
    for place, example in enumerate(rows.examples):
        target = example.target
        span = (target.word, *target.span) if target else (None,) * 3
        asked = dict(zip(("form", "begin", "end"), span, strict=True))
        input_ = {"form": example.sentence, "target": asked}
        truths = {name: str(name in example.gold) for name in LABELS.names}
        gold.append({"id": example.id, "input": input_, "output": truths})
        shares = dict(zip(LABELS.names, rows.probabilities[place].tolist(), strict=True))
        probabilities.append({"id": example.id, "output": shares})
        said = {name: str(share >= 0.5) for name, share in shares.items()}
        answers.append({"id": example.id, "input": input_, "output": said})
    for name, lines in (("gold", gold), ("probs", probabilities), ("answers", answers)):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def command(files, name, *words):
    gold = ["--gold", str(files / "gold.jsonl"), "--task", "target", "--draws", "40", "-q"]
    return run([name, *words, *gold, "--out", str(files / f"{name}.html")])


def test_the_commands_write_the_pages_of_the_task(files, capsys):
    assert command(files, "report", "--pred", str(files / "probs.jsonl")) == 0
    assert "exact match" in capsys.readouterr().out
    assert "Missing and surplus labels" in (files / "report.html").read_text(encoding="utf-8")
    sides = [str(files / "probs.jsonl"), str(files / "answers.jsonl")]
    assert command(files, "compare", *sides) == 0
    assert "holds labels and no probabilities" in (files / "compare.html").read_text("utf-8")


def test_a_report_of_answers_is_refused_and_nothing_is_written(files, capsys):
    assert command(files, "report", "--pred", str(files / "answers.jsonl")) == 2
    assert "--probs" in capsys.readouterr().err
    assert not (files / "report.html").exists() and not (files / "report_plots").exists()


@pytest.mark.parametrize("page", ["report", "compare", "attention"])
@pytest.mark.parametrize("task", ["relation", "target"])
def test_each_task_has_each_page(task, page):
    name = {"report": "write_report", "compare": "write_comparison"}.get(page, "write_attention")
    assert callable(getattr(task_page(task, page), name))
