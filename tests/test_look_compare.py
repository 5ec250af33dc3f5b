"""relx compare: differences, the rows that changed, and what the runs differ in."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from browser import chromium, logged, open_page, requested, require_browser, script
from made_stages import begin, finish

from relx.compare import (
    compare,
    differing_settings,
    require_same_dev_rows,
    require_same_labels,
)
from relx.data.labels import LabelList
from relx.faults import InputError
from relx.files import read_json, write_json
from relx.look.relation.compare import page_data, write_comparison
from relx.models.saved import LABELS_FILE, MODEL_FOLDER
from relx.predict import Run
from relx.recipe_file import recipe_from_tree
from relx.runs.find import FoundStage
from relx.runs.folds import FoundRun
from relx.runs.manifest import read_manifest
from relx.runs.place import StagePlace
from relx.score import ScoredRows
from relx.scoring.comparison import KINDS
from relx.spans import Span
from relx.tasks.relation.answers import write_submission
from relx.tasks.relation.entities import Entity
from relx.tasks.relation.rows import Example
from relx_cli.main import run

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

LABELS = LabelList(("no_relation", "org:members", "per:title"), "no_relation")
SENTENCE = "😀 이순신은 조선의 장군이다."
SUBJECT, OBJECT = Entity("이순신", Span(2, 5), "PER"), Entity("장군", Span(11, 13), "POH")


def scored(gold, predicted, name="a", labels=LABELS, sure=0.8):
    """Rows whose predicted class has the probability `sure`."""
    gold, predicted = np.array(gold), np.array(predicted)
    probabilities = np.full((len(gold), len(labels)), (1 - sure) / (len(labels) - 1))
    probabilities[np.arange(len(gold)), predicted] = sure
    names = [labels.names[index] for index in gold]
    examples = tuple(Example(f"r{i}", SENTENCE, SUBJECT, OBJECT, n) for i, n in enumerate(names))
    return ScoredRows(name, "gold.csv", examples, labels, gold, predicted, probabilities)


# The comparison


def test_identical_predictions_differ_in_nothing():
    gold, predicted = [0, 1, 2, 1, 0, 2], [0, 1, 1, 1, 2, 2]
    result = compare([scored(gold, predicted), scored(gold, predicted, "b")], draws=50)
    (other,) = result.others
    differences = [*other.scores.values()]
    differences += [value for figures in other.classes.values() for value in figures.values()]
    assert {(d.value, d.low, d.high, d.p) for d in differences} == {(0, 0, 0, 1)}
    assert other.mcnemar.p == 1 and other.changed() == dict.fromkeys(KINDS, 0)
    assert page_data(result)["rows"]["id"] == []


def test_differences_are_those_of_the_scores():
    rng = np.random.default_rng(0)
    gold, first, second = rng.integers(0, 3, (3, 200))
    sides = [scored(gold, first), scored(gold, second, "b")]
    (other,) = compare(sides, draws=50).others
    before, after = (side.scores() for side in sides)
    assert other.scores["micro_f1"].value == pytest.approx(after.micro_f1 - before.micro_f1)
    moved = after.classes["per:title"].f1 - before.classes["per:title"].f1
    assert other.classes["per:title"]["f1"].value == pytest.approx(moved)
    assert sum(other.changed().values()) == (first != second).sum()


def test_other_rows_and_other_labels_are_refused():
    side = scored([0, 1], [0, 1])
    renamed = tuple(replace(example, id=f"x{example.id}") for example in side.examples)
    with pytest.raises(InputError, match="not the rows that a predicted"):
        compare([side, replace(side, name="b", examples=renamed)])
    with pytest.raises(InputError, match="differ from those that a has"):
        compare([side, scored([1, 0], [0, 1], "b")])
    other = LabelList(("no_relation", "per:title", "org:members"), "no_relation")
    with pytest.raises(InputError, match="a different label list from a") as caught:
        require_same_labels({"a": LABELS, "b": other})
    (fault,) = caught.value.faults
    assert "label 1 is per:title" in fault.received and "org:members, as in a" in fault.allowed


def test_the_page_and_its_plots_hold_the_figures(tmp_path):
    rng = np.random.default_rng(1)
    gold, first, second, third = rng.integers(0, 3, (4, 60))
    names = ("a", "<b>", "다")
    sides = [scored(gold, p, n) for p, n in zip((first, second, third), names, strict=True)]
    result = compare(sides, draws=50)
    write_comparison(result, tmp_path / "compare.html")
    html = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in html and "<b>" not in html
    plots = tmp_path / "compare_plots"
    assert read_json(plots / "plots.json")["facts"] == json.loads(json.dumps(result.to_json()))
    with (plots / "score-differences.csv").open(encoding="utf-8") as stream:
        rows = {(row["name"], row["score"]): row for row in csv.DictReader(stream)}
    value = result.others[1].scores["auprc"]
    assert float(rows["다", "auprc"]["difference"]) == value.value
    with (plots / "class-differences-2.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 3 * 4
    assert (plots / "class-differences-1.png").exists()


def test_the_rows_of_the_page_are_those_that_changed_with_any_side():
    gold = [0, 1, 2, 1]
    sides = [scored(gold, p, n) for p, n in (([0, 1, 2, 0], "a"), ([0, 1, 1, 0], "b"))]
    sides.append(scored(gold, [0, 0, 2, 0], "c"))
    rows = page_data(compare(sides, draws=40))["rows"]
    assert rows["id"] == ["r1", "r2"]
    assert rows["kind"] == [[-1, 1], [1, -1]]
    assert rows["predicted"] == [[1, 2], [1, 1], [0, 2]]
    assert rows["probability"][0] == [8000, 8000]
    assert rows["subject"][0] == [3, 6, "PER"]  # the emoji is two code units


# Runs


def started(runs_dir, name, git=None, **sections):
    """A finished run without a model, made from `sections` over the defaults."""
    tree = {"name": name, "encoder": {"from": "klue/bert-base"}, **sections}
    recipe = recipe_from_tree(tree)
    folder = runs_dir / name / "train/fold-0"
    data = {"train": {"file": "t.csv", "rows": 3, "digest": "1" * 64}, "types": ["PER"]}
    data["dev"] = {"file": "dev.csv", "rows": 3, "digest": sections.get("seed", 1) * "2"}
    begin(folder, "train/fold-0", recipe, {"seed": 1}, data, MODEL_FOLDER)
    finish(folder, {"hardware": "one CPU"}, {})
    labels = {"names": list(LABELS.names), "negative": LABELS.negative}
    write_json(folder / MODEL_FOLDER / LABELS_FILE, labels)
    return folder


def manifests(*folders):
    return [read_manifest(folder) for folder in folders]


def edited(folder, **changed):
    manifest = read_manifest(folder).model_dump() | changed
    write_json(folder / "manifest.json", manifest)


def test_exactly_the_keys_in_which_runs_differ_are_listed(tmp_path):
    one = started(tmp_path, "one")
    assert differing_settings(manifests(one, started(tmp_path, "two"))) == ()
    changed = {"epochs": 7, "pooling": "cls"}
    three = started(tmp_path, "three", seed=2, train=changed)
    settings = {s.key: s.values for s in differing_settings(manifests(one, three))}
    default = read_manifest(one).recipe
    assert settings.pop("train.epochs") == (default["train"]["epochs"], 7)
    assert settings.pop("train.pooling") == (default["train"]["pooling"], "cls")
    assert settings.pop("seed") == (default["seed"], 2)
    assert settings.pop("rows.dev.digest") == ("2", "22")
    assert settings == {}


def test_code_versions_and_the_adapted_encoder_count_as_differences(tmp_path):
    one, two = started(tmp_path, "one"), started(tmp_path, "two")
    for folder, sign in ((one, "a"), (two, "b")):
        versions = read_manifest(folder).versions | {"keras": f"3.{sign}"}
        git = {"commit": sign * 40, "dirty": False}
        edited(folder, git=git, versions=versions, inputs={"encoder": {"tapt": sign * 64}})
    assert {s.key: s.values for s in differing_settings(manifests(one, two))} == {
        "start.digest": ("a" * 64, "b" * 64),
        "code.commit": ("a" * 40, "b" * 40),
        "versions.keras": ("3.a", "3.b"),
    }


def runs_of(*folders):
    """The runs of `RUNS/NAME/train/fold-0` folders by their names, with the one fold."""
    stages = [
        FoundStage(StagePlace(f.parents[2], f.parents[1].name, "train/fold-0"), read_manifest(f))
        for f in folders
    ]
    return {stage.run: FoundRun(stage.run, (stage,)) for stage in stages}


def test_runs_whose_digests_are_of_different_formats_are_told_apart_by_their_rows(tmp_path):
    old, new = (started(tmp_path, name, seed=seed) for name, seed in (("old", 1), ("new", 2)))
    with pytest.raises(InputError, match="by the same rows"):
        require_same_dev_rows(runs_of(old, new))
    edited(old, format=1)
    require_same_dev_rows(runs_of(old, new))
    data = read_manifest(old).data
    edited(old, format=1, data=data | {"dev": data["dev"] | {"rows": 4}})
    with pytest.raises(InputError, match=r"old: 4 of dev\.csv; new: 3 of dev\.csv"):
        require_same_dev_rows(runs_of(old, new))


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Gold rows, two runs whose predictions are known, and two submissions."""
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 3, 40)
    with (tmp_path / "gold.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label", "source"])
        for i, index in enumerate(gold):
            cells = [
                str({"word": e.word, "start_idx": e.span.start, "end_idx": e.span.end - 1} | kind)
                for e, kind in ((SUBJECT, {"type": "PER"}), (OBJECT, {"type": "POH"}))
            ]
            writer.writerow([f"r{i}", SENTENCE, *cells, LABELS.names[index], "wiki"])
    write_json(tmp_path / "labels.json", list(LABELS.names))
    answers = {}
    for name in ("one", "two"):
        predicted = np.where(rng.random(40) < 0.6, gold, rng.integers(0, 3, 40))
        answers[name] = scored(gold, predicted).probabilities
        write_submission(
            tmp_path / f"{name}.csv", [f"r{i}" for i in range(40)], answers[name], LABELS
        )
        started(tmp_path / "runs", name)
    monkeypatch.setattr(Run, "predict", lambda self, examples: answers[self.name])
    return tmp_path


