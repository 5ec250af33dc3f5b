"""A task of a few lines goes through every command, and nothing but this file knows of it."""

import csv
import inspect
import json
from dataclasses import dataclass

import numpy as np
import pytest

from relx.data.labels import LabelList
from relx.data.marked import MarkedText
from relx.data.prompts.prompt import Prompt
from relx.data.rows.gold_rows import scan_gold
from relx.data.rows.reading import Scan
from relx.data.table import open_table
from relx.data.tokenizing.pooling import Pooling
from relx.dataset import read_dataset
from relx.files import read_json
from relx.known_tasks import TASKS, KnownTask
from relx.recipe import DataSection
from relx.recipe_file import load_recipe
from relx.scoring.decisions.one_of import ONE_OF
from relx.scoring.predictions import Predictions, Submission
from relx.spans import Span
from relx.tasks.answer_form import AnswerForm
from relx.tasks.task import open_task
from relx_cli.main import run
from relx_cli.recipes import shipped

TINY = "{fresh: {layers: 1, hidden: 16, heads: 2, intermediate: 32, vocabulary: 120}}"
WORDS = ["국밥", "냉면", "김치", "만두", "떡국", "비빔밥"]


@dataclass(frozen=True)
class Dish:
    """A sentence, a word in it, and whether the word is praised."""

    id: str
    sentence: str
    word: str
    gold: str | None
    types: tuple[str, ...] = ()
    group: str = ""

    @property
    def spans(self):
        start = self.sentence.index(self.word)
        return (Span(start, start + len(self.word)),)

    @property
    def key(self):
        return self.sentence, self.word


class TasteTask:
    decision, roles, asked, shows_types = ONE_OF, ("dish",), "dishes", False
    pooling = Pooling(spans=1, reads="start")

    def __init__(self, data, markers, pooling, decide):
        self.data = data

    def read_labels(self):
        return LabelList(("good", "bad"), None)

    def scan(self, path, labels, *, labelled=False):
        def add(row, reading):
            cells = row.cells
            gold = cells["label"] if labels else None
            reading.examples.append(Dish(cells["id"], cells["sentence"], cells["word"], gold))
            reading.readable.append(reading.examples[-1])
            reading.lines.append(row.line)

        return Scan(open_table(path), add)

    def scan_gold(self, path, labels):
        return scan_gold(open_table(path), ["id"], lambda cells, checks: cells["label"])

    def augmented(self, rows, section, labels, seed):
        return []

    def marked(self, row, separator):
        start, end = row.spans[0]
        text = f"{row.sentence[:start]}<d>{row.word}</d>{row.sentence[end:]}"
        pieces = (Span(start, start + 3), Span(end + 3, end + 7))
        return MarkedText(text, (Span(start + 3, end + 3),), (start,), pieces)

    def prompter(self, template, labels):
        return lambda row: Prompt("", row.sentence, f"\n{row.word}:", row.spans)

    def marker_tokens(self, types):
        return ("<d>", "</d>")

    def unknown(self, rows, types):
        return None

    def as_written(self, probabilities, ids):
        return probabilities

    def answers(self, labels, decision):
        def lines(rows, probabilities):
            pairs = zip([row.id for row in rows], probabilities.tolist(), strict=True)
            return (json.dumps(pair) + "\n" for pair in pairs)

        return AnswerForm(lines)

    def probabilities(self, labels):
        return self.answers(labels, None)

    def read(self, path, labels, *, percent=False, encoding="auto"):
        ids, rows = zip(*map(json.loads, path.read_text("utf-8").splitlines()), strict=True)
        return Submission(ids, ONE_OF.choose(np.array(rows)), np.array(rows))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of the task, which the registry knows by a line."""
    monkeypatch.setitem(TASKS, "taste", KnownTask(f"{__name__}:TasteTask"))
    for part, count in (("train", 48), ("dev", 16), ("test", 12)):
        with (tmp_path / f"{part}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "sentence", "word", "label"])
            for i in range(count):
                word, other = WORDS[i % 6], WORDS[(i + 1) % 6]
                good = (i // 6) % 2 == 0
                taste = "맛있다" if good else "맛없다"
                said = f"{part} {i}번 손님은 {other}보다 {word}이 {taste}고 했다."
                writer.writerow([f"{part}{i}", said, word, "good" if good else "bad"])
    return tmp_path


def settings(folder):
    values = {"name": "taste", "task": "taste", "encoder.from": TINY, "tokens.max_length": 64}
    values |= {"train.epochs": 2, "tapt.epochs": 1, "predict.engine": "keras"}
    return values | {f"data.{part}": folder / f"{part}.csv" for part in ("train", "dev", "test")}


def options(folder):
    return [word for key, value in settings(folder).items() for word in ("--set", f"{key}={value}")]


def test_the_task_is_at_most_sixty_lines():
    source = inspect.getsource(Dish) + inspect.getsource(TasteTask)
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 60


def test_a_task_goes_through_every_command(folder, capsys):
    recipe, runs = ["--recipe", "demo", *options(folder)], ["--runs-dir", str(folder / "runs")]
    assert run(["validate", *recipe, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [file["labels"] for file in found["files"]] == [
        {"bad": 24, "good": 24},
        {"bad": 6, "good": 10},
        {},
    ]
    assert (found["faults"], found["left_out"]) == ([], [])
    assert run(["tapt", *recipe, *runs]) == 0
    assert run(["train", *recipe, *runs]) == 0
    assert "starting from the encoder that TAPT adapted" in capsys.readouterr().err
    stage = folder / "runs/taste/train/fold-0"
    assert read_json(stage / "manifest.json")["inputs"]["task"] == "taste"
    kept = Predictions.load(stage / "dev.npz")
    assert (kept.labels, kept.probabilities.shape) == (("good", "bad"), (16, 2))
    out = folder / "answers.jsonl"
    gold = folder / "test.csv"
    assert run(["predict", *runs, "--out", str(out)]) == 0
    assert [json.loads(line)[0] for line in out.read_text("utf-8").splitlines()] == [
        f"test{i}" for i in range(12)
    ]
    capsys.readouterr()
    assert run(["score", *runs, "--gold", str(gold), "--json"]) == 0
    by_run = json.loads(capsys.readouterr().out)
    assert by_run["rows"] == 12
    words = ["score", *runs, "--run", "taste", "--pred", str(out), "--gold", str(gold), "--json"]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out) == by_run


def test_a_span_reaches_the_classifier_as_it_is_in_the_file(folder):
    sets = [f"{key}={value}" for key, value in settings(folder).items()]
    dataset = read_dataset(load_recipe(shipped()["demo"], sets))
    row = dataset.train[7]
    marked = dataset.task.marked(row, "")
    assert marked.spans[0].of(marked.text) == row.word
    assert marked.text[marked.starts[0] :].startswith(f"<d>{row.word}</d>")


def test_a_task_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(Exception, match="there is no such task") as caught:
        open_task("relatoin", DataSection())
    assert "did you mean relation?" in str(caught.value)
