"""The page about a task's data, what stands beside it, and that no letter is drawn as a box."""

import csv
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.text import Text

from relx.data.labels import LabelList
from relx.faults import InputError
from relx.look.eda.corpus import read_corpus
from relx.look.eda.plots import signed
from relx.look.eda.vocabulary.clouds import draw_clouds
from relx.look.font import drawable
from relx.look.plots import png_bytes, svg_file
from relx.look.relation.eda.findings import examine, facts
from relx.look.relation.eda.page import context, write_eda
from relx.look.relation.eda.plots import plots
from relx.recipe_file import load_recipe
from relx.tasks.relation.answers import write_submission
from relx_cli.eda import eda

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "recipes/demo.yaml"
ANNOTATION = ROOT.parent / "shared/data/annotation"
NAMES = ("no_relation", "per:spouse", "직업:직함")
STRANGE = "\U00013000龘\u0b95"  # letters that Korean fonts hardly have


def cells(id, subject, object_, label, rest="", kind="PER"):
    sentence = f"{subject}와 {object_}는 서울에서 결혼한 유명한 배우이다.{rest}"
    at = len(subject) + 2
    spans = [(subject, 0, kind), (object_, at, "PER")]
    entities = [
        str({"word": word, "start_idx": start, "end_idx": start + len(word) - 1, "type": type_})
        for word, start, type_ in spans
    ]
    return [str(id), sentence, *entities, label, "<b>출처</b>"]


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "sentence", "subject_entity", "object_entity", "label", "source"])
        writer.writerows(rows)
    return path