def told(task, capsys, *names, options=()):
    """Runs the command with --json; returns its status, its JSON or None, and what it said."""
    capsys.readouterr()
    words = ["--gold", str(task / "gold.csv"), "--runs-dir", str(task / "runs"), "--draws", "40"]
    status = run(["compare", *names, *words, "--json", "-q", *options])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, " ".join(err.split())


def test_runs_and_their_submissions_compare_alike(task, capsys):
    files = [str(task / f"{name}.csv") for name in ("one", "two")]
    labels = ["--labels", str(task / "labels.json")]
    status, of_files, _ = told(task, capsys, *files, options=labels)
    assert status == 0 and not (task / "compare.html").exists()
    status, of_runs, _ = told(task, capsys, "one", "two")
    assert status == 0 and of_runs["reference"] == "one" and of_runs["rows"] == 40
    assert of_runs["differences"]["two"] == of_files["differences"][files[1]]
    assert of_runs["recipe"] == {} == of_files["recipe"]
    status, mixed, _ = told(task, capsys, "one", files[1])  # the run's labels serve both
    assert status == 0 and mixed["differences"][files[1]] == of_runs["differences"]["two"]


def test_runs_of_several_backends_predict_with_the_first_ones(task, capsys, monkeypatch):
    started(task / "runs", "jax", device={"backend": "jax"})
    used = []

    def predict(opened, examples):
        used.append(opened.folds[0]._section.backend)
        return np.full((len(examples), len(LABELS)), 1 / len(LABELS))

    monkeypatch.setattr(Run, "predict", predict)
    status, result, _ = told(task, capsys, "one", "jax")
    assert status == 0 and used == ["tensorflow", "tensorflow"]
    assert result["recipe"]["device.backend"] == {"one": "tensorflow", "jax": "jax"}
    assert told(task, capsys, "one", "jax", options=["--backend", "torch"])[0] == 0
    assert used[2:] == ["torch", "torch"]


def test_a_name_that_stands_twice_is_numbered(task, capsys):
    status, result, _ = told(task, capsys, "one", "one")
    assert status == 0 and list(result["differences"]) == ["one (2)"]
    assert result["differences"]["one (2)"]["mcnemar"]["p"] == 1


def test_the_command_writes_the_page_and_prints_a_table(task, capsys, monkeypatch):
    monkeypatch.chdir(task)
    assert run(["compare", "one", "two", "--gold", "gold.csv", "--draws", "40", "-q"]) == 0
    out = capsys.readouterr().out
    assert "micro-F1" in out and "McNemar (exact)" in out and "compare.html is written" in out
    assert "two beside one" in (task / "compare.html").read_text(encoding="utf-8")


def test_bad_input_is_one_message(task, capsys, monkeypatch):
    status, _, said = told(task, capsys, "one")
    assert status == 2 and "two or more" in said
    status, _, said = told(task, capsys, "one", "tow", "tree")
    assert status == 2 and "did you mean two?" in said and said.count("error:") == 2
    status, _, said = told(task, capsys, str(task / "one.csv"), str(task / "two.csv"))
    assert status == 2 and "label" in said  # they are not KLUE's
    (task / "short.csv").write_text(
        "".join((task / "two.csv").open(encoding="utf-8").readlines()[:-1]), encoding="utf-8"
    )
    status, _, said = told(task, capsys, "one", str(task / "short.csv"))
    assert status == 2 and "1 ids" in said and "Traceback" not in said
    status, _, said = told(task, capsys, "one", "two", options=["--labels", "klue"])
    assert status == 2 and "go with submissions" in said
    gold = str(task / "gold.csv")
    status, _, said = told(task, capsys, "one", "two", options=["--out", gold])
    assert status == 2 and "would replace" in said