def write_task(folder):
    """Three labels, two rows that contradict each other, and letters that no font has."""
    names = ["철수", "영희", "민수", "지영", f"가{STRANGE}", "<script>"]
    train = [
        cells(i, names[i % 6], names[(i + 1) % 6], NAMES[i % 3], f" 참고 {i}.") for i in range(12)
    ]
    train += [cells(12, "철수", "영희", NAMES[0]), cells(13, "철수", "영희", NAMES[1])]
    test = [cells(i, names[i], "순이", "100") for i in range(5)]
    write(folder / "train.csv", train)
    write(folder / "test.csv", test)
    (folder / "labels.json").write_text(json.dumps(NAMES, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture
def task(tmp_path):
    return write_task(tmp_path)


def settings(task, *more):
    files = [f"data.{name}={task / name}.csv" for name in ("train", "test")]
    return [*files, "data.dev=null", f"data.labels={task / 'labels.json'}", *more]


def arguments(task, *more):
    listed = [word for one in settings(task) for word in ("--set", one)]
    places = ["--runs-dir", str(task / "runs"), "--out", str(task / "page.html")]
    return ["--recipe", str(DEMO), *listed, *places, *more]


def predicted(task, classes):
    path = task / "s.csv"
    probabilities = np.full((len(classes), len(NAMES)), 0.05)
    probabilities[np.arange(len(classes)), classes] = 0.9
    ids = [str(i) for i in range(len(classes))]
    write_submission(path, ids, probabilities, LabelList(NAMES, NAMES[0]))
    return path


def facts_beside(page):
    index = page.with_name(f"{page.stem}_plots") / "plots.json"
    return json.loads(index.read_text(encoding="utf-8"))["facts"]


def run(task, *more):
    result = CliRunner().invoke(eda, arguments(task, *more), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return (task / "page.html").read_text(encoding="utf-8"), result.output


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A page with predictions: its folder, the page, and what the command printed."""
    folder = write_task(tmp_path_factory.mktemp("shown"))
    return folder, *run(folder, "--pred", str(predicted(folder, [0, 0, 0, 0, 1])))


def test_the_shift_of_the_negative_label_is_the_first_thing_on_the_page(shown):
    folder, html, output = shown
    assert "35.7 % of train, 80.0 % of the test as predicted (+44.3 percentage points)" in output
    words = re.sub(r"<[^>]+>", " ", html.partition("<main")[2])
    figures = re.findall(r"[+−]?\d+\.\d", words)
    assert figures[:3] == ["35.7", "80.0", "+44.3"]
    headline = facts_beside(folder / "page.html")["headline"]
    assert headline["label"] == "no_relation"
    assert headline["negative"] is True
    assert headline["percent"]["train"] == pytest.approx(100 * 5 / 14)
    assert headline["shift_points"] == pytest.approx(80 - 100 * 5 / 14)


def test_without_predictions_the_page_says_how_to_get_them(task):
    html, output = run(task)
    assert "no_relation: 35.7 % of train\n" in output
    assert "relx predict --out s.csv" in html
    assert "--pred s.csv" in html
    assert facts_beside(task / "page.html")["headline"]["shift_points"] is None


def test_gold_labels_of_the_test_change_nothing(task):
    before, _ = run(task)
    rows = list(csv.reader((task / "test.csv").open(encoding="utf-8", newline="")))[1:]
    write(task / "test.csv", [[*row[:4], NAMES[1], row[5]] for row in rows])
    after, _ = run(task)
    assert after == before


def test_the_page_is_one_file_and_each_plot_stands_beside_it_with_its_numbers(shown):
    task, html, _ = shown
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", html)
    folder = task / "page_plots"
    for address in re.findall(r'href="(page_plots/[^"]+)"', html):
        assert (task / address).stat().st_size
    names = {path.stem for path in folder.glob("*.csv")}
    assert {"label-shares", "types", "telling-words", "subjects", "objects"} <= names
    assert {f"clouds-{role}" for role in ("subject", "object", "context")} <= names
    assert {"lengths-characters", "lengths-tokens"} <= names
    for name in names:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.svg").is_file()
    shares = list(csv.DictReader((folder / "label-shares.csv").open(encoding="utf-8")))
    assert [row["label"] for row in shares] == list(NAMES)
    assert sum(float(row["train_percent"]) for row in shares) == pytest.approx(100, abs=0.01)
    assert sum(float(row["shift_points"]) for row in shares) == pytest.approx(0, abs=0.01)


def test_text_of_the_data_is_no_markup(shown):
    html = shown[1]
    assert "<b>출처</b>" not in html
    assert "&lt;b&gt;출처&lt;/b&gt;" in html
    assert html.count("<script>") == 2  # the page's own


def test_contradictory_rows_are_listed_with_both_entities_marked(shown):
    task, html, _ = shown
    assert "id 12: <code>no_relation</code>, id 13: <code>per:spouse</code>" in html
    assert '<mark class="subject">철수</mark>와 <mark class="object">영희</mark>' in html
    train = facts_beside(task / "page.html")["files"]["train"]
    assert (train["duplicate_rows"], train["contradictory_keys"]) == (1, 1)


def test_no_letter_is_drawn_as_a_box(task):
    found = examine(read_corpus(load_recipe(DEMO, settings(task)), predicted(task, [0] * 5)))
    clouds = draw_clouds(found.common.counts, found.common.labels)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Gg]lyph.*")
        for plot in plots(found, clouds):
            png_bytes(plot.figure)
            svg_file(plot.figure)
            texts = [text.get_text() for text in plot.figure.findobj(Text)]
            assert [text for text in texts if drawable(text) != text] == []
    rows = {row for plot in plots(found, clouds) for row in plot.rows if STRANGE in str(row)}
    assert rows  # the numbers have the letters all the same


def test_every_label_has_a_card_with_three_clouds_and_its_words(task):
    found = examine(read_corpus(load_recipe(DEMO, settings(task))))
    made = context(found, draw_clouds(found.common.counts, found.common.labels))
    assert [card["label"] for card in made["cards"]] == list(found.common.labels)
    for card in made["cards"]:
        assert [name for name, _, _ in card["clouds"]] == [
            "Subjects",
            "Objects",
            "Words around them",
        ]
        assert dict(card["lists"])["Types"][0]["word"] == "PER → PER"


def test_facts_are_json_and_counts_sum_to_the_rows(task):
    found = examine(read_corpus(load_recipe(DEMO, settings(task)), predicted(task, [0] * 5)))
    figures = json.loads(json.dumps(facts(found), allow_nan=False))
    assert sum(figures["labels"]["train"].values()) == figures["files"]["train"]["rows"] == 14
    assert sum(figures["labels"]["predicted"].values()) == figures["files"]["test"]["rows"] == 5
    assert figures["tokens"]["train"]["window"] == 128
    assert figures["shared_sentences"]["test"] == {"sentences": 0, "rows": 0}


def test_an_encoder_that_cannot_be_reached_is_said_and_the_rest_is_there(task):
    html, _ = run(task, "--set", f"encoder.from={task / 'nowhere'}")
    assert "Tokens were not counted" in html
    assert "Lengths in characters" in html
    assert "Lengths in tokens" not in html
    assert facts_beside(task / "page.html")["tokens"] == {}


def test_without_a_test_file(task):
    html, _ = run(task, "--set", "data.test=null")
    assert "names no test file" in html
    assert set(facts_beside(task / "page.html")["files"]) == {"train"}


def test_with_a_test_that_has_no_rows(task):
    write(task / "test.csv", [])
    run(task)
    assert facts_beside(task / "page.html")["files"]["test"]["rows"] == 0


def test_with_labels_of_one_class(task):
    write(task / "train.csv", [cells(i, "철수", "영희", NAMES[1], f" {i}") for i in range(3)])
    html, output = run(task)
    assert "no_relation: 0.0 % of train" in output
    assert "no word stands out" in html


def test_without_a_negative_label_the_largest_shift_is_the_headline(task):
    pred = predicted(task, [2] * 5)
    _, output = run(task, "--set", "data.negative=null", "--pred", str(pred))
    assert "직업:직함: 28.6 % of train, 100.0 % of the test" in output


def test_a_submission_of_other_rows_is_refused(task):
    pred = predicted(task, [0] * 4)
    with pytest.raises(InputError, match="missing"):
        CliRunner().invoke(eda, arguments(task, "--pred", str(pred)), catch_exceptions=False)
    assert not (task / "page.html").exists()


def test_a_shift_that_rounds_to_0_has_no_sign():
    assert [signed(points) for points in (-0.04, 0.04, -1.25, 31.06)] == [
        "0.0",
        "0.0",
        "−1.2",
        "+31.1",
    ]


@pytest.mark.slow
def test_the_sample_with_its_thirty_labels(tmp_path):
    files = [f"data.{name}={ROOT / 'sample' / name}.csv" for name in ("train", "dev", "test")]
    figures = write_eda(load_recipe(DEMO, files), None, tmp_path / "eda.html", tmp_path / "runs")
    assert [figures["files"][name]["rows"] for name in ("train", "dev", "test")] == [480, 94, 122]
    html = (tmp_path / "eda.html").read_text(encoding="utf-8")
    assert html.count('<article class="card label"') == 30
    assert html.count("data:image/png") == 90


@pytest.mark.parametrize("name", ["language", "proglang", "resources"])
def test_data_with_labels_and_types_of_its_own(name, tmp_path):
    folder = ANNOTATION / name
    if not folder.is_dir():
        pytest.skip(f"the annotated sets are not at {ANNOTATION}")
    files = [f"data.{role}={folder / role}.csv" for role in ("train", "dev", "test")]
    own = [f"data.labels={folder / 'label2id.json'}", "encoder.from.fresh.positions=512"]
    corpus = read_corpus(load_recipe(DEMO, [*files, *own]))
    small = {role: rows[:150] for role, rows in corpus.files.items()}
    found = examine(replace(corpus, files=small))
    made = context(
        found, draw_clouds(found.common.counts, found.common.labels[:2]) | _no_clouds(found)
    )
    assert made["headline"]["label"] == "no_relation"
    assert {name for name, _ in made["series"]} == {"train", "dev"}
    assert set(found.kinds["train"].subject_types) - {"PER", "ORG"}


def _no_clouds(found):
    return {label: {} for label in found.common.labels[2:]}