def test_without_gold_runs_need_the_same_dev_rows_and_submissions_none(task, capsys):
    started(task / "runs", "other", seed=3)
    words = ["--runs-dir", str(task / "runs"), "--json", "-q"]
    assert run(["compare", "one", "other", *words]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "did not choose their best epoch by the same rows" in said and "--gold FILE" in said
    assert run(["compare", "one", str(task / "two.csv"), *words]) == 2
    assert "--gold" in capsys.readouterr().err


def test_another_list_of_labels_is_refused_before_anything_is_predicted(task, capsys, monkeypatch):
    monkeypatch.setattr(Run, "predict", lambda *_: pytest.fail("it predicted"))
    file = task / "runs/two/train/fold-0" / MODEL_FOLDER / LABELS_FILE
    write_json(file, {"names": ["no_relation", "per:title"], "negative": "no_relation"})
    status, _, said = told(task, capsys, "one", "two")
    assert status == 2 and "a different label list from" in said


# The page in a browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    require_browser()
    with chromium(tmp_path_factory.mktemp("chromium")) as started_driver:
        yield started_driver


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(5)
    gold, first, second, third = rng.integers(0, 3, (4, 300))
    first[7], second[7] = 0, 1
    sides = [scored(gold, p, n) for p, n in ((first, "a"), (second, "b"), (third, "<i>c</i>"))]
    sentence = replace(sides[0].examples[7], sentence="한산도 이순신은 조선의 <b>장군</b>이다.")
    sentence = replace(
        sentence,
        subject=Entity("이순신은 조선", Span(4, 11), "PER"),
        object=Entity("조선의", Span(9, 12), "LOC"),
    )
    rows = [*sides[0].examples[:7], sentence, *sides[0].examples[8:]]
    out = tmp_path_factory.mktemp("compare") / "compare.html"
    result = compare([replace(side, examples=tuple(rows)) for side in sides], draws=40)
    write_comparison(result, out)
    return out, result


def count(driver):
    return int(script(driver, "return document.getElementById('count').textContent").split()[0])


def choose(driver, field, value, event="change"):
    text = "const f = document.getElementById(arguments[0]); f.value = arguments[1];"
    script(driver, f"{text} f.dispatchEvent(new Event(arguments[2]));", field, value, event)


def test_the_rows_are_filtered_and_paged_and_back_restores_the_view(driver, page):
    out, result = page
    open_page(driver, out)
    assert count(driver) == sum(result.others[0].changed().values())
    assert script(driver, "return document.querySelectorAll('#list li').length") == 25
    choose(driver, "kind", "fixed")
    assert count(driver) == result.others[0].changed()["fixed"]
    assert {"fixed"} == set(
        script(driver, "return [...document.querySelectorAll('#list li')].map(r => r.className)")
    )
    choose(driver, "with", "1")
    assert count(driver) == result.others[1].changed()["fixed"]
    driver.back()
    assert count(driver) == result.others[0].changed()["fixed"]
    first = script(driver, "return document.querySelector('#list li').dataset.id")
    script(driver, "document.getElementById('next').click()")
    assert script(driver, "return document.querySelector('#list li').dataset.id") != first
    driver.back()
    assert script(driver, "return document.querySelector('#list li').dataset.id") == first
    assert [line for line in logged(driver) if "SEVERE" in line] == []
    assert [url for url in requested(driver) if not url.startswith("file:")] == []


def test_search_finds_a_korean_word_and_a_link_opens_one_row(driver, page):
    out, _ = page
    open_page(driver, out)
    choose(driver, "search", "한산도", "input")
    assert count(driver) == 1
    open_page(driver, out, "row=r7")
    assert count(driver) == 1
    sentence = script(driver, "return document.querySelector('.sentence').textContent")
    assert sentence == "한산도 이순신은 조선의 <b>장군</b>이다."
    marks = "[...document.querySelectorAll('.sentence mark')]"
    assert script(driver, f"return {marks}.map(m => [m.className, m.textContent])") == [
        ["subject", "이순신은 "],
        ["subject object", "조선"],
        ["object", "의"],
    ]


def test_the_page_is_no_wider_than_a_phone(driver, page):
    out, _ = page
    open_page(driver, out, size=(360, 800))
    assert script(driver, "return document.documentElement.scrollWidth") <= 360
